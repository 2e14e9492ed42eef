"""Without a model the answer is a quotation that reads well, with its source, in the right language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import knowledge.answers
from knowledge.answers import Outcome, Question, answer
from knowledge.answers.phrases import phrase
from knowledge.evidence import Passage

RETURNS = (
    "You can send a lamp back within thirty days of delivery. We pay the postage.\n"
    "Our workshop was founded in Graz. It stands beside the river. Twelve people work there every day. "
    "They make lamps of brass and of paper. On Sundays the workshop is closed to visitors."
)
STEPS = "To send a lamp back:\n1. Open your orders\n2. Press Return\n3. Print the label"
PRICES = (
    "Country: Austria; Standard: 4.90 EUR; Express: 12 EUR\n"
    "Country: Norway; Standard: 14 EUR; Express: 29 EUR\n"
    "Country: Japan; Standard: 38 EUR; Express: 60 EUR"
)


def passage(
    number: int, text: str, *, score: float = 0.9, language: str = "en", heading: str = "", page: int = 0
) -> Passage:
    return Passage(number, page or number, f"https://a.example/{number}", "Help", heading, "", text, score, language)


def reply(text: str, *passages: Passage, language: str = "en", confidence: float = 0.9) -> Outcome:
    question = Question(text, language, passages=passages, confidence=confidence)
    *words, outcome = answer(question)
    assert isinstance(outcome, Outcome)
    assert "".join(str(word) for word in words) == outcome.text
    return outcome


def test_a_short_paragraph_is_quoted_whole_with_its_source() -> None:
    outcome = reply("How long can I send a lamp back?", passage(1, RETURNS))
    assert outcome.text == "You can send a lamp back within thirty days of delivery. We pay the postage. [1]"
    assert (outcome.kind, outcome.citations) == ("reply", (1,))


def test_of_a_long_paragraph_only_the_answering_sentences_are_quoted() -> None:
    outcome = reply("When is the workshop closed?", passage(1, RETURNS))
    assert "On Sundays the workshop is closed to visitors." in outcome.text
    assert len(outcome.text) < 120


def test_steps_are_quoted_from_the_first_with_their_introduction() -> None:
    outcome = reply("How do I print the return label?", passage(1, STEPS))
    assert outcome.text == "To send a lamp back:\n1. Open your orders.\n2. Press Return.\n3. Print the label. [1]"


def test_the_row_that_was_asked_for_stands_alone() -> None:
    outcome = reply("What does standard delivery to Norway cost?", passage(1, PRICES, heading="Prices"))
    assert outcome.text == "Country: Norway; Standard: 14 EUR; Express: 29 EUR. [1]"


def test_a_long_list_gives_its_best_items_under_its_heading() -> None:
    items = "\n".join(
        f"- {thing}" for thing in ("cups", "gift cards", "opened bulbs", "engraved lamps", "rugs", "pens")
    )
    outcome = reply("Can I return gift cards?", passage(1, items, heading="Returns > Not taken back"))
    heading, *lines = outcome.text.split("\n")
    assert heading == "Not taken back:"
    assert len(lines) == 3
    assert any("gift cards." in line for line in lines)


def test_passages_in_the_visitors_language_go_first() -> None:
    german = passage(2, "Sie können eine Lampe dreißig Tage lang zurückgeben.", language="de", score=0.87)
    outcome = reply("Wie lange kann ich zurückgeben?", passage(1, RETURNS), german, language="de")
    assert outcome.text == "Sie können eine Lampe dreißig Tage lang zurückgeben. [2]"
    assert outcome.citations == (2,)


def test_a_page_in_another_language_is_quoted_under_a_sentence_in_the_visitors() -> None:
    outcome = reply("¿Cuánto tiempo tengo para devolver una lámpara?", passage(1, RETURNS), language="es")
    lead, quote = outcome.text.split("\n\n")
    assert lead == phrase("es", "other")
    assert quote.startswith("You can send a lamp back within thirty days")


@pytest.mark.parametrize("language", ["en", "de", "ja", "xx", ""])
def test_weak_evidence_is_said_plainly_in_the_visitors_language(language: str) -> None:
    outcome = reply("Who is the king of Norway?", passage(1, RETURNS), language=language, confidence=0.1)
    assert outcome == Outcome("unknown", phrase(language, "unknown"))
    assert reply("Anything?", language=language).kind == "unknown"


def test_a_second_page_is_cited_only_where_it_adds_something() -> None:
    same = passage(2, "You can send a lamp back within thirty days of delivery.", score=0.895)
    assert reply("How long can I send a lamp back?", passage(1, RETURNS), same).citations == (1,)


def test_japanese_is_split_and_ended_like_japanese() -> None:
    text = "返品は三十日以内です。送料は当社が負担します。"
    outcome = reply("返品は何日以内ですか？", passage(1, text, language="ja"), language="ja")
    assert outcome.text == text + " [1]"


def test_every_language_has_both_sentences_and_they_differ() -> None:
    table = json.loads((Path(knowledge.answers.__file__).parent / "phrases.json").read_text("utf-8"))
    assert len(table) >= 25
    for kind in ("other", "unknown"):
        said = [entry[kind] for entry in table.values()]
        assert all(said)
        assert len(set(said)) == len(said)
    assert phrase("pt-BR", "unknown") == table["pt"]["unknown"]
