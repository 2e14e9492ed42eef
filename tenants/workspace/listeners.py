"""Nudges of the tenant's own outbox."""

from __future__ import annotations

from tenants.events import OutboxPosted
from tenants.schema import current_schema
from tenants.workspace import tasks


def enqueue_delivery(event: OutboxPosted) -> None:
    """Something may leave now; if this is lost, the sweep finds it."""
    tasks.deliver_outbox.delay(current_schema())
