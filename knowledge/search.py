"""From a question to evidence: the nearest of the project's live chunks, and a little of their words.

Three things are added to the plain inner product (docs/retrieval.md has the measurements):
half of what all headings of the project have in common is taken off the question, because passages that are a little
like everything come up for everything; a passage in the question's language gains a little for shared words; and one
that holds an identifier of the question, such as an error code, gains a lot in any language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from knowledge import embed, files, nearest, postings
from knowledge.evidence import Evidence, Passage, confidence, diverse, page_scores
from knowledge.language import detect

__all__ = ["Evidence", "Passage", "search"]
_CANDIDATES = 60
_COMMON = 0.5
_WORDS = 0.1
_NAMES = 0.08


def search(project_id: int, question: str, *, vector: embed.Vector | None = None, limit: int = 6) -> Evidence:
    """The best passages of a project for a question, at most two of one page, with one confidence.

    `vector` is the question's, where the caller has it already. No content, or an empty question, is no
    evidence: confidence 0. A passage's address is absolute: a page's own, a file's on the tenant's host, or
    empty for what was written in the settings.
    """
    if vector is None:
        if not embed.make_safe(question):
            return Evidence(0.0)
        vector = embed.embed_query(question)
    ranked = _ranked(project_id, question, vector)
    sure = confidence(page_scores(ranked), ranked[0].nearness) if ranked else 0.0
    return Evidence(sure, _addressed(diverse(ranked, limit=limit)))


def _ranked(project_id: int, question: str, vector: embed.Vector) -> list[Passage]:
    common = postings.common_direction(project_id)
    aim = vector - _COMMON * common
    words = postings.by_words(project_id, question, language=detect(question))
    names = postings.by_names(project_id, question)
    rows = {row[0]: row for row in nearest.candidates(project_id, aim, vector, limit=_CANDIDATES)}
    missing = [chunk for chunk in (*words, *names) if chunk not in rows]
    rows |= {row[0]: row for row in nearest.named(project_id, missing, aim, vector)}
    # What was taken off is given back to all alike, so that a score is still about a cosine.
    level = _COMMON * float(common @ common)
    found = [
        _passage(row, level + _WORDS * words.get(row[0], 0.0) + _NAMES * names.get(row[0], 0.0))
        for row in rows.values()
    ]
    return sorted(found, key=lambda passage: (-passage.score, passage.chunk_id))


def _passage(row: Sequence[Any], more: float) -> Passage:
    # pgvector's operator is the negative inner product, so that the smallest comes first.
    return Passage(*(*row[:7], more - float(row[8]), row[7], -float(row[9])))


def _addressed(passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
    home = files.address("") if any(passage.url.startswith("/") for passage in passages) else ""
    return tuple(replace(passage, url=_address(passage.url, home)) for passage in passages)


def _address(stored: str, home: str) -> str:
    if stored.startswith("/"):
        return home + stored
    return stored if stored.startswith(("http://", "https://")) else ""
