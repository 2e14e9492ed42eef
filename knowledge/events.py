"""What happened to a tenant's content."""

from __future__ import annotations

from dataclasses import dataclass

from tenants.events import Event


@dataclass(frozen=True)
class CrawlQueued(Event):
    run_id: int
    source_id: int
    project_id: int


@dataclass(frozen=True)
class CrawlFinished(Event):
    """A run has ended; `state` is `done`, `failed` or `cancelled`. Only `done` changed what answers."""

    run_id: int
    source_id: int
    project_id: int
    state: str
    indexed: int
