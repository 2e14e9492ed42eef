"""The one renderer: stored text in, HTML that may be shown out. Nothing else marks text of other people safe.

Two walls, each enough by itself: the markdown parser never passes HTML through, and the allow-list drops what
is not one of a dozen plain elements. There are no images: a picture is a request that carries data away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

ALLOWED_TAGS = frozenset({"p", "br", "strong", "em", "code", "pre", "ul", "ol", "li", "blockquote", "a"})
ALLOWED_SCHEMES = frozenset({"http", "https", "mailto"})
MAX_CHARACTERS = 20_000  # far above any message; bounds what the parser can be made to do
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TAG_OR_MARK = re.compile(r"<[^>]*>|\[(?P<n>\d{1,2})\]")
_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_UNSEEN = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])


def plain(text: str) -> SafeString:
    """What a person typed, exactly as typed: escaped, with its lines kept; no markup, no links."""
    text = text.replace("\r\n", "\n").translate(_UNSEEN).strip("\n")[:MAX_CHARACTERS]
    paragraphs = (str(escape(part)).replace("\n", "<br>") for part in _PARAGRAPH.split(text))
    return mark_safe("".join(f"<p>{part}</p>" for part in paragraphs))  # noqa: S308  escaped above


@dataclass(frozen=True)
class Source:
    """Where a `[1]` in an answer leads; `url` may be empty."""

    words: str
    url: str


def rich(
    text: str, *, links: frozenset[str] = frozenset(), sources: Mapping[int, Source] | None = None
) -> SafeString:
    """Markdown of the AI, or of a page that it quotes.

    `links` names the hosts, as `host` or `host:port`, that a link may lead to, exactly; an e-mail link needs
    its address' host there. Every other link is shown as its words alone. A `[1]` whose number is in `sources`
    becomes a mark that leads there; other brackets stay.
    """
    text = text.translate(_UNSEEN)[:MAX_CHARACTERS]
    html = _PARSER.render(text, {"links": links})
    return mark_safe(_marked(_clean(html), sources or {}))  # noqa: S308  through the allow-list


def _marked(html: str, sources: Mapping[int, Source]) -> str:
    """Put our own marks, each escaped, into clean HTML, between its tags only."""

    def mark(found: re.Match[str]) -> str:
        source = sources.get(int(found["n"] or 0))
        if source is None:
            return found[0]
        url, words, n = web_address(source.url), source.words, found["n"]
        if not url:
            return format_html('<span class="cite" title="{}">{}</span>', words, n)
        inner = format_html('<span class="sr">Source </span>{}', n)
        return format_html(
            '<a class="cite" href="{}" title="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, words, inner
        )

    return _TAG_OR_MARK.sub(mark, html) if sources else html


def link_allowed(url: str, links: frozenset[str]) -> bool:
    """Whether `url` is absolute, of an allowed scheme, holds no credentials, and leads to one of `links`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "mailto":
        name, at, host = parts.path.rpartition("@")
        return bool(at and name) and "%" not in parts.path and not parts.query and host.lower() in links
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or "\\" in url or not parts.hostname:
        return False
    if port is None or port == _DEFAULT_PORTS[parts.scheme]:
        return parts.hostname in links
    return f"{parts.hostname}:{port}" in links


def web_address(url: str) -> str:
    """`url` if a page may link to it as it is: an absolute http(s) address without credentials; else empty.
    Visitors tell us where they are, and may tell us anything."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return ""
    return url if sound and "@" not in parts.netloc and "\\" not in url else ""


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(ALLOWED_TAGS),
        attributes={"a": {"href"}},
        attribute_filter=_only_href,
        url_schemes=set(ALLOWED_SCHEMES),
        link_rel="noopener nofollow ugc",
    )


def _only_href(element: str, attribute: str, value: str) -> str | None:
    # nh3 lets `title` and `lang` pass on every element; it sets `rel` itself
    return value if attribute in {"href", "rel"} else None


def _drop_foreign_links(state: StateCore) -> None:
    links: frozenset[str] = state.env.get("links", frozenset())
    for token in state.tokens:
        if token.children:
            token.children = _kept(token.children, links)


def _kept(tokens: Sequence[Token], links: frozenset[str]) -> list[Token]:
    kept: list[Token] = []
    inside_dropped = False  # links do not nest in markdown
    for token in tokens:
        if token.type == "link_open":
            inside_dropped = not link_allowed(str(token.attrs.get("href", "")), links)
            if inside_dropped:
                continue
        elif token.type == "link_close" and inside_dropped:
            inside_dropped = False
            continue
        elif token.type == "image":
            token = Token("text", "", 0, content=token.content)
        kept.append(token)
    return kept


def _heading_open(*_: object) -> str:
    return "<p><strong>"


def _heading_close(*_: object) -> str:
    return "</strong></p>\n"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
    parser.core.ruler.push("drop_foreign_links", _drop_foreign_links)
    parser.add_render_rule("heading_open", _heading_open)
    parser.add_render_rule("heading_close", _heading_close)
    return parser


_PARSER = _parser()
