"""The help pages: Markdown files with a small front matter, and how their text becomes an article.

A heading of level 2 is a section of the article. Levels 3 and 4 are questions that fold: level 3 behind a
button with `aria-expanded`, level 4 in a `details` element; both kinds are common on real help centres.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

CONTENT = Path(__file__).parent / "content"

# Section key -> its name, in the order of the navigation. A key of two letters is a language.
SECTIONS = {
    "start": "Getting help",
    "orders": "Orders",
    "delivery": "Delivery",
    "returns": "Returns",
    "payment": "Payment",
    "account": "Account",
    "lamps": "Lamps and care",
    "beacon": "Beacon smart light",
    "warranty": "Warranty and repair",
    "about": "Showroom and trade",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "ja": "日本語",
}

_FOLDS = {
    "h3": (
        '<h3 class="fold"><button type="button" aria-expanded="false" aria-controls="{id}">{question}'
        '</button></h3><div class="fold-panel" id="{id}">\n',
        "</div>\n",
    ),
    "h4": ('<details class="fold" id="{id}"><summary>{question}</summary>\n', "</details>\n"),
}
_WRAPPED = {"table_open": '<div class="table-scroll">\n', "table_close": "</div>\n"}


@dataclass(frozen=True)
class Page:
    """One help page as written; `text` is Markdown without the front matter."""

    path: str
    title: str
    lang: str
    section: str
    updated: date
    summary: str
    text: str


@dataclass(frozen=True)
class Article:
    """The rendered text of a page, and its level 2 headings as (anchor, title) in order."""

    html: str
    headings: tuple[tuple[str, str], ...]


@cache
def load_pages() -> dict[str, Page]:
    """Every help page by its path, in the order of the sections and then of the files' names.

    Raises ValueError for a file whose front matter lacks a field or names an unknown section.
    """
    pages = [_parse(file) for file in sorted(CONTENT.glob("*/*.md"))]
    order = list(SECTIONS)
    pages.sort(key=lambda page: order.index(page.section))
    return {page.path: page for page in pages}


def _parse(file: Path) -> Page:
    _, head, text = file.read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    missing = {"title", "path", "lang", "section", "updated", "summary"} - fields.keys()
    if missing or fields["section"] not in SECTIONS:
        raise ValueError(f"{file}: front matter lacks {sorted(missing)} or names an unknown section")
    return Page(
        path=fields["path"],
        title=fields["title"],
        lang=fields["lang"],
        section=fields["section"],
        updated=date.fromisoformat(fields["updated"]),
        summary=fields["summary"],
        text=text,
    )


@cache
def render_article(page: Page) -> Article:
    """The page's Markdown as HTML, with anchors on headings, folded questions and scrollable tables."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(page.text)
    headings = tuple(_anchor_sections(tokens))
    html = RendererHTML().render(list(_fold_questions(tokens, markdown.options)), markdown.options, {})
    return Article(html=html, headings=headings)


def _anchor_sections(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    for token, inline in zip(tokens, tokens[1:], strict=False):
        if token.type == "heading_open" and token.tag == "h2":
            anchor = _slug(inline.content)
            token.attrSet("id", anchor)
            yield anchor, inline.content


def _fold_questions(tokens: Sequence[Token], options: OptionsDict) -> Iterator[Token]:
    closing = ""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if token.type == "heading_open" and closing:
            yield _raw(closing)
            closing = ""
        if token.type == "heading_open" and token.tag in _FOLDS:
            inline = tokens[position]
            question = RendererHTML().renderInline(inline.children or [], options, {})
            opening, closing = _FOLDS[token.tag]
            yield _raw(opening.format(id=_slug(inline.content), question=question))
            position += 2
        elif token.type == "table_open":
            yield from (_raw(_WRAPPED[token.type]), token)
        elif token.type == "table_close":
            yield from (token, _raw(_WRAPPED[token.type]))
        else:
            yield token
    if closing:
        yield _raw(closing)


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")
