"""The outbox: what must leave the house (e-mail, Slack, webhooks) is a row until it has.

Entries of one lane leave in order, one at a time; lanes do not wait for each other. An entry is held by lease
while it is sent. A failure that may pass is tried again with growing pauses; one that will not, or that did not
pass ten times, is dead: the tenant sees it, with the reason, and may try again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, Min, OuterRef, Q, When
from django.utils import timezone

from tenants import due
from tenants.errors import ProductError
from tenants.events import OutboxPosted, publish
from tenants.workspace.models import OutboxEntry

log = logging.getLogger(__name__)
KIND, PRUNE = "outbox", "outbox-prune"  # the kinds of work in the public Due table
KEPT = timedelta(days=30)  # what has left is kept so long, for people to look up
LEASE = timedelta(seconds=90)
MOST_ATTEMPTS = 10
MOST_PRUNED = 2000
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 600
Handler = Callable[[OutboxEntry], None]
State = OutboxEntry.State
_EARLIER = OutboxEntry.objects.filter(
    lane=OuterRef("lane"), pk__lt=OuterRef("pk"), state__in=[State.WAITING, State.SENDING]
)
_handlers: dict[str, Handler] = {}


class NotNeeded(Exception):
    """What an entry was to say is no longer so: it is done without having left."""


class DeliveryFailed(ProductError):
    """An entry could not be delivered. `after_seconds` is how long the other side asked us to wait."""

    code = "delivery_failed"

    def __init__(self, sentence: str, *, retryable: bool, after_seconds: float | None = None) -> None:
        super().__init__(sentence, retryable=retryable)
        self.after_seconds = after_seconds


def bind(table: Mapping[str, Handler]) -> None:
    """Fill the table: kind of entry -> who delivers it. The composition root does."""
    _handlers.clear()
    _handlers.update(table)


def post(*, kind: str, lane: str, key: str, payload: dict[str, Any], at: datetime | None = None) -> OutboxEntry:
    """Put something into the outbox, in the caller's transaction, to leave no earlier than `at`. The same `key`
    again is the same entry."""
    new = {"kind": kind, "lane": lane, "payload": payload, "next_at": at or timezone.now()}
    with transaction.atomic():
        entry, is_new = OutboxEntry.objects.get_or_create(idempotency_key=key, defaults=new)
        if is_new:
            due.note(KIND, entry.next_at)
            publish(OutboxPosted(entry.pk))
    return entry


def retry(*, entry_id: int) -> bool:
    """Try a dead entry again, from the start of its attempts. False when it is not dead."""
    with transaction.atomic():
        again = {"state": State.WAITING, "attempts": 0, "next_at": timezone.now()}
        revived = OutboxEntry.objects.filter(pk=entry_id, state=State.DEAD).update(**again)
        if revived:
            due.note(KIND, timezone.now())
    return bool(revived)


def retry_all() -> int:
    """Try every dead entry again, in their order; how many."""
    dead = OutboxEntry.objects.filter(state=State.DEAD).order_by("pk").values_list("pk", flat=True)
    return sum(retry(entry_id=entry_id) for entry_id in list(dead))


def failures() -> int:
    """How many entries failed for good, and wait for somebody to look."""
    return OutboxEntry.objects.filter(state=State.DEAD).count()


def deliver_due() -> int:
    """Deliver everything that may leave now; how many entries were tried. What remains notes when it is due."""
    tried = 0
    while (entry := claim()) is not None:
        _deliver(entry)
        tried += 1
    with transaction.atomic():
        if (at := _next_at()) is not None:
            due.note(KIND, at)
        if tried:
            due.note(PRUNE, timezone.now() + KEPT)
    return tried


def prune(now: datetime | None = None) -> int:
    """Drop what left, or was no longer needed, 30 days ago; how many rows. What failed stays until it is tried again.

    A lane goes when nothing of it is younger or open: who posts to it counts on what it holds, for its keys.
    """
    now = now or timezone.now()
    done = OutboxEntry.objects.filter(state__in=[State.SENT, State.SKIPPED])
    busy = OutboxEntry.objects.filter(lane=OuterRef("lane")).exclude(
        state__in=[State.SENT, State.SKIPPED], created_at__lte=now - KEPT
    )
    old = done.filter(~Exists(busy), created_at__lte=now - KEPT).values("pk")
    dropped = OutboxEntry.objects.filter(pk__in=old[:MOST_PRUNED]).delete()[0]
    with transaction.atomic():
        if dropped == MOST_PRUNED:
            due.note(PRUNE, now)
        elif done.exists():
            due.note(PRUNE, now + timedelta(days=1))
    return dropped


def claim(now: datetime | None = None) -> OutboxEntry | None:
    """Take the lease of the oldest entry that is due and first of its lane. One caller wins each."""
    now = now or timezone.now()
    waiting = Q(state=State.WAITING, next_at__lte=now) | Q(state=State.SENDING, lease_until__lt=now)
    with transaction.atomic():
        free = OutboxEntry.objects.select_for_update(skip_locked=True).filter(waiting, ~Exists(_EARLIER))
        entry = free.order_by("pk").first()
        if entry is None:
            return None
        entry.state, entry.lease_until, entry.attempts = State.SENDING, now + LEASE, entry.attempts + 1
        entry.save(update_fields=["state", "lease_until", "attempts"])
        return entry


def _deliver(entry: OutboxEntry) -> None:
    handler = _handlers.get(entry.kind)
    try:
        if handler is None:
            raise DeliveryFailed(f"Nobody delivers {entry.kind}.", retryable=False)
        handler(entry)
    except NotNeeded:
        _settle(entry, state=State.SKIPPED, last_error="")
    except ProductError as error:
        _failed(entry, error)
    except Exception:
        log.exception("outbox entry %s broke", entry.pk)
        _failed(entry, DeliveryFailed("Something went wrong on our side.", retryable=True))
    else:
        _settle(entry, state=State.SENT, sent_at=timezone.now(), last_error="")


def _failed(entry: OutboxEntry, error: ProductError) -> None:
    dead = not error.retryable or entry.attempts >= MOST_ATTEMPTS
    pause = pause_seconds(entry.attempts, getattr(error, "after_seconds", None))
    next_at = timezone.now() + timedelta(seconds=pause)
    state = State.DEAD if dead else State.WAITING
    _settle(entry, state=state, next_at=next_at, last_error=error.sentence[:1000])


def _settle(entry: OutboxEntry, **fields: Any) -> None:
    """Write how the attempt ended, unless its lease passed and somebody else makes the next one."""
    held = OutboxEntry.objects.filter(pk=entry.pk, state=State.SENDING, attempts=entry.attempts)
    if not held.update(**fields):
        log.warning("outbox entry %s was taken over while it was sent", entry.pk)


def pause_seconds(attempts: int, asked: float | None) -> float:
    """How long to wait after the nth attempt: 5 s, doubled each time, at most 10 minutes; never less than asked."""
    own = float(min(FIRST_PAUSE_SECONDS << (attempts - 1), LONGEST_PAUSE_SECONDS))
    return max(own, asked or 0)


def _next_at() -> datetime | None:
    """When the first of the lanes' heads may leave, or be taken over; what is behind a head waits for it."""
    heads = OutboxEntry.objects.filter(~Exists(_EARLIER), state__in=[State.WAITING, State.SENDING])
    ready_at = Case(When(state=State.SENDING, then="lease_until"), default="next_at")
    first: datetime | None = heads.aggregate(at=Min(ready_at))["at"]
    return None if first is None else max(first, timezone.now() + timedelta(seconds=2))
