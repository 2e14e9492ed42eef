"""Who may do what to content, and the way from an outside id to a row."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from knowledge.models import CrawlRun, Source

OPEN = (CrawlRun.State.QUEUED, CrawlRun.State.RUNNING)


def is_open(run: CrawlRun) -> bool:
    """Whether a run still waits or works."""
    return run.state in OPEN


def may_move(run: CrawlRun, to: str) -> bool:
    return to in CrawlRun.MOVES[run.state]


def claimable(now: datetime) -> Q:
    """Runs that a worker may take: waiting ones, and running ones whose worker has gone silent."""
    return Q(state=CrawlRun.State.QUEUED) | Q(state=CrawlRun.State.RUNNING, lease_until__lt=now)


def get_source_for(project_id: int, source_id: int) -> Source | None:
    """A project's own source, or None: another project's looks like a missing one."""
    return Source.objects.filter(project_id=project_id, pk=source_id).first()
