"""A model's object becomes an answer only by quotes that are there; all else ends in one plain sentence."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from knowledge.answers import Outcome, Question, Said
from knowledge.answers.hearing import Hearing
from knowledge.errors import ModelError
from knowledge.evidence import Passage
from tests.fakes.openai_server import written

RETURNS = Passage(
    1, 1, "https://a.example/r", "Returns", "Window", "w",
    "You can return a lamp within 30 days. We pay the postage for the parcel.", 0.9, "en",
)  # fmt: skip
CARE = Passage(2, 2, "https://a.example/c", "Care", "", "", "Wipe the Lumen 300 and the Lumen 500 dry.", 0.8, "en")
QUOTE = (1, "You can return a lamp within 30 days.")
UNKNOWN = "Our pages don't say. A person can find out."


def heard(text: str, step: int = 5, **more: Any) -> tuple[str, Outcome]:
    """What was shown while it came, and how it ended."""
    defaults: dict[str, Any] = {"text": "May I return it?", "language": "en", "passages": (RETURNS, CARE)}
    hearing = Hearing(Question(**{"confidence": 0.6, **defaults, **more}))
    shown = ""
    for start in range(0, len(text), step):
        shown += hearing.hear(text[start : start + step])
        if hearing.is_over:
            break
    return shown + hearing.end(), hearing.outcome


def test_an_answer_with_a_quote_is_shown_and_raises_the_confidence() -> None:
    shown, end = heard(written("Yes, within 30 days [1]. It is free [2].", QUOTE))
    assert shown == end.text == "Yes, within 30 days [1]."
    assert (end.kind, end.citations, end.quotes) == ("reply", (1,), (QUOTE,))
    assert end.confidence == pytest.approx(0.93, abs=0.005)


def test_nothing_is_shown_before_the_quotes_are_there() -> None:
    late = json.dumps({"text": "Within 30 days [1].", "kind": "reply", "quotes": [{"passage": 1, "text": QUOTE[1]}]})
    hearing = Hearing(Question("?", passages=(RETURNS,)))
    assert [hearing.hear(sign) for sign in late[:-1]] == [""] * (len(late) - 1)
    assert hearing.hear(late[-1]) + hearing.end() == "Within 30 days [1]."
    never = json.dumps({"text": "Within 99 years [1].", "kind": "reply", "quotes": []})
    assert heard(never) == ("", heard(never)[1])
    assert heard(never)[1].text == UNKNOWN


@pytest.mark.parametrize(
    "quotes",
    [(), ((1, "You can return a lamp within 90 days."),), ((2, QUOTE[1]),), ((7, QUOTE[1]),), ((1, "Window"),)],
)
def test_without_a_quote_that_is_there_the_model_s_text_is_not_shown(quotes: tuple[tuple[int, str], ...]) -> None:
    shown, end = heard(written("Yes, within 30 days [1].", *quotes))
    assert (shown, end.kind, end.text, end.citations) == ("", "unknown", UNKNOWN, ())
    assert end.confidence == pytest.approx(0.12)


def test_a_quote_that_fails_ends_the_reading_at_once() -> None:
    hearing = Hearing(Question("?", passages=(RETURNS,)))
    hearing.hear('{"quotes": [], "kind": "reply", ')
    assert hearing.is_over


@pytest.mark.parametrize(("kind", "ends"), [("unknown", "unknown"), ("handoff", "handoff")])
def test_what_needs_no_words_ends_before_them(kind: str, ends: str) -> None:
    hearing = Hearing(Question("?", passages=(RETURNS,)))
    hearing.hear(f'{{"quotes": [{{"passage": 1, "text": "{QUOTE[1]}"}}], "kind": "{kind}", ')
    assert hearing.is_over
    assert hearing.outcome.kind == ends


def test_a_text_without_a_source_is_replaced_by_the_sentences_that_it_had_quoted() -> None:
    shown, end = heard(written("Sure, anytime, no problem!", QUOTE, (2, "Wipe the Lumen 300 and")))
    assert shown == ""
    assert end.text == "You can return a lamp within 30 days. [1]\n\nWipe the Lumen 300 and the Lumen 500 dry. [2]"
    assert end.citations == (1, 2)
    _, german = heard(written("Klar!", QUOTE), language="de")
    lead = "Das habe ich auf unseren Seiten in einer anderen Sprache gefunden:"
    assert german.text == f"{lead}\n\nYou can return a lamp within 30 days. [1]"


def test_a_deed_takes_the_answer_back() -> None:
    shown, end = heard(written("Within 30 days [1]. I have refunded you [1]. All good [1].", QUOTE))
    assert shown == "Within 30 days [1]."
    assert (end.kind, end.text, end.citations) == ("unknown", UNKNOWN, ())


def test_one_question_back_is_asked_and_says_nothing_of_confidence() -> None:
    _, end = heard(written("Sure. Do you mean the Lumen 300 or the Lumen 500?", kind="clarify"))
    assert end == Outcome("clarify", "Do you mean the Lumen 300 or the Lumen 500?")


@pytest.mark.parametrize(
    "text",
    [
        "", "Tell me more.", "Is it A? Is it B?", "What is your password?", "Can you mail it to x@evil.test?",
        "Is it the Lumen 900X?", "I have cancelled it. Is that right?", "Is " + "it " * 150 + "?",
    ],
)  # fmt: skip
def test_a_question_back_that_is_none_or_asks_too_much_is_not_asked(text: str) -> None:
    assert heard(written(text, kind="clarify"))[1].text == UNKNOWN


def test_it_asks_back_only_once() -> None:
    before = (Said("visitor", "Is it ok?"), Said("business", "Which lamp do you mean?"))
    assert heard(written("Which colour?", kind="clarify"), history=before)[1].kind == "unknown"
    assert heard(written("Which colour?", kind="clarify"), history=before[:1])[1].kind == "clarify"


@pytest.mark.parametrize("text", ["", "30 days [1].", '{"kind": "reply"}', '{"answer": "yes"}', "{broken", "[]"])
def test_another_form_is_an_error(text: str) -> None:
    with pytest.raises(ModelError) as failure:
        heard(text)
    assert failure.value.code == "model_unstructured"


def test_an_object_that_breaks_off_keeps_its_whole_sentences() -> None:
    whole = written("Within 30 days [1]. We pay the post", QUOTE)
    shown, end = heard(whole[: whole.index("post") + 2], step=1)
    assert shown == end.text == "Within 30 days [1]."


def test_a_kind_that_is_missing_or_unheard_of_is_a_reply_only_with_its_quotes() -> None:
    without = json.dumps({"quotes": [{"passage": 1, "text": QUOTE[1]}], "text": "Within 30 days [1]."})
    assert heard(without)[1].kind == "reply"
    assert heard(json.dumps({"quotes": [], "text": "Within 30 days [1]."}))[1].kind == "unknown"
    with pytest.raises(ModelError):
        heard(written("Within 30 days [1].", QUOTE, kind="approve"))


@pytest.mark.parametrize(
    ("before", "quotes", "after"),
    [(0.0, (QUOTE,), 0.009), (0.3, (QUOTE,), 0.794), (0.95, (QUOTE,), 0.994), (0.95, (), 0.19), (1.0, (), 0.2)],
)
def test_confidence_after_the_quotes(before: float, quotes: tuple[tuple[int, str], ...], after: float) -> None:
    end = heard(written("Within 30 days [1].", *quotes), confidence=before)[1]
    assert end.confidence == pytest.approx(after, abs=0.001)


@pytest.mark.parametrize("kind", ["reply", "clarify"])
@pytest.mark.parametrize("babble", ["。", "[", "a.", "1,", "[x](", "\n\n", "i have ", "【1"])
def test_no_babble_takes_long_to_read(kind: str, babble: str) -> None:
    began = time.process_time()
    heard(written((babble * 16_000)[:15_000], QUOTE, kind=kind), step=16_000)
    assert time.process_time() - began < 0.6
