"""What retrieval found for a question, as plain values. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PER_PAGE = 2


@dataclass(frozen=True)
class Passage:
    """One chunk as evidence. `score` is the mean of its two cosines with the question, about .75 to .95;
    `heading` is the path below the page's title; the page is at `url`, the passage at `url#anchor`."""

    chunk_id: int
    document_id: int
    url: str
    title: str
    heading: str
    anchor: str
    text: str
    score: float
    language: str


@dataclass(frozen=True)
class Evidence:
    """The passages for a question, best first, and how likely (0..1) they are to hold its answer."""

    confidence: float
    passages: tuple[Passage, ...] = ()


def diverse(ranked: Sequence[Passage], *, limit: int) -> tuple[Passage, ...]:
    """The best `limit` passages with at most two of one page, so that one long page cannot fill the list."""
    pages: Counter[int] = Counter()
    kept: list[Passage] = []
    for passage in ranked:
        if pages[passage.document_id] < MAX_PER_PAGE:
            pages[passage.document_id] += 1
            kept.append(passage)
        if len(kept) == limit:
            break
    return tuple(kept)


# Fitted by benchmarks/confidence.py; see `confidence`.
_TOP_WEIGHT = 60.0
_MARGIN_WEIGHT = 20.0
_OFFSET = 52.0


def confidence(scores: Sequence[float]) -> float:
    """How likely the best passages hold the answer, from their scores alone, best first."""
    if not scores:
        return 0.0
    rest = scores[1:6]
    margin = scores[0] - sum(rest) / len(rest) if rest else 0.0
    return 1 / (1 + math.exp(_OFFSET - _TOP_WEIGHT * scores[0] - _MARGIN_WEIGHT * margin))
