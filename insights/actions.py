"""What insights writes: the questions that the content did not answer."""

from __future__ import annotations

import hashlib
import unicodedata

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from chat.models import Turn
from insights.models import GapQuestion, KnowledgeGap
from tenants.workspace.actions import record
from tenants.workspace.models import Seat


def question_key(text: str) -> str:
    """The same for questions whose letters and digits are the same; empty for a text that has none."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(sign for sign in folded if sign.isalnum() or unicodedata.category(sign).startswith("M"))
    return hashlib.sha256(kept.encode("utf-8", "replace")).hexdigest() if kept else ""


@transaction.atomic
def record_gap(*, turn: Turn, confidence: float) -> KnowledgeGap | None:
    """Count the turn's question among those without a good answer; once, however often it is called.

    A closed gap that is met again opens again: its answer is not found. None for a text without a letter.
    """
    text = turn.message.text.strip()
    key = question_key(text)
    if not key:
        return None
    project_id, asked_at = turn.conversation.project_id, timezone.now()
    gap, _ = KnowledgeGap.objects.get_or_create(
        project_id=project_id,
        question_key=key,
        defaults={"question": text, "language": turn.conversation.language, "first_asked_at": asked_at},
    )
    _, is_new = GapQuestion.objects.get_or_create(
        turn=turn, defaults={"gap": gap, "text": text, "confidence": confidence, "asked_at": asked_at}
    )
    if is_new:
        KnowledgeGap.objects.filter(pk=gap.pk).update(
            question=text,
            state=KnowledgeGap.State.OPEN,
            times_asked=F("times_asked") + 1,
            last_asked_at=asked_at,
        )
    return gap


def close_gap(*, seat: Seat, gap_id: int) -> bool:
    """Take a question off the list; whether it was on it. Asked again without an answer, it comes back."""
    with transaction.atomic():
        gap = KnowledgeGap.objects.select_for_update().get(pk=gap_id)
        if gap.state == KnowledgeGap.State.CLOSED:
            return False
        gap.state = KnowledgeGap.State.CLOSED
        gap.save(update_fields=["state"])
        data = {"model": "insights.knowledgegap", "id": str(gap.pk), "text": ""}
        record(seat=seat, verb="closed knowledge gap", subject=gap.question, data=data)
        return True
