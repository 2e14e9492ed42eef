"""Calls from outside that carry no tenant's host: kept before they are answered, then handled from their row.

A call is kept once, however often it is sent; its handling may be repeated, and must do no harm by it. What was
handled keeps its id alone: the words live in the tenant's schema. What nobody could handle stays, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
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


def keep(*, kind: str, external_id: str, body: dict[str, Any]) -> bool:
    """Store a verified call; False when it was stored before."""
    with transaction.atomic():
        event, is_new = ExternalEvent.objects.get_or_create(kind=kind, external_id=external_id, defaults={"body": body})
        if is_new:
            publish(ExternalEventKept(event.pk))
    return is_new


def handle(*, event_id: int) -> bool:
    """Handle one event, unless it is done or in somebody's hands; whether this call had it in its own.

    One conditional update gives it away for a minute, so a worker that dies leaves it to the next sweep.
    """
    now = timezone.now()
    free = ExternalEvent.objects.filter(pk=event_id, handled_at__isnull=True, next_at__lte=now)
    if not free.update(attempts=F("attempts") + 1, next_at=now + LEASE):
        return False
    event = ExternalEvent.objects.get(pk=event_id)
    try:
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
        event.handled_at, event.error, event.body = timezone.now(), "", {}
        event.save(update_fields=["handled_at", "error", "body"])
    return True


def _failed(event: ExternalEvent, error: ProductError) -> None:
    """Come back later if that can help; else it is over, and its row says why."""
    event.error = error.sentence[:1000]
    if error.retryable and event.attempts < MOST_ATTEMPTS:
        asked: float = getattr(error, "after_seconds", None) or 0
        pause = max(asked, min(2.0**event.attempts, LONGEST_PAUSE_SECONDS))
        event.next_at = timezone.now() + timedelta(seconds=pause)
    else:
        event.handled_at = timezone.now()
    event.save(update_fields=["error", "next_at", "handled_at"])


def waiting(now: datetime | None = None) -> list[int]:
    """Events whose nudge or worker was lost, or that shall be tried again; oldest first, at most 200."""
    now = now or timezone.now()
    late = ExternalEvent.objects.filter(handled_at__isnull=True, next_at__lte=now, received_at__lte=now - NUDGE_TIME)
    return list(late.order_by("next_at").values_list("pk", flat=True)[:SWEEP_ROWS])
