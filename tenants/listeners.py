"""Nudges: what waits in a row is told to a worker. Losing one loses nothing, the sweep finds the row."""

from __future__ import annotations

from tenants import tasks
from tenants.events import ExternalEventKept


def enqueue_external(event: ExternalEventKept) -> None:
    """A call from outside waits to be handled."""
    tasks.handle_external.delay(event.event_id)
