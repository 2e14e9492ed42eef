"""What insights writes: the questions that the content did not answer."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from chat.models import Turn
from insights.clusters import central_question, nearest_gap
from insights.models import GapQuestion, KnowledgeGap
from knowledge.embed import embed_query
from knowledge.small_talk import small_talk
from tenants.workspace.actions import record
from tenants.workspace.models import Project, Seat

State = KnowledgeGap.State


def is_question(text: str) -> bool:
    """Whether a text asks anything: it has a letter or digit and is more than a greeting or thanks."""
    return any(sign.isalnum() for sign in text) and small_talk(text) is None


@transaction.atomic
def record_gap(*, turn: Turn, confidence: float) -> KnowledgeGap | None:
    """Count the turn's question among those without a good answer; once, however often it is called.

    It joins the nearest gap, or opens one. A closed gap that is met again opens again: its answer is not found.
    None for a text that asks nothing.
    """
    text = turn.message.text.strip()
    if not is_question(text):
        return None
    # One at a time: two first askings of the same question at the same moment are one gap.
    project = Project.objects.select_for_update(no_key=True).get(pk=turn.conversation.project_id)
    known = GapQuestion.objects.filter(turn=turn).select_related("gap").first()
    if known is not None:
        return known.gap
    vector, asked_at = embed_query(text), timezone.now()
    gap_id = nearest_gap(project.pk, vector)
    if gap_id is None:
        language = turn.conversation.language
        gap_id = KnowledgeGap.objects.create(
            project=project, question=text, language=language, first_asked_at=asked_at
        ).pk
    GapQuestion.objects.create(
        gap_id=gap_id, turn=turn, text=text, confidence=confidence, vector=vector, asked_at=asked_at
    )
    return _met(gap_id)


def _met(gap_id: int) -> KnowledgeGap:
    """The gap, open, under the title that its questions give it now."""
    gap = KnowledgeGap.objects.select_for_update().get(pk=gap_id)
    central = central_question(gap_id)
    if central is not None:
        gap.question, gap.language = central.text, central.turn.conversation.language
    if gap.state == State.CLOSED:
        gap.state, gap.closed_at, gap.proof = State.OPEN, None, {"reopened_at": timezone.now().isoformat()}
    gap.times_asked, gap.last_asked_at = F("times_asked") + 1, timezone.now()
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
