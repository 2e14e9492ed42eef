"""Greetings and thanks get a line in their own language; a question never does, however politely it is put."""

from __future__ import annotations

import json

import pytest

from builtabot.demo import business
from knowledge.answers import Outcome, Question, answer
from knowledge.answers import phrases as own_phrases
from knowledge.small_talk import _FILE, small_talk

TABLE = json.loads(_FILE.read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "kind", "language"),
    [
        ("Hello", "hello", "en"),
        ("hello!!!", "hello", "en"),
        ("Heyyyy there :)", "hello", "en"),
        ("Hi, thank you so much!", "thanks", "en"),
        ("ok thanks bye", "thanks", "en"),
        ("Thanks for your help 🙏", "thanks", "en"),
        ("That’s all, goodbye.", "bye", "en"),
        ("Danke schön!", "thanks", "de"),
        ("Guten Tag", "hello", "de"),
        ("Grüß Gott", "hello", "de"),
        ("¡Hola! ¿Qué tal?", "hello", "es"),
        ("muchísimas gracias", "thanks", "es"),
        ("Merci beaucoup", "thanks", "fr"),
        ("D’accord, merci", "thanks", "fr"),
        ("D'accord", "ok", "fr"),
        ("ＴＨＡＮＫＳ", "thanks", "en"),
        ("こんにちは", "hello", "ja"),
        ("ありがとうございます！", "thanks", "ja"),
        ("你好，谢谢", "thanks", "zh"),
        ("شكرا جزيلا", "thanks", "ar"),
        ("Спасибо большое", "thanks", "ru"),
        ("धन्यवाद", "thanks", "hi"),
        ("ขอบคุณครับ", "thanks", "th"),
        ("teşekkür ederim", "thanks", "tr"),
        ("감사합니다", "thanks", "ko"),
    ],
)
def test_small_talk_is_known(text: str, kind: str, language: str) -> None:
    found = small_talk(text)
    assert found is not None
    assert (found.kind, found.language) == (kind, language)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "???",
        "Hello, where is my parcel?",
        "Thanks, but that did not help",
        "thank you for nothing",
        "Hi I need a refund",
        "Danke, aber wo ist mein Paket?",
        "Do you sell good morning lamps?",
        "ok so how do I cancel",
        "no",
        "help",
        "agent",
        "👎",
        "42",
        "ok 2",
        "你好请问怎么退货",
        "こんにちは、返品できますか",
        "Hallo, ich möchte einen Menschen sprechen",
        "hello " * 40,
    ],
)
def test_a_question_is_none(text: str) -> None:
    assert small_talk(text) is None


def test_no_question_of_the_demo_is_taken_for_small_talk() -> None:
    asked = (business.__file__ or "").replace("business.py", "questions.jsonl")
    with open(asked, encoding="utf-8") as lines:
        texts = [str(json.loads(line).get("question", json.loads(line).get("text", ""))) for line in lines]
    assert len(texts) > 20
    assert all(texts)
    assert not [text for text in texts if small_talk(text)]


@pytest.mark.parametrize(
    ("text", "language", "answered_in"),
    [("hi", "fr", "fr"), ("ok", "ja", "ja"), ("👍", "de", "de"), ("hi", "", "en"), ("hi", "xx", "en"),
     ("hola", "ca", "ca"), ("hola", "", "es"), ("Danke", "en", "de"), ("ciao", "it-CH", "it")],
)  # fmt: skip
def test_the_visitors_language_decides_where_several_say_it(text: str, language: str, answered_in: str) -> None:
    found = small_talk(text, language=language)
    assert found is not None
    assert found.language == answered_in


def test_every_language_of_our_sentences_has_all_of_it() -> None:
    assert TABLE.keys() - {"*"} == own_phrases._table().keys()
    for code, entry in TABLE.items():
        for kind in ("hello", "thanks", "bye", "ok") if code != "*" else ():
            reply = entry["replies"][kind]
            assert 4 < len(reply) < 90
            phrases = [phrase.strip() for phrase in entry[kind].split(",")]
            assert len(phrases) >= 4
            for phrase in phrases:
                found = small_talk(phrase, language=code)
                assert found is not None, (code, phrase)
                assert found.language == code


def test_the_answer_is_one_polite_line_without_a_source() -> None:
    pieces = list(answer(Question("Vielen Dank!", language="de", confidence=0.1)))
    line = "Gern geschehen. Fragen Sie jederzeit wieder."
    assert pieces == [line, Outcome("reply", line)]


def test_a_question_is_still_answered_from_the_pages() -> None:
    outcome = list(answer(Question("Thanks, and where is it?", language="en", confidence=0.1)))[-1]
    assert isinstance(outcome, Outcome)
    assert outcome.kind == "unknown"
