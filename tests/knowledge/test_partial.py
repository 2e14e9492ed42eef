"""A model's object is read while it is still being written, whatever it is wrapped in and however it breaks."""

from __future__ import annotations

import json

import pytest

from knowledge.answers.partial import PartialObject

PROOF = [{"passage": 1, "text": 'a "b" ] } \\ , c'}]
WHOLE = {"quotes": PROOF, "kind": "reply", "text": 'Zwölf 💡 "x"\n\t- [1] \\ /', "n": 3}


def reading(text: str, step: int = 1) -> PartialObject:
    found = PartialObject("text")
    for start in range(0, len(text), step):
        found.feed(text[start : start + step])
    return found


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_every_way_of_cutting_it_gives_the_same_values(step: int, ascii_only: bool, indent: int | None) -> None:
    found = reading(json.dumps(WHOLE, ensure_ascii=ascii_only, indent=indent), step)
    assert found.values == WHOLE
    assert found.text == WHOLE["text"]
    assert found.is_done
    assert not found.is_broken


def test_the_text_grows_while_it_comes_and_never_shrinks() -> None:
    found, seen = PartialObject("text"), [""]
    for sign in json.dumps(WHOLE):
        found.feed(sign)
        assert found.text.startswith(seen[-1])
        seen.append(found.text)
    assert len(set(seen)) > 10
    assert all("\ud83d" not in text for text in seen)


@pytest.mark.parametrize(
    "wrapped",
    [
        '```json\n{"kind": "unknown"}\n```',
        'Here it is: {"kind": "unknown"} and more {"kind": "reply"}',
        '<think>Maybe {"kind": "reply"}?</think>\n{"kind": "unknown"}',
        '\ufeff  {"kind" : "unknown" , }',
    ],
)
def test_what_stands_around_it_is_left_out(wrapped: str) -> None:
    found = reading(wrapped)
    assert found.values == {"kind": "unknown"}
    assert found.is_done


@pytest.mark.parametrize("text", ["", "You have 30 days [1].", "<think>{", "[1, 2]"])
def test_prose_is_no_object(text: str) -> None:
    found = reading(text)
    assert not found.has_begun
    assert not found.is_done


@pytest.mark.parametrize("text", ["{name} is", '{"kind" "reply"}', '{"a": ]}', '{"a": nope}', '{"text": "\\uZZZZ"}'])
def test_what_breaks_says_so(text: str) -> None:
    assert reading(text).is_broken


def test_a_broken_end_leaves_what_was_read() -> None:
    found = reading('{"kind": "reply", "text": "You have\nthirty \\ud83d days')
    assert found.values == {"kind": "reply"}
    assert found.text == "You have\nthirty "
    assert not found.is_done
    assert not found.is_broken


def test_half_a_surrogate_is_no_character() -> None:
    assert reading('{"text": "a\\udc00b"}').values == {"text": "ab"}


def test_a_value_without_end_is_given_up() -> None:
    assert reading('{"quotes": [' + '"x", ' * 10_000, 500).is_broken
