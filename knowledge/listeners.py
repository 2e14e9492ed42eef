"""What knowledge does when it hears of something. Nudges only: the rows are already there."""

from __future__ import annotations

from knowledge.events import CrawlQueued
from knowledge.tasks import run_crawl
from tenants.schema import current_schema


def enqueue_crawl(event: CrawlQueued) -> None:
    """Start a queued run now; if this is lost, the sweep finds it."""
    run_crawl.delay(current_schema(), event.run_id)
