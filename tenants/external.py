"""Calls from outside that carry no tenant's host: kept before they are answered, then handled from their row.

A call is kept once, however often it is sent; its handling may be repeated, and must do no harm by it. Calls of one
lane are handled one after the other, as they came; lanes do not wait for each other. What was handled keeps its id
alone: the words live in the tenant's schema. What nobody could handle stays, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from tenants.errors import ProductError
from tenants.events import ExternalEventKept, publish
from tenants.models import ExternalEvent

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
NUDGE_TIME = timedelta(seconds=5)  # so long a fresh event is left to the nudge that its keeping sent
MOST_ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 600
SWEEP_ROWS = 200
Handler = Callable[[ExternalEvent], None]
_handlers: dict[str, Handler] = {}


def bind(table: Mapping[str, Handler]) -> None:
    """Fill the table: kind of event -> who handles it. The composition root does."""
    _handlers.clear()
    _handlers.update(table)


def keep(*, kind: str, external_id: str, body: dict[str, Any], lane: str = "") -> bool:
    """Store a verified call; False when it was stored before. Without a `lane` it waits for no other."""
    defaults = {"body": body, "lane": lane}
    with transaction.atomic():
        event, is_new = ExternalEvent.objects.get_or_create(kind=kind, external_id=external_id, defaults=defaults)
        if is_new:
            publish(ExternalEventKept(event.pk))
    return is_new


def handle(*, event_id: int) -> bool:
    """Handle one event, unless it is done, in somebody's hands, or behind an earlier one of its lane; whether this
    call had it in its own.

    One conditional update gives it away for a minute, so a worker that dies leaves it to the next sweep.
    """
    now = timezone.now()
    if not _free(now).filter(pk=event_id).update(attempts=F("attempts") + 1, next_at=now + LEASE):
        return False
    event = ExternalEvent.objects.get(pk=event_id)
    try:
        if event.attempts > MOST_ATTEMPTS:
            raise ProductError(event.error or "Whoever handled it broke off each time.")
        handler = _handlers.get(event.kind)
        if handler is None:
            raise ProductError(f"Nobody handles {event.kind}.")
        handler(event)
    except ProductError as error:
        _failed(event, error)
    except Exception:
        log.exception("outside event %s broke", event.pk)
        _failed(event, ProductError("Something went wrong on our side.", retryable=True))
    else:
        _note(event, handled_at=timezone.now(), error="", body={})
    return True


def _free(now: datetime) -> QuerySet[ExternalEvent]:
    """Events that may be handled now."""
    open_ones = ExternalEvent.objects.filter(handled_at__isnull=True)
    earlier = open_ones.filter(kind=OuterRef("kind"), lane=OuterRef("lane"), pk__lt=OuterRef("pk"))
    return open_ones.filter(Q(lane="") | ~Exists(earlier), next_at__lte=now)


def _failed(event: ExternalEvent, error: ProductError) -> None:
    """Come back later if that can help; else it is over, and its row says why."""
    sentence = error.sentence[:1000]
    if error.retryable and event.attempts < MOST_ATTEMPTS:
        asked: float = getattr(error, "after_seconds", None) or 0
        pause = max(asked, min(2.0**event.attempts, LONGEST_PAUSE_SECONDS))
        _note(event, error=sentence, next_at=timezone.now() + timedelta(seconds=pause))
    else:
        _note(event, error=sentence, handled_at=timezone.now())


def _note(event: ExternalEvent, **facts: Any) -> None:
    """Keep what became of it, unless another worker took it over meanwhile. The end of one wakes the next of its
    lane."""
    mine = ExternalEvent.objects.filter(pk=event.pk, attempts=event.attempts, handled_at__isnull=True)
    with transaction.atomic():
        if not mine.update(**facts) or "handled_at" not in facts or not event.lane:
            return
        lane = ExternalEvent.objects.filter(kind=event.kind, lane=event.lane, handled_at__isnull=True)
        if (following := lane.order_by("pk").first()) is not None:
            publish(ExternalEventKept(following.pk))


def waiting(now: datetime | None = None) -> list[int]:
    """Events whose nudge or worker was lost, or that shall be tried again; oldest first, at most 200."""
    now = now or timezone.now()
    late = _free(now).filter(received_at__lte=now - NUDGE_TIME)
    return list(late.order_by("next_at").values_list("pk", flat=True)[:SWEEP_ROWS])
