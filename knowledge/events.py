"""What happened to a tenant's content."""

from __future__ import annotations

from dataclasses import dataclass

from tenants.events import Event


@dataclass(frozen=True)
class SourceAdded(Event):
    """There is new content, not read yet. `prompted_by` is what its writer was asked for, e.g. `gap:12`, or ''."""

    source_id: int
    project_id: int
    prompted_by: str


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
