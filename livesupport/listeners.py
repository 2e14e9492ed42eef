"""What Live Support does when it hears of something. All but the nudge at the end run in the publishing
transaction and only write rows; `builtabot/wiring.py` says who hears what."""

from __future__ import annotations

from celery import current_app
from django.utils import timezone

from chat.events import ContactLeft, ConversationClaimed, HandoffRequested, SeatSeen
from chat.models import Handoff
from livesupport.actions import keep_lead, note_seen
from livesupport.away import AWAY_AFTER
from livesupport.card import unanswered
from livesupport.events import RehearsalStarted
from livesupport.waiting import LOOK_EVERY
from tenants import due
from tenants.schema import current_schema

WAITING, HOLDERS = "waiting", "holders"


def on_seat_seen(event: SeatSeen) -> None:
    """A dashboard is open: its seat can be promised."""
    note_seen(seat_id=event.seat_id)


def on_contact_left(event: ContactLeft) -> None:
    """A visitor wants to be written to: about what stayed unanswered, not about having asked for a person."""
    handoff = Handoff.objects.filter(conversation_id=event.conversation_id).order_by("-pk").first()
    asked = unanswered(handoff) if handoff and handoff.question == event.question else ""
    keep_lead(
        conversation_id=event.conversation_id, name=event.name, email=event.email, question=asked or event.question
    )


def on_handoff_requested(event: HandoffRequested) -> None:
    """Somebody waits: look again soon, so that no conversation rots in a queue that nobody watches."""
    if event.reachable:
        due.note(WAITING, timezone.now() + LOOK_EVERY)


def on_conversation_claimed(event: ConversationClaimed) -> None:
    """Somebody has it: look whether they are still there, as long as anybody holds anything."""
    due.note(HOLDERS, timezone.now() + AWAY_AFTER)


def enqueue_rehearsal(event: RehearsalStarted) -> None:
    """Wake a worker to play it. By name: the tasks read this module."""
    current_app.send_task("livesupport.rehearse", (current_schema(), event.rehearsal_id))
