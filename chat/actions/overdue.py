"""What was promised to visitors about time, kept by whoever looks: web processes and workers alike. Looking twice,
or at the same time, does no harm."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from chat.actions.turns import drop_turn, end_with_people
from chat.log import lock
from chat.models import Conversation, Turn
from tenants import due

log = logging.getLogger(__name__)
MOST_AT_ONCE = 100
MOST_SWEPT = 200


def overdue_turns(*, now: datetime | None = None) -> datetime | None:
    """Call people for each turn whose words are overdue, whatever became of its worker. Returns when the next of the
    tenant's open turns will be, or None while there is none.

    Hardly waits for a conversation that somebody keeps locked, for others are behind it; the next look has it.
    """
    now = now or timezone.now()
    still_open = Turn.objects.filter(state__in=Turn.OPEN)
    late = still_open.filter(overdue_at__lte=now).order_by("overdue_at").values_list("pk", flat=True)
    for turn_id in list(late[:MOST_AT_ONCE]):
        try:
            _call_people(turn_id, now)
        except OperationalError:
            log.warning("turn %s is overdue, and its conversation locked", turn_id)
    return still_open.order_by("overdue_at").values_list("overdue_at", flat=True).first()


def _call_people(turn_id: int, now: datetime) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
        turn = Turn.objects.select_related("message__episode").get(pk=turn_id)
        turn.conversation = conversation = lock(turn.conversation_id)
        turn.refresh_from_db(fields=["state", "epoch", "overdue_at", "first_words_at", "confidence", "evidence"])
        if turn.state not in Turn.OPEN or turn.overdue_at > now:
            return
        if turn.epoch != conversation.epoch or conversation.owner != Conversation.Owner.AI:
            drop_turn(turn_id=turn_id)
            return
        log.warning("turn %s is overdue: people are called", turn_id)
        end_with_people(turn, reason=_why(turn))


def _why(turn: Turn) -> str:
    """Where the answer stuck, in words for the team."""
    if turn.state == Turn.State.QUEUED:
        return "The AI did not begin to answer in time"
    if turn.first_words_at is not None:
        return "The AI stopped in the middle of its answer"
    if turn.confidence is None:
        return "The AI did not finish reading your content in time"
    return "The AI found no words in time"


def sweep_turns() -> list[int]:
    """Turns that wait for a worker: queued, or left by one that died; oldest first, at most 200. Those that wait for
    too long are handed to people. While any turn is open, the schema stays due."""
    now = timezone.now()
    overdue_turns(now=now)
    with transaction.atomic():
        if Turn.objects.filter(state__in=Turn.OPEN).exists():
            due.note("turn", now + timedelta(seconds=5))
    free = Q(state=Turn.State.QUEUED, queued_at__lt=now - timedelta(seconds=2))
    free |= Q(state=Turn.State.RUNNING, lease_until__lt=now)
    return list(Turn.objects.filter(free).order_by("pk").values_list("pk", flat=True)[:MOST_SWEPT])
