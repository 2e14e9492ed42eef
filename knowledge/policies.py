"""Who may do what to content, and the way from an outside id to a row."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from knowledge.models import CrawlRun, Document, Source, SourceFile
from tenants import billing
from tenants.billing import Kind
from tenants.models import Tenant

OPEN = (CrawlRun.State.QUEUED, CrawlRun.State.RUNNING)
FETCHED = (Source.Kind.SITE, Source.Kind.SITEMAP, Source.Kind.PAGE)
WRITTEN = (Source.Kind.FAQ, Source.Kind.TEXT)


def is_open(run: CrawlRun) -> bool:
    """Whether a run still waits or works."""
    return run.state in OPEN


def may_move(run: CrawlRun, to: str) -> bool:
    return to in CrawlRun.MOVES[run.state]


def claimable(now: datetime) -> Q:
    """Runs that a worker may take: waiting ones, and running ones whose worker has gone silent."""
    return Q(state=CrawlRun.State.QUEUED) | Q(state=CrawlRun.State.RUNNING, lease_until__lt=now)


def waiting_turn() -> QuerySet[CrawlRun]:
    """The open runs that are read when it is the tenant's turn; what somebody typed is read at once."""
    return CrawlRun.objects.filter(state__in=OPEN).exclude(source__kind__in=WRITTEN)


def get_source_for(project_id: int, source_id: int) -> Source | None:
    """A project's own source, or None: another project's looks like a missing one."""
    return Source.objects.filter(project_id=project_id, pk=source_id).first()


def live_pages() -> QuerySet[Document]:
    """The pages that answer now and count for the plan: those that were read, not what somebody wrote."""
    return Document.objects.filter(is_live=True, source__kind__in=(*FETCHED, Source.Kind.FILE))


def page_room(tenant: Tenant, source: Source) -> int | None:
    """How many pages of the plan the other sources leave to this one; None without a limit, or for what somebody
    wrote. Below 1 there is no room at all."""
    limit = None if source.kind in WRITTEN else billing.limit_of(tenant, Kind.PAGES)
    return None if limit is None else limit - live_pages().exclude(source=source).count()


def full_sentence(tenant: Tenant) -> str:
    """Why nothing can be read when there is no room."""
    limit = billing.limit_of(tenant, Kind.PAGES) or 0
    return f"Every page of your plan is in use, {limit:,} in all. Remove a source."


def cut_sentence(pages: int, *, is_plans: bool = True) -> str:
    """Why there is more than was read."""
    why = "your plan has room for no more" if is_plans else "we read no more of one site"
    return f"The site has more pages. The reading stopped at {pages:,} addresses: {why}."


def count_pages(_since: datetime) -> int:
    """How many pages of the plan are in use. Bound to the plan's counter of pages."""
    return live_pages().count()


def get_published_file(file_id: UUID) -> SourceFile | None:
    """A file that anybody may open, because a document read from it answers now; else None."""
    return SourceFile.objects.filter(pk=file_id, documents__is_live=True).first()
