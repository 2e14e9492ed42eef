"""Which answers become knowledge gaps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction

from chat.events import AnswerGiven
from chat.models import Turn
from insights.actions import question_key, record_gap
from insights.listeners import note_gap
from insights.models import GapQuestion, KnowledgeGap
from tenants.workspace.models import Project
from tests.conftest import Tenants
from tests.insights.past import talk
from tests.insights.test_queries import NOON

FOUND = {"confidence": 0.3, "passages": [{"score": 0.3}]}


@pytest.fixture
def project(tenants: Tenants) -> Iterator[Project]:
    with tenants.a.inside() as cast:
        GapQuestion.objects.all().delete()
        KnowledgeGap.objects.all().delete()
        yield Project.objects.get(pk=cast.project_id)


def answered(turn: Turn, *, outcome: str = "reply", confidence: float = 0.9, is_test: bool = False) -> None:
    with transaction.atomic():
        note_gap(AnswerGiven(turn.pk, str(turn.conversation_id), 1, outcome, confidence, is_test))


def gaps() -> list[tuple[str, int]]:
    return list(KnowledgeGap.objects.order_by("pk").values_list("question", "times_asked"))


@pytest.mark.parametrize(
    ("outcome", "confidence", "evidence", "counts"),
    [
        ("reply", 0.9, FOUND, False),
        ("reply", 0.55, FOUND, False),
        ("reply", 0.54, FOUND, True),
        ("unknown", 0.9, FOUND, True),
        ("unknown", 0.0, {}, True),
    ],
)
def test_weak_and_missing_answers_are_gaps(
    project: Project, outcome: str, confidence: float, evidence: dict[str, object], counts: bool
) -> None:
    turn = talk(project, NOON).turn("Do you repair phones?", evidence=evidence)
    answered(turn, outcome=outcome, confidence=confidence)
    assert gaps() == ([("Do you repair phones?", 1)] if counts else [])


@pytest.mark.parametrize(
    ("trigger", "confidence", "evidence", "counts"),
    [
        ("weak_evidence", 0.3, FOUND, True),
        ("failure", 0.3, FOUND, True),
        ("failure", 0.9, FOUND, False),
        ("failure", 0.0, {}, False),
        ("request", 0.3, FOUND, False),
        ("mood", 0.3, FOUND, False),
    ],
)
def test_only_handoffs_about_the_content_are_gaps(
    project: Project, trigger: str, confidence: float, evidence: dict[str, object], counts: bool
) -> None:
    one = talk(project, NOON)
    turn = one.turn("Do you repair phones?", evidence=evidence)
    one.handoff(trigger, 1)
    answered(turn, outcome="handoff", confidence=confidence)
    assert len(gaps()) == counts


def test_the_projects_own_threshold_decides(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(evidence_threshold=0.2)
    answered(talk(project, NOON).turn("Do you repair phones?"), confidence=0.3)
    assert gaps() == []


def test_a_test_conversation_leaves_no_gap(project: Project) -> None:
    turn = talk(project, NOON, is_test=True).turn("Do you repair phones?", evidence=FOUND)
    answered(turn, outcome="unknown", confidence=0.1, is_test=True)
    assert gaps() == []


def test_the_same_turn_counts_once(project: Project) -> None:
    turn = talk(project, NOON).turn("Do you repair phones?")
    for _ in range(3):
        answered(turn, outcome="unknown", confidence=0.1)
    assert gaps() == [("Do you repair phones?", 1)]
    assert GapQuestion.objects.get().confidence == 0.1


def test_the_same_words_fall_together(project: Project) -> None:
    for text in ("Do you repair phones?", "do you REPAIR phones", "Do you repair - phones!!"):
        answered(talk(project, NOON).turn(text), outcome="unknown")
    answered(talk(project, NOON).turn("Do you repair lamps?"), outcome="unknown")
    assert gaps() == [("Do you repair - phones!!", 3), ("Do you repair lamps?", 1)]


@pytest.mark.parametrize("text", ["", "???", "\U0001f642", " \n"])
def test_a_text_without_a_letter_is_no_question(project: Project, text: str) -> None:
    assert record_gap(turn=talk(project, NOON).turn(text), confidence=0.0) is None
    assert gaps() == []


def test_a_closed_gap_opens_when_it_is_met_again(project: Project) -> None:
    answered(talk(project, NOON).turn("Do you repair phones?"), outcome="unknown")
    KnowledgeGap.objects.update(state=KnowledgeGap.State.CLOSED)
    answered(talk(project, NOON).turn("Do you repair phones?"), outcome="unknown")
    assert KnowledgeGap.objects.get().state == KnowledgeGap.State.OPEN


def test_a_reply_that_is_not_stored_leaves_no_gap(project: Project) -> None:
    turn = talk(project, NOON).turn("Do you repair phones?")
    with transaction.atomic():
        note_gap(AnswerGiven(turn.pk, str(turn.conversation_id), 1, "unknown", 0.1, False))
        assert len(gaps()) == 1
        transaction.set_rollback(True)
    assert gaps() == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Straße?", "strasse", True),
        ("ＡＢＣ１", "abc1", True),
        ("返品できますか？", "返品できますか", True),
        ("क्या", "कय", False),  # vowel signs are marks, and count
        ("30 days", "3 0 days", True),
        ("a lamp", "a lump", False),
    ],
)
def test_question_keys(one: str, other: str, same: bool) -> None:
    assert (question_key(one) == question_key(other)) is same
