"""An HTML subtree as a flat list of blocks, each knowing the headings that it stands under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement

HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_INLINE = frozenset(
    (
        *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "font", "i"),
        *("img", "ins", "kbd", "label", "mark", "q", "ruby", "rb", "rt", "rp", "s", "samp"),
        *("small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "del"),
    )
)
_SPACES = re.compile(r"\s+")
_CELL_LIMIT = 400


@dataclass(frozen=True)
class Block:
    """One paragraph, list item or table row.

    `headings` runs from the outermost below the page's title to the nearest; `anchor` is the fragment of the
    nearest one that has an id, or ''. `kind` is `text`, `item` or `row`.
    """

    headings: tuple[str, ...]
    anchor: str
    text: str
    kind: str = "text"


def blocks(root: HtmlElement, *, title: str = "") -> list[Block]:
    """The readable blocks of `root` in document order. A heading that repeats `title` opens no section."""
    return list(_Walk(title).run(root))


def inline_text(element: HtmlElement) -> str:
    """All text of an element on one line."""
    return _fold("".join(element.itertext()))


# What documentation builders put behind a heading for its permanent link, and Markdown's closing marks.
_PERMALINK = re.compile(r"[\s\u00b6\u00a7#\U0001f517]+$")


def _name(heading: HtmlElement) -> str:
    text = inline_text(heading)
    return _PERMALINK.sub("", text) or text


class _Walk:
    def __init__(self, title: str) -> None:
        self._title = title
        self._stack: list[tuple[int, str, str]] = []
        self._words: list[str] = []
        self._marker = ""

    def run(self, root: HtmlElement) -> Iterator[Block]:
        yield from self._visit(root)
        yield from self._flush()

    def _visit(self, element: HtmlElement) -> Iterator[Block]:
        tag = element.tag
        if not isinstance(tag, str):
            return
        if tag in HEADINGS:
            yield from self._flush()
            self._open(HEADINGS[tag], _name(element), _anchor(element))
        elif tag == "br":
            self._words.append("\n")
        elif tag == "pre":
            yield from self._flush()
            yield from self._block("".join(element.itertext()).strip("\n"), "text")
        elif tag == "table" and _is_data(element):
            yield from self._flush()
            for row in _rows(element):
                yield from self._block(row, "row")
        elif tag in _INLINE:
            self._words.append(element.text or "")
            yield from self._children(element)
        else:
            yield from self._flush()
            if tag == "li":
                self._marker = _marker(element)
            self._words.append(element.text or "")
            yield from self._children(element)
            yield from self._flush()
            self._marker = ""

    def _children(self, element: HtmlElement) -> Iterator[Block]:
        for child in element:
            yield from self._visit(child)
            self._words.append(child.tail or "")

    def _flush(self) -> Iterator[Block]:
        lines = [_fold(line) for line in "".join(self._words).split("\n\n")]
        text = "\n".join(line for line in lines if line) if len(lines) > 1 else lines[0]
        self._words.clear()
        if not text:
            return
        marker, self._marker = self._marker, ""
        yield from self._block(marker + text, "item" if marker else "text")

    def _block(self, text: str, kind: str) -> Iterator[Block]:
        if text.strip():
            anchor = next((anchor for _, _, anchor in reversed(self._stack) if anchor), "")
            yield Block(tuple(name for _, name, _ in self._stack), anchor, text, kind)

    def _open(self, level: int, name: str, anchor: str) -> None:
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        if name and name.casefold() != self._title.casefold():
            self._stack.append((level, name, anchor))


def _fold(text: str) -> str:
    return _SPACES.sub(" ", text.replace("\u00ad", "").replace("\u200b", "")).strip()


def _anchor(heading: HtmlElement) -> str:
    own = heading.get("id") or heading.get("data-anchor")
    if own:
        return str(own)
    for child in heading.iter("a"):
        found = child.get("id") or child.get("name")
        if found:
            return str(found)
    parent = heading.getparent()
    if parent is not None and parent.tag in ("section", "div", "li") and parent.get("id"):
        first = next((child for child in parent if isinstance(child.tag, str)), None)
        return str(parent.get("id")) if first is heading else ""
    return ""


def _marker(item: HtmlElement) -> str:
    parent = item.getparent()
    if parent is None or parent.tag != "ol":
        return "- "
    return f"{1 + int(item.xpath('count(preceding-sibling::li)'))}. "


def _is_data(table: HtmlElement) -> bool:
    """A table of data, not of layout: no table or heading inside, and more than one column somewhere."""
    if any(table.iter("h1", "h2", "h3", "h4", "h5", "h6")) or len(list(table.iter("table"))) > 1:
        return False
    return any(len(_cells(row)) > 1 for row in table.iter("tr"))


def _cells(row: HtmlElement) -> list[HtmlElement]:
    return [cell for cell in row if cell.tag in ("td", "th")]


def _rows(table: HtmlElement) -> Iterator[str]:
    """Each row as a line that stands alone: "Country: Austria; Standard: 3 days"."""
    rows = [_cells(row) for row in table.iter("tr")]
    rows = [row for row in rows if any(inline_text(cell) for cell in row)]
    header = rows[0] if rows and _is_header(table, rows) else []
    names = [name for cell in header for name in [inline_text(cell)] * _span(cell)]
    caption = next((inline_text(caption) for caption in table.iter("caption")), "")
    for row in rows[1 if header else 0 :]:
        values = [value for cell in row for value in [inline_text(cell)[:_CELL_LIMIT]] * _span(cell)]
        line = _line(names, list(dict.fromkeys(values)) if len(row) == 1 else values)
        if line:
            yield f"{caption}: {line}" if caption else line


def _is_header(table: HtmlElement, rows: list[list[HtmlElement]]) -> bool:
    first = rows[0]
    if len(rows) < 2:
        return False
    if all(cell.tag == "th" for cell in first) or first[0].getparent().getparent().tag == "thead":
        return True
    bold = all(cell.find(".//b") is not None or cell.find(".//strong") is not None for cell in first)
    return bold and len(first) > 1


def _span(cell: HtmlElement) -> int:
    span = cell.get("colspan", "1")
    return min(int(span), 20) if span.isdecimal() and int(span) > 0 else 1


def _line(names: list[str], values: list[str]) -> str:
    if not names:
        filled = [value for value in values if value]
        return ": ".join(filled) if len(values) == 2 else "; ".join(filled)
    parts = []
    for index, value in enumerate(values):
        name = names[index] if index < len(names) else ""
        if value:
            parts.append(f"{name}: {value}" if name else value)
    return "; ".join(parts)
