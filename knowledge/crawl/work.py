"""Taking a run and seeing it through, whatever its source is."""

from __future__ import annotations

import logging

from django.conf import settings

from knowledge.actions import claim_crawl, finish_crawl, note_open_crawls, stop_crawl
from knowledge.blocks import Block
from knowledge.crawl.run import Bounds, Crawl, Kind, PageRead, Store, text_hash
from knowledge.crawl.store import RunStore
from knowledge.errors import KnowledgeError
from knowledge.fetch import Fetcher
from knowledge.models import CrawlRun, Source

log = logging.getLogger(__name__)
_KINDS: dict[str, Kind] = {Source.Kind.SITE: "site", Source.Kind.SITEMAP: "sitemap", Source.Kind.PAGE: "page"}


def work_off(*, run_id: int | None = None, bounds: Bounds | None = None) -> int:
    """See through the named run, or every run that can be taken, one after the other; how many were taken.

    Safe to call at the same time from many workers: each run is claimed by one.
    """
    taken = 0
    while run := claim_crawl(run_id=run_id):
        taken += 1
        see_through(run, bounds=bounds)
        if run_id is not None:
            break
    note_open_crawls()
    return taken


def see_through(run: CrawlRun, *, bounds: Bounds | None = None) -> None:
    """Read a claimed run's source to the end and swap it in, or note why not."""
    store = RunStore(run)
    try:
        _read(run.source, store, bounds or Bounds())
        finish_crawl(run=run)
    except KnowledgeError as error:
        stop_crawl(run=run, error=error)
    except Exception:
        # The worker's outermost frame for a run: without this a run that trips over a bug of ours would be
        # taken up again every minute, for ever.
        log.exception("crawl run %s broke", run.pk)
        stop_crawl(run=run, error=KnowledgeError("crawl_broken", "Something went wrong on our side."))


def _read(source: Source, store: Store, bounds: Bounds) -> None:
    if source.kind in _KINDS:
        fetcher = Fetcher(allow_private=settings.CRAWL_ALLOW_PRIVATE)
        Crawl(fetcher, store, bounds).run(source.url, kind=_KINDS[source.kind])
    elif source.kind in (Source.Kind.FAQ, Source.Kind.TEXT):
        if not store.visited():
            store.keep(_written(source), found=1)
    else:
        raise KnowledgeError("kind_unknown", "This kind of source cannot be read yet.")


def _written(source: Source) -> PageRead:
    """A text typed into the admin, as a page."""
    paragraphs = [part.strip() for part in source.text.split("\n\n")]
    blocks = tuple(Block((), "", part) for part in paragraphs if part)
    url = f"{source.kind}:{source.pk}"
    return PageRead(url, "ok", title=source.name[:300], blocks=blocks, text_hash=text_hash(blocks))
