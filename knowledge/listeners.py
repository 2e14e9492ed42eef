"""What knowledge does when it hears of something. Nudges only: the rows are already there."""

from __future__ import annotations

from knowledge.events import CrawlQueued
from knowledge.models import CrawlRun
from knowledge.policies import waiting_turn
from knowledge.tasks import run_crawl, take_turn
from tenants.schema import current_schema


def enqueue_crawl(event: CrawlQueued) -> None:
    """Start a queued run now, or have it read with the tenant's turn; if this is lost, the sweep finds it."""
    waiting = waiting_turn()
    if waiting.filter(pk=event.run_id).exists():
        if not waiting.exclude(pk=event.run_id).exists():  # else the turn that the tenant has comes round to it
            take_turn.delay(current_schema())
    elif CrawlRun.objects.filter(pk=event.run_id).exists():
        run_crawl.delay(current_schema(), event.run_id)
