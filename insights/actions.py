"""What insights writes: the questions that the content did not answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from chat.models import Turn
from insights.clusters import central_question, nearest_gap
from insights.models import GapQuestion, KnowledgeGap
from insights.proof import CHECKS
from knowledge.embed import embed_query
from knowledge.errors import EmbedFailed
from knowledge.small_talk import small_talk
from tenants import due
from tenants.workspace.actions import record
from tenants.workspace.models import Project, Seat

AGAIN = timedelta(minutes=1)
State = KnowledgeGap.State


def is_question(text: str) -> bool:
    """Whether a text asks anything: it has a letter or digit and is more than a greeting or thanks."""
    return any(sign.isalnum() for sign in text) and small_talk(text) is None


def note_question(*, turn: Turn, confidence: float) -> bool:
    """Keep the turn's question among those without a good answer; once, however often it is called. False for a
    text that asks nothing.

    Only inserts a row: it runs in the transaction of the reply, which must not wait for what questions mean.
    """
    text = turn.message.text.strip()
    if not is_question(text):
        return False
    with transaction.atomic():
        GapQuestion.objects.bulk_create(
            [GapQuestion(turn=turn, text=text, confidence=confidence)], ignore_conflicts=True, unique_fields=["turn"]
        )
        due.note(CHECKS, timezone.now())
    return True


def sort_questions() -> int:
    """Give every question that was only noted its gap, the oldest first; how many. One that cannot be understood
    now waits for another minute. Safe to call at the same time from many workers."""
    sorted_in, waits = 0, False
    for question_id in list(GapQuestion.objects.filter(gap=None).order_by("pk").values_list("pk", flat=True)):
        try:
            sorted_in += sort_question(question_id=question_id) is not None
        except EmbedFailed:
            waits = True
    if waits:
        with transaction.atomic():
            due.note(CHECKS, timezone.now() + AGAIN)
    return sorted_in


def sort_question(*, question_id: int) -> KnowledgeGap | None:
    """Join a noted question to the nearest gap, or open one; None if another worker was first.

    A closed gap that is met again opens again: its answer is not found. Raises EmbedFailed; then nothing has changed.
    """
    question = GapQuestion.objects.select_related("turn__conversation").get(pk=question_id)
    conversation, vector = question.turn.conversation, embed_query(question.text)
    with transaction.atomic():
        # One at a time: two first askings of the same question at the same moment are one gap.
        project = Project.objects.select_for_update(no_key=True).get(pk=conversation.project_id)
        gap_id = nearest_gap(project.pk, vector)
        if not GapQuestion.objects.filter(pk=question_id, gap=None).exists():
            return None
        if gap_id is None:
            fields = {"question": question.text, "language": conversation.language}
            gap_id = KnowledgeGap.objects.create(project=project, first_asked_at=question.asked_at, **fields).pk
        GapQuestion.objects.filter(pk=question_id).update(gap=gap_id, vector=vector)
        return _met(gap_id, question.asked_at)


def _met(gap_id: int, asked_at: datetime) -> KnowledgeGap:
    """The gap, open, under the title that its questions give it now."""
    gap = KnowledgeGap.objects.select_for_update().get(pk=gap_id)
    central = central_question(gap_id)
    if central is not None:
        gap.question, gap.language = central.text, central.turn.conversation.language
    if gap.state == State.CLOSED:
        gap.state, gap.closed_at, gap.proof = State.OPEN, None, {"reopened_at": timezone.now().isoformat()}
    gap.times_asked, gap.last_asked_at = F("times_asked") + 1, max(asked_at, gap.last_asked_at)
    gap.save(update_fields=["question", "language", "state", "closed_at", "proof", "times_asked", "last_asked_at"])
    gap.refresh_from_db()
    return gap


def close_gap(*, seat: Seat, gap_id: int) -> bool:
    """Take a question off the list; whether it was on it. Asked again without an answer, it comes back."""
    with transaction.atomic():
        gap = KnowledgeGap.objects.select_for_update().get(pk=gap_id)
        if gap.state == State.CLOSED:
            return False
        gap.state, gap.closed_at, gap.proof = State.CLOSED, timezone.now(), {}
        gap.save(update_fields=["state", "closed_at", "proof"])
        data = {"model": "insights.knowledgegap", "id": str(gap.pk), "text": ""}
        record(seat=seat, verb="closed knowledge gap", subject=gap.question, data=data)
        return True
