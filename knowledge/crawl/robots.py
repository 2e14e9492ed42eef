"""What a site asks of crawlers."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from lxml import etree
from protego import Protego

from knowledge.errors import FetchFailed, KnowledgeError
from knowledge.extract import decode
from knowledge.fetch import Fetcher, gunzip

ROBOTS_BYTES = 512 * 1024
SITEMAP_BYTES = 50 * 1024 * 1024
SITEMAP_URLS = 50_000
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


def read_sitemap(fetcher: Fetcher, url: str) -> list[str]:
    """The page addresses of a sitemap, [] if there is none. Never raises: a sitemap is only a hint."""
    try:
        page = fetcher.get(url, max_bytes=SITEMAP_BYTES)
        body = gunzip(page.body, max_bytes=SITEMAP_BYTES) if page.body[:2] == b"\x1f\x8b" else page.body
    except KnowledgeError:
        return []
    return parse_sitemap(body) if page.status == 200 else []


def parse_sitemap(body: bytes) -> list[str]:
    """The `loc` of every `url` entry, at most 50,000. No entity is resolved and nothing is loaded."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return []
    if root is None:
        return []
    found = root.iterfind("{*}url/{*}loc")
    return [loc.text.strip() for loc, _ in zip(found, range(SITEMAP_URLS), strict=False) if loc.text]
