"""What retrieval found for a question, as plain values. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PER_PAGE = 2


@dataclass(frozen=True)
class Passage:
    """One chunk as evidence.

    `score` is what it was ranked by (`knowledge.search`), about .75 to 1; `nearness` the weighted mean of its two
    cosines with the question; `heading` is the path below the page's title; the page is at `url`, the passage at
    `url#anchor`.
    """

    chunk_id: int
    document_id: int
    url: str
    title: str
    heading: str
    anchor: str
    text: str
    score: float
    language: str
    nearness: float = 0.0


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


_SLOPE, _MIDDLE, _NEARNESS = 40.0, 0.544, 0.6
_FEW_OFFSET, _FEW_TOP = 54.1, 61.9
_RIVALS = slice(3, 8)


def confidence(scores: Sequence[float], nearness: float) -> float:
    """How likely (0..1) the passages hold the answer, from each page's best score, best first, and `nearness`, the
    plain inner product of the best passage with the question.

    A logistic over the best page's lead on the fourth to eighth, nearer ones being often translations or neighbours
    that hold the answer too, and over the nearness, which alone tells what is far off. With fewer pages the nearness
    stands alone. The weight between the two is the best of seven over two documentation sites and StackFAQ, slope and
    middle are such that .30 lets nine of ten answerable questions of theirs through (docs/retrieval.md, which also has
    how little can be told apart near the domain).
    """
    if not scores:
        return 0.0
    rivals = scores[_RIVALS]
    if rivals:
        lead = scores[0] - sum(rivals) / len(rivals)
        return 1 / (1 + math.exp(-_SLOPE * (lead + _NEARNESS * nearness - _MIDDLE)))
    return 1 / (1 + math.exp(_FEW_OFFSET - _FEW_TOP * nearness))


def page_scores(ranked: Sequence[Passage]) -> list[float]:
    """The best score of each page, best first."""
    best: dict[int, float] = {}
    for passage in ranked:
        best.setdefault(passage.document_id, passage.score)
    return list(best.values())
