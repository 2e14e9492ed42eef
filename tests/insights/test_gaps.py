"""Which answers become knowledge gaps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.events import AnswerGiven
from chat.models import Turn
from insights.actions import close_gap, note_question, sort_questions
from insights.listeners import note_gap
from insights.models import GapQuestion, KnowledgeGap
from insights.tasks import check
from knowledge.embed import embed_query
from knowledge.errors import EmbedFailed
from tenants import due
from tenants.models import Due
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Project
from tests.cast import Cast
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
    sort_questions()


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


def ask(project: Project, *texts: str) -> None:
    for text in texts:
        answered(talk(project, NOON).turn(text), outcome="unknown", confidence=0.1)


def test_questions_of_one_meaning_fall_together(project: Project) -> None:
    ask(project, "Do you repair phones?", "Is there parking at the showroom?", "Can you fix a broken phone?")
    ask(project, "Do you offer gift wrapping?", "do you REPAIR phones", "Can I gift wrap an order?")
    assert sorted(gaps()) == [
        ("Do you offer gift wrapping?", 2),
        ("Do you repair phones?", 3),
        ("Is there parking at the showroom?", 1),
    ]


def test_the_title_is_the_most_central_question(project: Project) -> None:
    ask(project, "Can you fix a broken phone?", "Can I get my phone repaired by you?", "Do you repair phones?")
    assert gaps() == [("Do you repair phones?", 3)]


def test_the_same_words_join_their_gap_even_where_its_mean_is_far(project: Project) -> None:
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    other = talk(project, NOON).turn("Where do you ship to?")
    GapQuestion.objects.create(
        gap=gap, turn=other, text="Where do you ship to?", confidence=0.1, vector=embed_query("Where do you ship to?")
    )
    ask(project, "Do you repair phones")
    assert KnowledgeGap.objects.count() == 1


def test_gaps_of_another_project_are_not_joined(project: Project) -> None:
    other = Project.objects.create(key="other", name="Other")
    ask(project, "Do you repair phones?")
    ask(other, "Do you repair phones?")
    assert [gap.project_id for gap in KnowledgeGap.objects.order_by("pk")] == [project.pk, other.pk]


def test_questions_kept_before_there_were_vectors_are_left_alone(project: Project) -> None:
    ask(project, "Do you repair phones?")
    GapQuestion.objects.update(vector=None)
    ask(project, "Do you repair phones?")
    assert gaps() == [("Do you repair phones?", 1), ("Do you repair phones?", 1)]


@pytest.mark.parametrize("text", ["Hello", "thank you!", "Danke schön", "merci beaucoup", "ありがとう", "ok 👍"])
def test_small_talk_is_no_gap(project: Project, text: str) -> None:
    answered(talk(project, NOON).turn(text), outcome="unknown", confidence=0.0)
    answered(talk(project, NOON).turn(text), outcome="reply", confidence=0.1)
    assert gaps() == []


@pytest.mark.parametrize("text", ["", "???", "\U0001f642", " \n"])
def test_a_text_without_a_letter_is_no_question(project: Project, text: str) -> None:
    assert not note_question(turn=talk(project, NOON).turn(text), confidence=0.0)
    assert not GapQuestion.objects.exists()


def test_a_closed_gap_opens_when_it_is_met_again(project: Project, tenants: Tenants) -> None:
    ask(project, "Do you repair phones?")
    assert close_gap(seat=tenants.a.owner.seat, gap_id=KnowledgeGap.objects.get().pk)
    closed = KnowledgeGap.objects.get()
    assert (closed.state, closed.closed_at is not None) == ("closed", True)
    ask(project, "Can you fix a broken phone?")
    reopened = KnowledgeGap.objects.get()
    assert (reopened.state, reopened.closed_at, reopened.times_asked) == ("open", None, 2)


def test_one_question_asked_twice_at_once_is_one_gap(fresh_tenant: Cast) -> None:
    cast = fresh_tenant

    def prepared() -> list[int]:
        GapQuestion.objects.all().delete()
        KnowledgeGap.objects.all().delete()
        project = Project.objects.get(pk=cast.project_id)
        return [talk(project, NOON).turn("Do you repair phones?").pk for _ in range(4)]

    def record(turn_id: int) -> None:
        turn = Turn.objects.select_related("message", "conversation").get(pk=turn_id)
        note_question(turn=turn, confidence=0.1)
        sort_questions()

    turns = cast.run(prepared)
    together = threading.Barrier(len(turns))

    def work(turn_id: int) -> None:
        together.wait()
        try:
            cast.run(record, turn_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[turn_id]) for turn_id in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cast.run(lambda: list(KnowledgeGap.objects.values_list("times_asked", flat=True))) == [4]


def test_a_reply_that_is_not_stored_leaves_no_gap(project: Project) -> None:
    turn = talk(project, NOON).turn("Do you repair phones?")
    with transaction.atomic():
        note_gap(AnswerGiven(turn.pk, str(turn.conversation_id), 1, "unknown", 0.1, False))
        assert GapQuestion.objects.count() == 1
        transaction.set_rollback(True)
    assert sort_questions() == 0
    assert gaps() == []


def test_the_reply_does_not_wait_for_what_its_question_means(
    project: Project, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(text: str) -> None:
        raise EmbedFailed("embedder_hangs", "The embedder hangs.")

    turn = talk(project, NOON).turn("Do you repair phones?")
    run_in(PUBLIC, Due.objects.all().delete)
    with monkeypatch.context() as broken:
        broken.setattr("insights.actions.embed_query", hang)
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            note_gap(AnswerGiven(turn.pk, str(turn.conversation_id), 1, "unknown", 0.1, False))
        held = [query["sql"] for query in queries if "FOR NO KEY UPDATE" in query["sql"]]
        assert not [sql for sql in held if "SKIP LOCKED" not in sql]  # nor is anybody waited for
        assert run_in(PUBLIC, Due.objects.get, schema=tenants.a.schema, kind="gaps")
        run_in(PUBLIC, Due.objects.all().delete)
        assert sort_questions() == 0
        again = run_in(PUBLIC, Due.objects.get, schema=tenants.a.schema, kind="gaps")
        assert timedelta(seconds=50) < again.at - timezone.now() <= timedelta(seconds=60)
    assert (gaps(), GapQuestion.objects.get().gap) == ([], None)
    assert sort_questions() == 1
    assert gaps() == [("Do you repair phones?", 1)]
    assert KnowledgeGap.objects.get().first_asked_at == GapQuestion.objects.get().asked_at


def test_the_task_that_is_due_sorts_what_was_noted(fresh_tenant: Cast) -> None:
    def ask_one() -> None:
        GapQuestion.objects.all().delete()
        KnowledgeGap.objects.all().delete()
        turn = talk(Project.objects.get(pk=fresh_tenant.project_id), NOON).turn("Do you repair phones?")
        note_question(turn=turn, confidence=0.1)

    fresh_tenant.run(ask_one)
    task = due.task_for("gaps")
    assert task == check.name
    check(fresh_tenant.schema)
    assert fresh_tenant.run(gaps) == [("Do you repair phones?", 1)]
