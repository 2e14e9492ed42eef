"""What insights does when something happened. Bound in the table of the composition root."""

from __future__ import annotations

from chat.events import AnswerGiven
from chat.models import Turn
from insights.actions import record_gap


def note_gap(event: AnswerGiven) -> None:
    """Keep the question when the content had no good answer to it. Runs in the transaction of the reply.

    A turn that was handed over before anything was looked up (the visitor asked for a person) says nothing
    about the content.
    """
    if event.is_test:
        return
    turn = Turn.objects.select_related("message", "conversation__project").get(pk=event.turn_id)
    needed = turn.conversation.project.evidence_threshold
    if event.outcome == "reply" and event.confidence >= needed:
        return
    if event.outcome == "handoff" and not turn.evidence:
        return
    record_gap(turn=turn, confidence=event.confidence)
