"""The crawl itself: from a start address to page after page, handed to a store. No database in here."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Literal, Protocol
from urllib.parse import unquote, urljoin, urlsplit

from knowledge.blocks import Block
from knowledge.crawl.frontier import Frontier, Scope, normalise
from knowledge.crawl.robots import Robots, read_robots, read_sitemap
from knowledge.errors import ExtractFailed, FetchFailed, FetchRefused
from knowledge.extract import Extracted
from knowledge.fetch import Fetcher, Page
from knowledge.pages import read_page
from knowledge.pdf import extract_pdf
from knowledge.targets import parse

DELAY_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 30.0
MOST_SITEMAPS = 50
_SITEMAP_DEPTH = 3  # an index, an index in it, and their maps
_SITEMAPS_SECONDS = 30.0  # a turn that goes by reading lists gets no page read
_GONE = frozenset({"http_404", "http_410"})
_HTML = frozenset({"text/html", "application/xhtml+xml", ""})
_NOT_FOUND = re.compile(r"^\W*(404\b|page not found|not found|error 404)", re.IGNORECASE)

State = Literal["ok", "failed", "skipped"]
Kind = Literal["site", "sitemap", "page"]


@dataclass(frozen=True)
class PageRead:
    """One address with its outcome. `error` is a sentence for people; `links` are normalised; `file_id`
    names the uploaded file that it is, if it is one. `may_return`: it could not be read now, which does not say that
    it is gone."""

    url: str
    state: State
    error: str = ""
    title: str = ""
    language: str = ""
    blocks: tuple[Block, ...] = ()
    links: tuple[str, ...] = ()
    text_hash: str = ""
    file_id: str = ""
    may_return: bool = False


@dataclass(frozen=True)
class Visit:
    """What a stored page of this run still has to say when the run is resumed."""

    links: tuple[str, ...]
    text_hash: str
    was_redirect: bool
    may_return: bool = False


class Store(Protocol):
    """Where a crawl puts what it read. Both writers raise RunStopped when the run must end."""

    def visited(self) -> dict[str, Visit]:
        """The addresses that this run has already stored."""

    def live_urls(self) -> list[str]:
        """The addresses of the source's pages that answer now."""

    def beat(self, *, found: int) -> None:
        """Say that the run lives; called before and after every fetch and during every wait."""

    def keep(self, page: PageRead, *, found: int) -> None:
        """Keep one page, whole or not at all."""


@dataclass(frozen=True)
class Bounds:
    """How much to read, and for how many seconds at a time. The time begins after the sitemaps and ends after a page,
    so that every turn gets on."""

    max_pages: int = 1000
    max_depth: int = 8
    seconds: float = math.inf


class Ending(StrEnum):
    """Why a crawl came back."""

    WHOLE = "whole"  # every page was visited
    FULL = "full"  # there are more pages than the bounds allow
    MANY_LISTS = "many lists"  # there are more sitemaps than are read
    PAUSED = "paused"  # the time was up; run it again, and it goes on


