"""Asking a gap's questions again, after an answer was written: the proof that it is closed, or what is missing."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from insights.models import GapQuestion, KnowledgeGap
from knowledge.models import Document
from knowledge.search import Evidence, search
from tenants import due

CHECKS = "gaps"  # the kind of work in the public Due table
_QUESTIONS = 20
State = KnowledgeGap.State


def take_answer(*, gap_id: int, source_id: int, project_id: int) -> bool:
    """Note that a source was written to answer a gap of the same project; False where there is no such gap."""
    found = KnowledgeGap.objects.filter(pk=gap_id, project_id=project_id)
    return bool(found.update(answer_id=source_id, proof={}))


def await_proof(*, source_id: int) -> None:
    """Have the questions asked again of the open gaps that a source answers. In the caller's transaction."""
    now = timezone.now()
    if KnowledgeGap.objects.filter(answer=source_id, state=State.OPEN).update(check_asked_at=now):
        due.note(CHECKS, now)


def check_gaps() -> int:
    """Ask again what waits to be; how many gaps. Safe to call at the same time from many workers."""
    waiting = list(KnowledgeGap.objects.filter(check_asked_at__isnull=False).values_list("pk", flat=True))
    for gap_id in waiting:
        ask_again(gap_id=gap_id)
    return len(waiting)


def ask_again(*, gap_id: int) -> bool:
    """Search for a gap's questions once more, and close it if every one passes; whether it is closed now.

    A question passes when its confidence reaches what the project asks for and the entry written for the gap is
    among what was found; for a gap without an entry, when the confidence has risen.
    """
    gap = KnowledgeGap.objects.select_related("project").get(pk=gap_id)
    needed, asked_at = gap.project.evidence_threshold, gap.check_asked_at
    tried = [_tried(gap, question) for question in _questions(gap)]
    now = timezone.now()
    with transaction.atomic():
        held = KnowledgeGap.objects.select_for_update().get(pk=gap_id)
        if held.check_asked_at == asked_at:
            held.check_asked_at = None
        if held.state == State.OPEN:
            held.proof = {"at": now.isoformat(), "needed": needed, "questions": tried}
            if tried and all(one["passes"] for one in tried):
                held.state, held.closed_at = State.CLOSED, now
        held.save(update_fields=["state", "closed_at", "proof", "check_asked_at"])
        return held.state == State.CLOSED


def _questions(gap: KnowledgeGap) -> list[GapQuestion]:
    """The latest different ones, newest first."""
    by_text: dict[str, GapQuestion] = {}
    for question in gap.questions.order_by("-asked_at", "-pk")[: 5 * _QUESTIONS]:
        by_text.setdefault(question.text.casefold(), question)
    return list(by_text.values())[:_QUESTIONS]


def _tried(gap: KnowledgeGap, question: GapQuestion) -> dict[str, Any]:
    found = search(gap.project_id, question.text, vector=question.vector)
    helps = _cites(found, gap.answer_id) if gap.answer_id else found.confidence > question.confidence
    passes = helps and found.confidence >= gap.project.evidence_threshold
    return {
        "text": question.text,
        "before": round(question.confidence, 4),
        "after": round(found.confidence, 4),
        "passes": passes,
    }


def _cites(found: Evidence, source_id: int) -> bool:
    documents = {passage.document_id for passage in found.passages}
    return Document.objects.filter(pk__in=documents, source=source_id).exists()
