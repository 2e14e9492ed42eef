"""Passages follow the headings, stay near their size, and lose nothing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from knowledge.blocks import Block
from knowledge.chunks import cut, header


def words(text: str) -> int:
    return len(text.split())


def test_no_passage_crosses_a_heading() -> None:
    one = "w " * 30
    chunks = cut([Block(("A",), "a", one), Block(("B",), "b", one + "3"), Block(("B",), "b", "four")], words)
    assert [(c.heading, c.anchor, c.text, c.tokens) for c in chunks] == [
        ("A", "a", one, 30),
        ("B", "b", f"{one}3\nfour", 32),
    ]


def test_paragraphs_are_packed_up_to_the_target() -> None:
    blocks = [Block((), "", "w " * 70) for _ in range(5)]
    assert [c.tokens for c in cut(blocks, words)] == [140, 140, 70]


def test_small_rest_joins_the_passage_before_it() -> None:
    blocks = [Block((), "", "w " * 170), Block((), "", "short rest here")]
    assert [c.tokens for c in cut(blocks, words)] == [173]


def test_long_paragraph_is_cut_between_sentences() -> None:
    text = " ".join(f"Sentence number {n} has exactly seven words." for n in range(60))
    chunks = cut([Block((), "", text)], words)
    assert all(chunk.text.endswith("words.") for chunk in chunks)
    assert all(100 < chunk.tokens <= 180 for chunk in chunks[:-1])
    assert " ".join(chunk.text for chunk in chunks).replace("\n", " ") == text


def test_wall_of_text_without_stops_or_spaces_is_cut() -> None:
    chunks = cut([Block((), "", "字" * 5000)], len)
    assert "".join(c.text.replace("\n", "") for c in chunks) == "字" * 5000
    assert max(c.tokens for c in chunks) <= 180 + 40


def test_headings_are_joined_into_one_path() -> None:
    chunk = cut([Block(("Returns", "Sale items"), "sale", "No.")], words)[0]
    assert header("Help", chunk.heading) == "Help > Returns > Sale items"
    assert header("Help", "") == "Help"


def test_neighbours_of_a_few_words_make_a_passage_under_their_common_heading() -> None:
    blocks = [
        Block(("Add-ons", "Squash", "Id"), "id", "addon.squash"),
        Block(("Add-ons", "Squash", "Triggers"), "triggers", "After each commit."),
        Block(("Add-ons", "Squash", "Use"), "use", "w " * 100),
        Block(("Add-ons", "Stale"), "stale", "Says what is old. " * 10),
    ]
    found = cut(blocks, words)
    assert [(c.heading, c.anchor) for c in found] == [("Add-ons > Squash", "id"), ("Add-ons > Stale", "stale")]
    assert found[0].text.startswith("Id:\naddon.squash\nTriggers:\nAfter each commit.\nUse:\nw w")
    assert found[0].tokens == 110


def test_short_questions_keep_their_answers_to_themselves() -> None:
    blocks = [Block(("Is it free?",), "a", "Yes."), Block(("And for schools?",), "b", "Too.")]
    assert [c.text for c in cut(blocks, words)] == ["Yes.", "Too."]


def test_what_does_not_fit_together_stays_apart() -> None:
    blocks = [Block(("A", "One"), "", "short"), Block(("A", "Two"), "", "w " * 179), Block(("B", "One"), "", "short")]
    assert [c.heading for c in cut(blocks, words)] == ["A > One", "A > Two", "B > One"]


@given(st.lists(st.tuples(st.sampled_from(["A?", "B?"]), st.text(alphabet="ab .。\n", max_size=400)), max_size=8))
def test_every_character_arrives_in_order(parts: list[tuple[str, str]]) -> None:
    blocks = [Block((name,), "", text) for name, text in parts]
    out = "".join(chunk.text for chunk in cut(blocks, words, target=20))
    assert re.sub(r"\s", "", out) == re.sub(r"\s", "", "".join(text for _, text in parts))