@dataclass
class Crawl:
    """One run over one source. `sleep` and `clock` are there for tests."""

    fetcher: Fetcher
    store: Store
    bounds: Bounds = field(default_factory=Bounds)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _next_at: float = 0.0
    _hashes: set[str] = field(default_factory=set)
    _is_unsure: bool = False  # something could not be read, so nobody knows what it would have led to
    _has_unread_lists: bool = False

    def run(self, start_url: str, *, kind: Kind = "site") -> Ending:
        """Read a source to its end, or until a bound.

        Raises what the very first fetches raise (then nothing was read), and RunStopped. A page that fails
        later is stored as failed, and the crawl goes on.
        """
        start = normalise(start_url) or start_url
        robots = read_robots(self.fetcher, start)
        visited = self.store.visited()
        self._hashes.update(visit.text_hash for visit in visited.values() if visit.text_hash)
        self._is_unsure = any(visit.may_return for visit in visited.values())
        frontier = self._frontier(start, kind, visited)
        if kind != "page":
            self._add_sitemaps(frontier, robots, start_url, kind)
        ends_at = self.clock() + self.bounds.seconds
        while entry := frontier.pop() or self._recall(frontier, kind):
            url, depth = entry
            if visit := visited.get(url):
                frontier.add(visit.links, depth=depth + (not visit.was_redirect))
                continue
            for page in self._pages(url, robots, frontier, is_start=url == start):
                self.store.keep(page, found=frontier.found)
                if kind == "site":
                    frontier.add(page.links, depth=depth + (page.url == url or page.state == "ok"))
            if self.clock() >= ends_at:
                return Ending.PAUSED
        return Ending.FULL if frontier.is_cut else Ending.MANY_LISTS if self._has_unread_lists else Ending.WHOLE

    def _frontier(self, start: str, kind: Kind, visited: dict[str, Visit]) -> Frontier:
        moved = visited.get(start)
        home = moved.links[0] if moved and moved.was_redirect and moved.links else start
        scope = Scope.of(home) if kind == "site" else Scope(Scope.of(home).host, "/")
        frontier = Frontier(scope, self.bounds.max_pages if kind != "page" else 1, self.bounds.max_depth)
        if kind != "sitemap":
            frontier.push(start)
        return frontier

    def _add_sitemaps(self, frontier: Frontier, robots: Robots, start_url: str, kind: Kind) -> None:
        """Queue what the host's sitemaps list: those that robots.txt names, and the usual places."""
        if kind == "sitemap":
            maps = [start_url]
        else:
            usual = [urljoin(start_url, "/sitemap.xml"), urljoin(start_url, "sitemap.xml")]
            maps = list(dict.fromkeys([*robots.sitemaps[:10], *usual]))
        waiting, seen = deque((url, 1) for url in maps), set(maps)
        ends_at = self.clock() + _SITEMAPS_SECONDS
        while waiting and not frontier.is_cut:
            if len(seen) - len(waiting) >= MOST_SITEMAPS or self.clock() >= ends_at:
                self._is_unsure = self._has_unread_lists = True
                return
            url, depth = waiting.popleft()
            self._wait(url, robots, frontier)
            found = read_sitemap(self.fetcher, url)
            self._is_unsure |= found.is_unread
            frontier.add(map(normalise, found.pages), depth=1)
            named = [url for url in dict.fromkeys(found.maps) if url not in seen] if depth < _SITEMAP_DEPTH else []
            seen.update(named)
            waiting.extend((url, depth + 1) for url in named)

    def _recall(self, frontier: Frontier, kind: Kind) -> tuple[str, int] | None:
        """When all else is read and something was not: the pages that answer now, since what led to them may be
        what could not be read."""
        if not self._is_unsure or kind == "page":
            return None
        self._is_unsure = False
        frontier.add(self.store.live_urls(), depth=1)
        return frontier.pop()

    def _pages(self, url: str, robots: Robots, frontier: Frontier, *, is_start: bool) -> Iterable[PageRead]:
        """What comes of one address: the page, and before it a note where the address led elsewhere."""
        if not robots.allows(url):
            return [PageRead(url, "skipped", "The site's robots.txt asks not to read this page.")]
        try:
            page = self._fetch(url, robots, frontier)
        except (FetchRefused, FetchFailed) as error:
            if is_start:
                raise
            may_return = isinstance(error, FetchFailed) and error.code not in _GONE
            self._is_unsure |= may_return
            return [PageRead(url, "failed", error.sentence, may_return=may_return)]
        final = normalise(page.final_url) or url
        if final == url:
            return [self._read(url, page, frontier)]
        if is_start:
            frontier.rescope(Scope.of(final))
        note = PageRead(url, "skipped", f"This address leads to {final[:200]}.", links=(final,))
        if not frontier.scope.contains(final) or not robots.allows(final):
            return [replace(note, links=())]
        return [note, self._read(final, page, frontier)] if frontier.mark(final) else [note]

    def _fetch(self, url: str, robots: Robots, frontier: Frontier) -> Page:
        """GET with one more try where that can help."""
        for attempt in (1, 2):
            self._wait(url, robots, frontier)
            try:
                page = self.fetcher.get(url)
                self.store.beat(found=frontier.found)  # reading it may take as long again, and nobody beats then
            except FetchFailed as error:
                if attempt == 2 or not error.retryable:
                    raise
                self._pause(_RETRY_SECONDS, frontier)
                continue
            if attempt == 2 or page.status not in (429, 503):
                break
            self._pause(min(page.retry_after_seconds or _RETRY_SECONDS, _LONGEST_WAIT_SECONDS), frontier)
        if page.status >= 400 or page.status == 304:
            raise FetchFailed(f"http_{page.status}", _status_sentence(page.status))
        return page

    def _wait(self, url: str, robots: Robots, frontier: Frontier) -> None:
        """Keep the host's distance between requests; hosts of the operator's own list have none."""
        self.store.beat(found=frontier.found)
        try:
            is_listed = parse(url, allow_private=self.fetcher.allow_private).is_listed
        except FetchRefused:
            return
        if is_listed:
            return
        self._pause(self._next_at - self.clock(), frontier)
        self._next_at = self.clock() + max(DELAY_SECONDS, robots.delay_seconds or 0.0)

    def _pause(self, seconds: float, frontier: Frontier) -> None:
        while seconds > 0:
            self.sleep(min(seconds, 1.0))
            seconds -= 1.0
            self.store.beat(found=frontier.found)

    def _read(self, url: str, page: Page, frontier: Frontier) -> PageRead:
        """Turn a fetched page into its outcome."""
        try:
            found = _extracted(url, page)
        except ExtractFailed as error:
            return PageRead(url, "failed", error.sentence, may_return=True)
        if found is None:
            return PageRead(url, "skipped", f"This is not a page ({page.content_type[:60]}).")
        links = tuple(dict.fromkeys(filter(None, (normalise(link) for link in found.links))))
        read = PageRead(url, "skipped", "", found.title, found.language, links=links)
        canonical = normalise(found.canonical) if found.canonical else ""
        if found.is_noindex:
            return replace(read, error="The page asks not to be indexed.")
        if canonical and canonical != url and _is_own_page(canonical, url, frontier):
            return replace(read, error=f"The same page is at {canonical[:200]}.", links=(canonical, *links))
        if found.is_listing:
            return replace(read, error="The page only leads to other pages.")
        if not found.blocks:
            why = "The page is made by scripts and has no text of its own." if found.needs_script else "No text found."
            return replace(read, error=why)
        if _NOT_FOUND.match(found.title) and len(found.text) < 600:
            return replace(read, state="failed", error="The page says that it does not exist.")
        digest = text_hash(found.blocks)
        if digest in self._hashes:
            return replace(read, error="Another page has the same text.")
        self._hashes.add(digest)
        return replace(read, state="ok", blocks=found.blocks, text_hash=digest)


