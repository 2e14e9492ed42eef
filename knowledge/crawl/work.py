"""Taking a run and seeing it through, whatever its source is."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from django.conf import settings

from knowledge import files, postings
from knowledge.actions import claim_crawl, finish_crawl, note_open_crawls, pause_crawl, stop_crawl
from knowledge.blocks import Block
from knowledge.crawl.run import MOST_SITEMAPS, Bounds, Crawl, Ending, PageRead, Store, text_hash
from knowledge.crawl.run import Kind as CrawlKind
from knowledge.crawl.store import RunStore
from knowledge.errors import ExtractFailed, KnowledgeError
from knowledge.fetch import Fetcher
from knowledge.models import CrawlRun, Source
from knowledge.policies import WRITTEN, cut_sentence, full_sentence, page_room
from knowledge.uploads import newest_file
from tenants import billing

TURN_SECONDS = 60.0  # how long one tenant's reading holds the worker before the others' turn
log = logging.getLogger(__name__)
_KINDS: dict[str, CrawlKind] = {Source.Kind.SITE: "site", Source.Kind.SITEMAP: "sitemap", Source.Kind.PAGE: "page"}


def work_off(*, run_id: int | None = None, bounds: Bounds | None = None) -> int:
    """Take the named run, or one after the other of those that can be taken, for about TURN_SECONDS; how many were
    taken. What is not read by then goes on with the tenant's next turn.

    Safe to call at the same time from many workers: each run is claimed by one.
    """
    if run_id is None:
        postings.index_what_waits()
    taken, ends_at = 0, time.monotonic() + TURN_SECONDS
    while (left := ends_at - time.monotonic()) > 0 and (run := claim_crawl(run_id=run_id)):
        taken += 1
        see_through(run, bounds=bounds, seconds=left)
        if run_id is not None:
            break
    note_open_crawls()
    return taken


def see_through(run: CrawlRun, *, bounds: Bounds | None = None, seconds: float = TURN_SECONDS) -> None:
    """Read a claimed run's source, and swap it in, or note why not; or put it back if the time is up before."""
    store = RunStore(run)
    try:
        bounds = replace(bounds or bounds_of(run.source), seconds=seconds)
        ending = _read(run.source, store, bounds)
        if ending == Ending.PAUSED:
            pause_crawl(run=run)
        else:
            finish_crawl(run=run, note=_sentence(ending, bounds))
            postings.index_what_waits()
    except KnowledgeError as error:
        stop_crawl(run=run, error=error)
    except Exception:
        # The worker's outermost frame for a run: without this a run that trips over a bug of ours would be
        # taken up again every minute, until its attempts are used up.
        log.exception("crawl run %s broke", run.pk)
        stop_crawl(run=run, error=KnowledgeError("crawl_broken", "Something went wrong on our side."))


def bounds_of(source: Source) -> Bounds:
    """How much of a source may be read: what the plan has left beside the other sources, up to our own bound.

    Raises KnowledgeError when there is no room at all, or no plan any more. What somebody wrote is never bounded.
    """
    if source.kind in WRITTEN:
        return Bounds()
    tenant = billing.current()
    if tenant.has_ended:
        raise KnowledgeError("plan_ended", "Your plan has ended. What was read stays; nothing new is read.")
    room = page_room(tenant, source)
    if room is None:
        return Bounds()
    if room <= 0:
        raise KnowledgeError("pages_used_up", full_sentence(tenant))
    return Bounds(max_pages=min(room, Bounds.max_pages))


def _read(source: Source, store: Store, bounds: Bounds) -> Ending:
    """Read the source whole, or as far as the bounds go."""
    if source.kind in _KINDS:
        fetcher = Fetcher(allow_private=settings.CRAWL_ALLOW_PRIVATE)
        return Crawl(fetcher, store, bounds).run(source.url, kind=_KINDS[source.kind])
    if not store.visited():
        store.beat(found=1)
        store.keep(_written(source) if source.kind in WRITTEN else _uploaded(source), found=1)
    return Ending.WHOLE


def _sentence(ending: Ending, bounds: Bounds) -> str:
    """Why the reading was not whole; '' if it was."""
    if ending == Ending.FULL:
        return cut_sentence(bounds.max_pages, is_plans=bounds.max_pages < Bounds.max_pages)
    if ending == Ending.MANY_LISTS:
        return f"The site has more sitemaps than we read at once, {MOST_SITEMAPS} at most."
    return ""


def _uploaded(source: Source) -> PageRead:
    """An uploaded file, as a page. What makes it unreadable is said on the page."""
    file = newest_file(source)
    page = PageRead(file.path, "failed", title=file.stem[:300], file_id=str(file.pk))
    try:
        found = files.read(file)
    except ExtractFailed as error:
        return replace(page, error=error.sentence)
    return replace(
        page,
        state="ok",
        title=found.title[:300],
        language=found.language,
        blocks=found.blocks,
        text_hash=text_hash(found.blocks),
    )


def _written(source: Source) -> PageRead:
    """A text typed into the admin, as a page."""
    paragraphs = [part.strip() for part in source.text.split("\n\n")]
    blocks = tuple(Block((), "", part) for part in paragraphs if part)
    url = f"{source.kind}:{source.pk}"
    return PageRead(url, "ok", title=source.name[:300], blocks=blocks, text_hash=text_hash(blocks))
