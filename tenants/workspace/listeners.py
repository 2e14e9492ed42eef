"""Nudges of the tenant's own outbox."""

from __future__ import annotations

from tenants.events import OutboxPosted
from tenants.nudge import wake
from tenants.schema import current_schema
from tenants.workspace import tasks


def enqueue_delivery(event: OutboxPosted) -> None:
    """Something may leave now; if this is lost, the sweep finds it."""
    wake(tasks.deliver_outbox, current_schema())
