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


_OFFSET, _TOP, _MARGIN = 25.1, 25.1, 101.2
_FEW_OFFSET, _FEW_TOP = 54.1, 61.9
_RIVALS = slice(3, 8)


def confidence(scores: Sequence[float]) -> float:
    """How likely (0..1) the passages hold the answer, from each page's best score, best first.

    A logistic over the best score and its lead on the fourth to eighth page: nearer ones are often
    translations or neighbours that hold the answer too. With fewer pages the best score stands alone.
    The constants come from benchmarks/confidence.py: fitted with even odds on StackFAQ's paraphrased
    questions and on a multilingual help centre's Spanish and French titles asked of its English pages, each
    with the right page present (answer) and taken out (no answer, related pages left in). AUROC there: .89
    and .91. Nothing of the demo's content was used.
    """
    if not scores:
        return 0.0
    rivals = scores[_RIVALS]
    if rivals:
        margin = scores[0] - sum(rivals) / len(rivals)
        return 1 / (1 + math.exp(_OFFSET - _TOP * scores[0] - _MARGIN * margin))
    return 1 / (1 + math.exp(_FEW_OFFSET - _FEW_TOP * scores[0]))


def page_scores(ranked: Sequence[Passage]) -> list[float]:
    """The best score of each page, best first."""
    best: dict[int, float] = {}
    for passage in ranked:
        best.setdefault(passage.document_id, passage.score)
    return list(best.values())
