"""Pages that only lead to others: a site's contents, a section's index. Pure.

Each page they name says it better; as a passage such a list would match every question about any of them.
"""

from __future__ import annotations

import re
from itertools import islice

from lxml.html import HtmlElement

from knowledge.blocks import inline_text

# A help centre's 15 index pages score .93 and more, its articles .02 and less; a real site of 244 pages in four
# languages, which has no page that only lists others, .46 and less.
SHARE = 0.7
_ENTRY_CHARACTERS = 400
_MOST_LINKS = 2000
_SEPARATOR = re.compile(r"^\s*($|[-–—:|·•›»])")


def is_listing(main: HtmlElement) -> bool:
    """Whether most of what a page says under its name is links with a line about each."""
    return listed_share(main) >= SHARE


def listed_share(main: HtmlElement) -> float:
    """How much of a page's text, its h1 apart, stands in entries: a link alone, or with a short text below it."""
    whole = len(inline_text(main)) - sum(len(inline_text(heading)) for heading in main.iter("h1"))
    entries: set[HtmlElement] = set()
    for link in islice(filter(_leads_on, main.iter("a")), _MOST_LINKS):
        entry = _entry(link, main)
        if entry is not None and entries.isdisjoint((entry, *entry.iterancestors())):
            entries.add(entry)
    listed = sum(len(inline_text(entry)) for entry in entries)
    return listed / whole if whole > 0 else 0.0


def _leads_on(link: HtmlElement) -> bool:
    href = (link.get("href") or "").strip()
    return bool(href and inline_text(link)) and not href.startswith(("#", "tel:", "mailto:", "javascript:"))


def _entry(link: HtmlElement, main: HtmlElement) -> HtmlElement | None:
    """The largest part of the page that begins with this link, leads nowhere else, and is short. None for a
    link inside a sentence."""
    if not _SEPARATOR.match(link.tail or ""):
        return None
    name, href, entry = inline_text(link), link.get("href"), link
    for parent in link.iterancestors():
        if parent is main or not _short_text(parent).startswith(name):
            break
        if any(other.get("href") != href for other in parent.iter("a") if _leads_on(other)):
            break
        entry = parent
    return entry


def _short_text(element: HtmlElement) -> str:
    """The element's text, or '' if it is longer than an entry; a long one is not read to its end."""
    text = ""
    for part in element.itertext():
        text += part
        if len(text) > 4 * _ENTRY_CHARACTERS:
            return ""
    text = " ".join(text.split())
    return text if len(text) <= _ENTRY_CHARACTERS else ""
