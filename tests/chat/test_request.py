"""The phrase net: who asks for a person, and who only uses the words."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.judgement.request import find_ask, normalise
from livesupport.rehearsal import REQUESTS

REQUESTS_ELSEWHERE = [
    line.split("\t") for line in (Path(__file__).parent.parent / "data/requests.tsv").read_text("utf-8").splitlines()
]


def test_more_than_a_hundred_languages_are_known() -> None:
    assert len({*REQUESTS, *(language for language, _ in REQUESTS_ELSEWHERE)}) > 100


@pytest.mark.parametrize("language", sorted(REQUESTS))
def test_the_plain_request_is_found_in_each_language(language: str) -> None:
    assert find_ask(REQUESTS[language]) is not None


@pytest.mark.parametrize(
    "text",
    [
        "agent", "HUMAN", "operator!!", "0", "Talk to a human", "i want 2 talk to a real person now",
        "can I speak with someone from your team?", "Put me through to a manager",
        "this is useless, let me talk to a person", "I need a human", "is there a real person there?",
        "Kann ich bitte mit einem Menschen sprechen?", "Mitarbeiter bitte", "passez-moi un conseiller",
        "quiero que me atienda un agente, hablar con alguien", "ＨＵＭＡＮ please", "オペレーターにつないでください",
        "轉人工", "соедините с оператором", "müşteri temsilcisine bağlanmak istiyorum",
    ],
)  # fmt: skip
def test_requests_are_found(text: str) -> None:
    assert find_ask(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "?!", "Where is my order?", "My estate agent told me to buy this lamp", "Who works in human resources?",
        "Which user agent do you support?", "Is this a person or a bot?", "Are you a real person?",
        "the agent I spoke to yesterday promised a refund", "no need for a human, just tell me the price",
        "I don't want to talk to a human", "ich will keinen Menschen sprechen", "不用人工",
        "Wie lange dauert der Versand?",
        "Is it safe for humans?", "How many persons fit at the table?",
    ],
)  # fmt: skip
def test_words_in_another_sense_are_left_alone(text: str) -> None:
    assert find_ask(text) is None


def test_a_very_long_message_is_read_only_at_its_start_and_quickly() -> None:
    assert find_ask("a " * 50_000) is None
    assert find_ask("talk to a human " + "x" * 50_000) is not None


def test_normalising_folds_case_width_accents_and_punctuation() -> None:
    assert normalise("  ＴＡＬＫ—to, a  HÜMAN! ") == "talk to a human"


@pytest.mark.parametrize(("language", "text"), REQUESTS_ELSEWHERE)
def test_a_request_is_found_in_the_languages_that_only_request(language: str, text: str) -> None:
    found = find_ask(text)
    assert found is not None
    assert language in found.languages
