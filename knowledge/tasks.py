"""Celery's side of crawling. Tasks carry ids; the runs are rows held by lease."""

from __future__ import annotations

from celery import shared_task

from knowledge.actions import reread_sources
from knowledge.crawl.work import work_off
from knowledge.uploads import sweep_leftovers
from tenants.schema import TenantTask


@shared_task(base=TenantTask, name="knowledge.run_crawl")
def run_crawl(run_id: int) -> None:
    """See one run through; does nothing if another worker holds it or it has ended."""
    work_off(run_id=run_id)


@shared_task(base=TenantTask, name="knowledge.sweep_crawls")
def sweep_crawls() -> None:
    """See through whatever runs the tenant has waiting or abandoned (the sweep's entry)."""
    work_off()


@shared_task(base=TenantTask, name="knowledge.reread_sources")
def reread() -> None:
    """Queue the readings that a day has made due."""
    reread_sources()


@shared_task(base=TenantTask, name="knowledge.sweep_leftovers")
def sweep_files() -> None:
    """Remove what deleted and replaced files have left in the storage."""
    sweep_leftovers()
