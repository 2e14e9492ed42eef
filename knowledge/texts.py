"""Plain text and Markdown as blocks. Pure."""

from __future__ import annotations

from dataclasses import replace

from lxml.html import document_fromstring
from markdown_it import MarkdownIt

from knowledge.blocks import blocks
from knowledge.extract import Extracted
from knowledge.pdf import page_blocks

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def read_text(text: str, *, name: str) -> Extracted:
    """The paragraphs of a text; `name` is its title."""
    found = tuple(replace(block, anchor="") for block in page_blocks(text, 1))
    return Extracted(name, "", found, (), "", is_noindex=False)


def read_markdown(text: str, *, name: str) -> Extracted:
    """A text in Markdown; its title is its one first-level heading, or `name`."""
    root = document_fromstring(f"<body><p></p>{_MARKDOWN.render(text)}</body>")
    names = [str(heading.text_content()).strip() for heading in root.iter("h1")]
    title = names[0][:300] if len(names) == 1 and names[0] else name
    return Extracted(title, "", tuple(blocks(root, title=title)), (), "", is_noindex=False)
