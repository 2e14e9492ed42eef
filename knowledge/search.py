"""From a question to evidence: an exact scan over the project's live chunks."""

from __future__ import annotations

from dataclasses import replace

from pgvector.django import MaxInnerProduct

from knowledge import embed, files
from knowledge.evidence import Evidence, Passage, confidence, diverse, page_scores
from knowledge.models import Chunk

__all__ = ["Evidence", "Passage", "search"]
_CANDIDATES = 60


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
    # Only vectors of the question's own space mean anything beside it. pgvector's operator is the negative inner
    # product, so that the smallest comes first.
    rows = (
        Chunk.objects.filter(project_id=project_id, is_live=True, engine__endswith=f"/{embed.SPACE}")
        .annotate(distance=MaxInnerProduct("embedding", vector))
        .order_by("distance", "pk")
        .values_list(
            "pk", "document_id", "document__url", "document__title", "heading", "anchor", "text", "distance", "language"
        )[:_CANDIDATES]
    )
    ranked = [Passage(*row[:7], score=-float(row[7]), language=row[8]) for row in rows]
    return Evidence(confidence(page_scores(ranked)), _addressed(diverse(ranked, limit=limit)))


def _addressed(passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
    home = files.address("") if any(passage.url.startswith("/") for passage in passages) else ""
    return tuple(replace(passage, url=_address(passage.url, home)) for passage in passages)


def _address(stored: str, home: str) -> str:
    if stored.startswith("/"):
        return home + stored
    return stored if stored.startswith(("http://", "https://")) else ""
