"""Celery's side of crawling. Tasks carry ids; the runs are rows held by lease.

What somebody typed is read at once, ahead of all else in the queue. Everything else is read in turns: a tenant with
work has one message in the queue, which after about a minute's work goes to the queue's end, so however much one of
them has to read, the others come before it comes again. Were the message lost, the sweep would find the runs.
"""

from __future__ import annotations

from celery import shared_task

from knowledge.actions import reread_sources
from knowledge.crawl.work import work_off
from knowledge.models import CrawlRun
from knowledge.policies import waiting_turn
from knowledge.uploads import sweep_leftovers
from knowledge.vectors import renew_vectors
from tenants.schema import TenantTask, current_schema


@shared_task(base=TenantTask, name="knowledge.run_crawl")
def run_crawl(run_id: int) -> None:
    """See one run through; does nothing if another worker holds it or it has ended."""
    work_off(run_id=run_id)


@shared_task(base=TenantTask, name="knowledge.take_turn")
def take_turn() -> None:
    """Read what the tenant has waiting for as long as a turn lasts; what is left waits for the next."""
    work_off()
    if waiting_turn().filter(state=CrawlRun.State.QUEUED).exists():
        take_turn.apply_async((current_schema(),))


@shared_task(base=TenantTask, name="knowledge.sweep_crawls")
def sweep_crawls() -> None:
    """A turn for whatever runs the tenant has waiting or abandoned (the sweep's entry). It brings no other turn:
    the sweep comes back by itself."""
    work_off()


@shared_task(base=TenantTask, name="knowledge.reread_sources")
def reread() -> None:
    """Queue the readings that a day has made due."""
    reread_sources()


@shared_task(base=TenantTask, name="knowledge.sweep_leftovers")
def sweep_files() -> None:
    """Remove what deleted and replaced files have left in the storage."""
    sweep_leftovers()


@shared_task(base=TenantTask, name="knowledge.renew_vectors")
def renew() -> None:
    """Embed again what another engine has embedded, for as long as a turn lasts."""
    renew_vectors()
