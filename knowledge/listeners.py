"""Nudges: a queued crawl wakes an index worker. If one is lost, the sweep finds the row."""

from __future__ import annotations

from knowledge import tasks
from knowledge.events import CrawlQueued
from tenants.schema import current_schema


def enqueue_crawl(event: CrawlQueued) -> None:
    """Wake an index worker for a run that was queued."""
    tasks.run_crawl.delay(current_schema(), event.run_id)
