"""What a site asks of crawlers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urljoin, urlsplit

from lxml import etree
from protego import Protego

from knowledge.errors import FetchFailed, FetchRefused
from knowledge.extract import decode
from knowledge.fetch import Fetcher, gunzip, is_gone

ROBOTS_BYTES = 512 * 1024
SITEMAP_BYTES = 50 * 1024 * 1024
SITEMAP_URLS = 50_000
_SITEMAP_ELEMENTS = 2_000_000  # every entry may have forty, for its languages and pictures
_PIECE_BYTES = 64 * 1024
_AGENT = "builtabot"
_SPREAD_SECONDS = 30.0


@dataclass(frozen=True)
class Robots:
    """A host's rules. Without a robots.txt everything is allowed."""

    rules: Protego

    def allows(self, url: str) -> bool:
        return bool(self.rules.can_fetch(url, _AGENT))

    @property
    def delay_seconds(self) -> float | None:
        """The wait between two requests that the site asks for, at most half a minute, or None."""
        delay = self.rules.crawl_delay(_AGENT)
        return None if delay is None else min(float(delay), _SPREAD_SECONDS)

    @property
    def sitemaps(self) -> list[str]:
        return list(self.rules.sitemaps)


def read_robots(fetcher: Fetcher, start_url: str) -> Robots:
    """The rules of the start address's host.

    As RFC 9309 has it: a client error means no rules, a server error means that crawling now would be rude.
    Raises FetchFailed (retryable) for the latter, and whatever the fetch raises.
    """
    page = fetcher.get(urljoin(start_url, "/robots.txt"), max_bytes=ROBOTS_BYTES)
    if page.status >= 500 or page.status == 429:
        host = urlsplit(start_url).hostname
        raise FetchFailed("robots_unavailable", f"{host} does not say what may be crawled now.", retryable=True)
    text = decode(page.body, charset=page.charset) if page.status == 200 else ""
    return Robots(Protego.parse(text))


@dataclass(frozen=True)
class Sitemap:
    """What a sitemap lists: pages, and other sitemaps. `is_unread`: there may be one, but it could not be read now."""

    pages: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    is_unread: bool = False


def read_sitemap(fetcher: Fetcher, url: str) -> Sitemap:
    """A sitemap or an index of sitemaps, empty if there is none. Never raises: a sitemap is only a hint."""
    try:
        page = fetcher.get(url, max_bytes=SITEMAP_BYTES)
        body = gunzip(page.body, max_bytes=SITEMAP_BYTES) if page.body[:2] == b"\x1f\x8b" else page.body
    except FetchRefused:
        return Sitemap()
    except FetchFailed:
        return Sitemap(is_unread=True)
    if page.status != 200:
        return Sitemap(is_unread=not is_gone(page.status))
    return parse_sitemap(body, base=page.final_url)


def parse_sitemap(body: bytes, *, base: str = "") -> Sitemap:
    """The `loc` of every `url` and `sitemap` entry, at most 50,000. No entity is resolved and nothing is loaded.

    Reads as it goes and forgets what it has read: a tree of fifty megabytes of empty elements would take gigabytes.
    """
    parser = etree.XMLPullParser(
        events=("end",), resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=False
    )
    found: dict[str, list[str]] = {"url": [], "sitemap": []}
    for owner, text in islice(_locs(parser, body), SITEMAP_URLS):
        found[owner].append(text)
    return Sitemap(tuple(found["url"]), tuple(urljoin(base, url) for url in found["sitemap"]))


def _locs(parser: etree.XMLPullParser, body: bytes) -> Iterator[tuple[str, str]]:
    """The entries' addresses with the name of the entry, as far as the text is XML."""
    left = _SITEMAP_ELEMENTS
    for start in range(0, len(body), _PIECE_BYTES):
        try:
            parser.feed(body[start : start + _PIECE_BYTES])
        except etree.XMLSyntaxError:
            return
        for _, element in parser.read_events():
            left -= 1
            parent = element.getparent()
            if left < 0 or parent is None:
                return
            owner = _local(parent)
            if _local(element) == "loc" and owner in ("url", "sitemap") and element.text:
                yield owner, element.text.strip()
            element.clear()
            while element.getprevious() is not None:
                del parent[0]


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]
