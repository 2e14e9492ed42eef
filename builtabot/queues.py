"""How long work waits in each queue, from two public tables: the broker's messages do not say when they were sent."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from tenants import due
from tenants.models import Due, Heartbeat

SENT = "~sent"  # a receipt: its task waits or runs, and nobody can tell which


def ages_seconds() -> dict[str, float]:
    """By queue, the age of the oldest thing known to wait there; in the public schema.

    That is work that is due and was not yet sent to the queue's workers, or the oldest sign of life that beat asked
    of them and did not get: it stands in the same line as everything else.
    """
    now = timezone.now()
    ages = dict.fromkeys(_queues(), 0.0)
    late = Due.objects.filter(at__lt=now).exclude(kind__endswith=SENT)
    for kind, at in late.values_list("kind").annotate(oldest=Min("at")):
        if (task := due.task_for(due.kind_of(kind))) is not None:
            queue = current_app.amqp.router.route({}, task)["queue"].name
            ages[queue] = max(ages.get(queue, 0.0), (now - at).total_seconds())
    for name, at in Heartbeat.objects.values_list("name", "at"):
        if name in ages:
            ages[name] = max(ages[name], (now - at).total_seconds() - _asked_every_seconds(name))
    return ages


def _queues() -> list[str]:
    routes: dict[str, Any] = settings.CELERY_TASK_ROUTES
    return sorted({settings.CELERY_TASK_DEFAULT_QUEUE} | {route["queue"] for route in routes.values()})


def _asked_every_seconds(name: str) -> float:
    schedule: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE
    return float(schedule[f"beat-{name}"]["schedule"])
