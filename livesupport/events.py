"""What happened in Live Support."""

from __future__ import annotations

from dataclasses import dataclass

from tenants.events import Event


@dataclass(frozen=True)
class RehearsalStarted(Event):
    """Somebody pressed the checklist's button."""

    rehearsal_id: int
