"""Which addresses a crawl visits, in which order, each once. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from knowledge.errors import FetchRefused
from knowledge.targets import default_port, parse

_TRACKING = re.compile(r"^(utm_\w+|gclid|fbclid|mc_[ce]id|ref|_ga|sessionid|phpsessid|jsessionid|sid)$", re.IGNORECASE)
_NOT_PAGES = re.compile(
    r"\.(png|jpe?g|gif|webp|svg|ico|bmp|avif|css|js|mjs|map|json|xml|rss|atom|txt|csv|zip|gz|tgz|bz2|7z|rar|dmg|exe"
    r"|msi|apk|deb|iso|mp3|mp4|m4a|webm|mov|avi|wav|ogg|woff2?|ttf|eot|docx?|xlsx?|pptx?|ics)$",
    re.IGNORECASE,
)
_INDEX_FILE = re.compile(r"/(index|default)\.(html?|php|aspx?)$", re.IGNORECASE)
_SESSION_PATH = re.compile(r";jsessionid=[^/?]*", re.IGNORECASE)
_MAX_CHARACTERS = 1000
_MAX_SEGMENTS = 12
_MAX_SAME_SEGMENTS = 3


def normalise(url: str, *, base: str = "") -> str:
    """One spelling for one page, or '' where there is no page to fetch.

    Host in lower case, default port, fragment and tracking parameters dropped, `index.html` and its folder
    made equal, parameters sorted. Private hosts are kept here: whether one may be fetched is decided where
    it is fetched.
    """
    try:
        joined = urljoin(base, url.strip().replace(" ", "%20"))
        parts = urlsplit(joined)
        entry = frozenset({host_and_port(joined)})
        target = parse(urlunsplit(parts._replace(fragment="")), allow_private=entry)
    except (FetchRefused, ValueError):
        return ""
    path, _, query = target.path.partition("?")
    path = _INDEX_FILE.sub("/", _SESSION_PATH.sub("", re.sub(r"//+", "/", path)))
    kept = sorted(
        (name, value) for name, value in parse_qsl(query, keep_blank_values=True) if not _TRACKING.match(name)
    )
    if _NOT_PAGES.search(path) or _is_trap(path) or len(kept) > 6:
        return ""
    found = f"{target.scheme}://{target.authority}{path}" + (f"?{urlencode(kept)}" if kept else "")
    return found if len(found) <= _MAX_CHARACTERS else ""


def host_and_port(url: str) -> str:
    """The `host:port` of an address as the private list spells it. Raises ValueError where there is none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or default_port(parts.scheme)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_trap(path: str) -> bool:
    """Paths that grow by themselves: relative links gone wrong, calendars of folders."""
    segments = [segment for segment in path.split("/") if segment]
    return len(segments) > _MAX_SEGMENTS or any(segments.count(s) > _MAX_SAME_SEGMENTS for s in segments)


@dataclass(frozen=True)
class Scope:
    """The part of the web a source means: one host with port, and paths below a folder.

    `http` and `https` are one site; with and without `www.` is one site as well.
    """

    host: str
    prefix: str

    @classmethod
    def of(cls, start_url: str) -> Scope:
        """`/help/` and `/help/index.html` mean that folder, `/help` means that page and the folder, an
        address with a file name means the file's folder."""
        parts = urlsplit(start_url)
        path = _INDEX_FILE.sub("/", parts.path) or "/"
        last = path.rpartition("/")[2]
        prefix = path if path.endswith("/") else path.removesuffix(last) if "." in last else path + "/"
        return cls(_site(start_url), prefix)

    def contains(self, url: str) -> bool:
        path = urlsplit(url).path or "/"
        return _site(url) == self.host and (path + "/" if not path.endswith("/") else path).startswith(self.prefix)


def _site(url: str) -> str:
    host, _, port = host_and_port(url).rpartition(":")
    host = host.lower().removeprefix("www.")
    return host if port in ("80", "443") else f"{host}:{port}"


@dataclass
class Frontier:
    """The addresses still to visit, breadth first: everything seen from near the start comes before what is
    farther. Takes at most `max_pages` addresses in all, so memory is bounded by the plan, not by the site."""

    scope: Scope
    max_pages: int
    max_depth: int
    is_cut: bool = False  # an address was left out for want of room
    _queue: deque[tuple[str, int]] = field(default_factory=deque)
    _seen: set[str] = field(default_factory=set)

    @property
    def found(self) -> int:
        """How many addresses were ever queued."""
        return len(self._seen)

    def add(self, urls: Iterable[str], *, depth: int) -> None:
        """Queue normalised addresses that are in scope, near enough, and new."""
        if depth > self.max_depth:
            return
        for url in urls:
            key = _key(url)
            if not url or key in self._seen or not self.scope.contains(url):
                continue
            if len(self._seen) >= self.max_pages:
                self.is_cut = True
                return
            self._seen.add(key)
            self._queue.append((url, depth))

    def push(self, url: str) -> None:
        """Queue the start, which is in scope because the customer named it."""
        self._seen.add(_key(url))
        self._queue.append((url, 0))

    def rescope(self, scope: Scope) -> None:
        """Go on under another host or folder: the start address turned out to lead there."""
        self.scope = scope

    def mark(self, url: str) -> bool:
        """Note that a page stands at `url` (a redirect's end, a canonical link); False if it was known."""
        key = _key(url)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def pop(self) -> tuple[str, int] | None:
        """The next address and its distance from the start."""
        return self._queue.popleft() if self._queue else None


def _key(url: str) -> str:
    parts = urlsplit(url)
    return f"{_site(url)}{parts.path.rstrip('/')}?{parts.query}"
