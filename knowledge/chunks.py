"""Cutting a document into passages along its headings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, takewhile

from knowledge.blocks import Block
from knowledge.sentences import split

TARGET_TOKENS = 180
_SMALL_TOKENS = 40
_SMALL_SECTION = 25  # 38 % fewer passages of a reference manual, found as well or better
_MAX_CHARACTERS = 3000
_ASKS = ("?", "\uff1f", "\u061f")

Counter = Callable[[str], int]


@dataclass(frozen=True)
class ChunkText:
    """One passage: at most about `TARGET_TOKENS` tokens, under one heading.

    `heading` is the path below the title, joined with " > ". `tokens` counts the text without its header.
    """

    heading: str
    anchor: str
    text: str
    tokens: int


def header(title: str, heading: str) -> str:
    """What is put above a passage before it is embedded: "title > heading"."""
    return " > ".join(part for part in (title, heading) if part)


def cut(blocks: Iterable[Block], count_tokens: Counter, *, target: int = TARGET_TOKENS) -> list[ChunkText]:
    """The passages of a document in order. Sentences are cut only when one alone is longer than a passage may be.

    A section of a few words is a bad passage: it says little and is a little like everything. So small ones that
    follow each other under one heading make a passage together, each under its own name; no other crosses a heading.
    """
    sections: list[_Section] = []
    for headings, members in groupby(blocks, key=lambda block: block.headings):
        section = list(members)
        pieces = [piece for block in section for piece in _pieces(block.text, count_tokens, target)]
        next_one = _Section(headings, headings, section[0].anchor, pieces)
        joined = _joined(sections[-1], next_one, count_tokens, target) if sections else None
        if joined is None:
            sections.append(next_one)
        else:
            sections[-1] = joined
    return [
        ChunkText(" > ".join(section.headings)[:400], section.anchor[:200], text, tokens)
        for section in sections
        for text, tokens in _pack(section.pieces, target)
    ]


@dataclass(frozen=True)
class _Section:
    """Pieces under one heading. `named` is the heading that its first pieces stand under, before it was joined to
    others under their common one."""

    headings: tuple[str, ...]
    named: tuple[str, ...]
    anchor: str
    pieces: list[tuple[str, int]]

    @property
    def tokens(self) -> int:
        return sum(tokens for _, tokens in self.pieces)


def _joined(first: _Section, second: _Section, count_tokens: Counter, target: int) -> _Section | None:
    """Two neighbours as one, where either is small, both fit, and one heading is above both or one of them."""
    both = zip(first.headings, second.headings, strict=False)
    common = tuple(name for name, _ in takewhile(lambda pair: pair[0] == pair[1], both))
    is_near = len(common) >= min(len(first.headings), len(second.headings)) - 1
    has_home = bool(common) or len(first.headings) == len(second.headings) == 1
    if not (is_near and has_home and min(first.tokens, second.tokens) < _SMALL_SECTION):
        return None
    if any(names and names[-1].endswith(_ASKS) for names in (first.headings, second.headings)):
        return None  # a question with its answer is whole, however short
    before = _title_line(first.named[len(common) :], count_tokens) if first.named == first.headings else []
    pieces = [*before, *first.pieces, *_title_line(second.headings[len(common) :], count_tokens), *second.pieces]
    joined = _Section(common, first.named if not before else (), first.anchor, pieces)
    return joined if joined.tokens <= target else None


def _title_line(names: tuple[str, ...], count_tokens: Counter) -> list[tuple[str, int]]:
    line = " > ".join(names)[:200]
    return [(f"{line}:", count_tokens(line) + 1)] if line else []


def _pack(pieces: list[tuple[str, int]], target: int) -> list[tuple[str, int]]:
    """Join pieces in order up to the target; a small rest joins the one before it."""
    packed: list[tuple[str, int]] = []
    for text, tokens in pieces:
        fits = packed and packed[-1][1] + tokens <= target
        if packed and fits:
            packed[-1] = (f"{packed[-1][0]}\n{text}", packed[-1][1] + tokens)
        else:
            packed.append((text, tokens))
    if len(packed) > 1 and packed[-1][1] < _SMALL_TOKENS:
        (text, tokens), (rest, more) = packed[-2:]
        packed[-2:] = [(f"{text}\n{rest}", tokens + more)]
    return packed


def _pieces(text: str, count_tokens: Counter, target: int) -> Iterator[tuple[str, int]]:
    """A block whole if it fits, else its sentences joined up to the target, else cut by length."""
    tokens = count_tokens(text[:_MAX_CHARACTERS])
    if tokens <= target and len(text) <= _MAX_CHARACTERS:
        yield text, tokens
        return
    joined, size = "", 0
    for sentence in _short_sentences(text, count_tokens, target):
        more = count_tokens(sentence)
        if joined and size + more > target:
            yield joined, size
            joined, size = "", 0
        joined, size = (f"{joined} {sentence}" if joined else sentence), size + more
    if joined:
        yield joined, size


def _short_sentences(text: str, count_tokens: Counter, target: int) -> Iterator[str]:
    for sentence in split(text):
        tokens = count_tokens(sentence[:_MAX_CHARACTERS])
        if tokens <= target and len(sentence) <= _MAX_CHARACTERS:
            yield sentence
            continue
        step = max(1, min(len(sentence), _MAX_CHARACTERS) * target // max(tokens, 1))
        yield from _cut_by_length(sentence, step)


def _cut_by_length(text: str, step: int) -> Iterator[str]:
    while len(text) > step:
        space = text.rfind(" ", step // 2, step)
        end = space if space > 0 else step
        yield text[:end].strip()
        text = text[end:].strip()
    if text:
        yield text
