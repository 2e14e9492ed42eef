"""Nudges: what happens in a conversation is told to open sockets. Losing one loses nothing."""

from __future__ import annotations

from django.utils import timezone

from chat import events, tasks
from chat.models import FIRST_WORDS
from chat.watch import watch
from tenants import push
from tenants.nudge import wake
from tenants.schema import current_schema

LOW = 9  # of 0 to 9, as the broker counts


def nudge_sockets(event: events.MessagePosted) -> None:
    """The log grew: everyone who follows the conversation reads what is new; the desk hears of the rest."""
    schema = current_schema()
    group = push.conversation_group(schema, event.conversation_id)
    push.send(group, {"type": "log.grew", "conversation": event.conversation_id, "seq": event.seq})
    if event.for_team:
        push.send(push.desk_group(schema), {"type": "desk.news", "conversation": event.conversation_id})


def enqueue_mood(event: events.VisitorHeard) -> None:
    """Judge what the visitor wrote, after everything that somebody waits for; if this is lost, the next does it."""
    wake(tasks.note_moods, current_schema(), event.message_id, priority=LOW)


def nudge_desk(event: events.MoodNoted) -> None:
    """The queue page shows how visitors feel."""
    push.send(push.desk_group(current_schema()), {"type": "desk.news", "conversation": event.conversation_id})


def enqueue_turn(event: events.TurnQueued) -> None:
    """Wake a chat worker; if this is lost, the sweep finds the row."""
    wake(tasks.run_turn, current_schema(), event.turn_id)


def watch_turn(event: events.TurnQueued) -> None:
    """This process sees to it that words come in time; if it ends before, whoever re-reads the log does."""
    watch.note(current_schema(), timezone.now() + FIRST_WORDS)
