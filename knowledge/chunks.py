"""Cutting a document into passages along its headings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from knowledge.blocks import Block
from knowledge.sentences import split

TARGET_TOKENS = 180
_SMALL_TOKENS = 40
_MAX_CHARACTERS = 3000

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
    """The passages of a document in order. No passage crosses a heading; sentences are cut only when one
    alone is longer than a passage may be."""
    chunks: list[ChunkText] = []
    for headings, members in groupby(blocks, key=lambda block: block.headings):
        section = list(members)
        heading = " > ".join(headings)[:400]
        anchor = section[0].anchor[:200]
        pieces = [piece for block in section for piece in _pieces(block.text, count_tokens, target)]
        chunks += [ChunkText(heading, anchor, text, tokens) for text, tokens in _pack(pieces, target)]
    return chunks


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