def text_hash(blocks: Iterable[Block]) -> str:
    """SHA-256 of what a page says, with its headings."""
    digest = sha256()
    for block in blocks:
        digest.update("\x1f".join((*block.headings, block.text, "")).encode("utf-8", "replace"))
    return digest.hexdigest()


def _is_own_page(canonical: str, url: str, frontier: Frontier) -> bool:
    """Whether a canonical link may be believed: it names a page of this source, and not just its front page,
    which is what broken templates put on every page."""
    is_front = urlsplit(canonical).path in ("", "/", frontier.scope.prefix)
    same_but_for_query = canonical.partition("?")[0] == url.partition("?")[0]
    return frontier.scope.contains(canonical) and (not is_front or same_but_for_query)


def _extracted(url: str, page: Page) -> Extracted | None:
    if page.body[:5] == b"%PDF-" or page.content_type == "application/pdf":
        return extract_pdf(page.body, name=unquote(urlsplit(url).path.rpartition("/")[2]) or url)
    if page.content_type in _HTML:
        return read_page(page.body, url=page.final_url, charset=page.charset)
    return None


def _status_sentence(status: int) -> str:
    if status in (404, 410):
        return f"There is no page at this address ({status})."
    if status in (401, 403, 407):
        return f"The site does not let us read this page ({status})."
    if status == 429:
        return "The site asks us to slow down (429)."
    return f"The site answered with an error ({status})."
