"""A question that leans on the one before is searched for together with it."""

from __future__ import annotations

import pytest

from knowledge.answers.followups import carried, leans

PRO = "How much does the Pro plan cost for a team of ten people in one year?"


@pytest.mark.parametrize(
    "text",
    [
        "and for students?", "what about Europe?", "Why?", "und für Studenten?", "¿y para estudiantes?",
        "et en Suisse ?",
        "e per gli studenti?", "a dla studentów?", "а для студентов?", "وللطلاب؟", "学生呢？", "学生の場合は？",
        "학생은요?", "और छात्रों के लिए?", "แล้วนักศึกษาล่ะ", "Pro?",
    ],
)  # fmt: skip
def test_short_questions_of_any_language_are_carried_along(text: str) -> None:
    assert carried(text, [PRO]) == f"{PRO}\n{text}"


@pytest.mark.parametrize(
    "text",
    [
        PRO, "", "?!", "👍", "Thank you!", "Vielen Dank", "谢谢",
        "Which of your lamps can be used outside in the rain and in the snow?",
        "学生プランの料金はいくらですか。年間契約の場合も教えてください。",
    ],
)  # fmt: skip
def test_what_says_enough_or_nothing_stands_alone(text: str) -> None:
    assert not leans(text)
    assert carried(text, [PRO]) == ""


def test_it_goes_back_to_what_says_enough_and_past_what_says_nothing() -> None:
    before = ["Do you ship to the islands, and how long does that take?", PRO, "and students?", "Thanks!", " "]
    assert carried("and teachers?", before) == f"{PRO}\nand students?\nand teachers?"
    assert carried("and teachers?", ["Hello!"]) == ""
    assert carried("and teachers?", []) == ""


def test_it_carries_no_more_than_three_texts_and_of_each_the_beginning() -> None:
    assert carried("e?", ["a?", "b?", "c?", "d?"]) == "b?\nc?\nd?\ne?"
    assert len(carried("and?", ["x" * 5000])) < 310
