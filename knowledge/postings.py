"""The words of a project's pages: an inverted index in Postgres, BM25 over it, and what all headings have in common.

BM25 as Robertson and Zaragoza give it (The Probabilistic Relevance Framework, 2009), k1 1.2 and b .75, with Lucene's
never negative idf; a passage's length is its tokens.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import F, Q

from knowledge import embed, lexical, nearest
from knowledge.chunks import header
from knowledge.models import Chunk, PostingList, Source, WordIndex

_RECIPE = 1  # rises with every change of what `lexical.terms` makes of a text
_MOST_TERMS = 160  # of a question; its rarest parts are not known before, so they are the first ones
_MOST_FOUND = 40
_FEW = 8.0  # so many headings weigh as much as knowing none
_COMMON_SHARE = 0.3  # an identifier in more of the passages than that names nothing


def index_words(source: Source) -> None:
    """Index what of a source answers now, in place of what was indexed before. Nothing waits for it: until it is
    there, a page is found by its meaning alone."""
    chunks = list(
        Chunk.objects.filter(document__source=source, is_live=True).annotate(title=F("document__title")).order_by("pk")
    )
    found: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    headings: set[str] = set()
    for chunk in chunks:
        heading = header(chunk.title, chunk.heading)
        headings.add(heading)
        for term, count in lexical.terms(f"{heading}\n{chunk.text}").items():
            keys, counts = found[term]
            keys.append(chunk.pk)
            counts.append(min(count, 32000))
    vectors = [embed.embed_passage(heading) for heading in headings if heading.strip()]
    total = np.sum(vectors, axis=0, dtype=np.float32) if vectors else np.zeros(embed.DIMENSIONS, dtype=np.float32)
    with transaction.atomic():
        held = Source.objects.select_for_update(no_key=True).filter(pk=source.pk, live_run=source.live_run_id).first()
        if held is None:
            return  # another reading has ended meanwhile, and indexes its own
        PostingList.objects.filter(source=held).delete()
        lists = [
            PostingList(source=held, project_id=held.project_id, term=t, chunks=c, counts=n)
            for t, (c, n) in found.items()
        ]
        PostingList.objects.bulk_create(lists, batch_size=2000)
        values = {"project_id": held.project_id, "run_id": held.live_run_id, "recipe": recipe()}
        WordIndex.objects.update_or_create(
            source=held, defaults={**values, "headings": len(vectors), "heading_sum": total}
        )


def index_what_waits() -> None:
    """Index each source whose content, or whose way of being indexed, is newer than its index, and what is large for
    nearness too."""
    current = Q(word_index__run_id=F("live_run_id"), word_index__recipe=recipe())
    waiting = list(Source.objects.exclude(live_run=None).exclude(current).order_by("pk"))
    for source in waiting:
        index_words(source)
    for project_id in {source.project_id for source in waiting}:
        nearest.fit_index(project_id)


def recipe() -> str:
    """How an index is made; another one is out of date."""
    return f"{_RECIPE}/{embed.SPACE}"


def common_direction(project_id: int) -> embed.Vector:
    """What all headings of a project have in common, shape (384,): their mean vector, drawn towards nothing where
    they are few."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(headings), sum(heading_sum)::text FROM knowledge_wordindex WHERE project_id = %s", [project_id]
        )
        count, total = cursor.fetchone()
    if not count:
        return np.zeros(embed.DIMENSIONS, dtype=np.float32)
    mean: embed.Vector = (np.array(total.strip("[]").split(","), dtype=np.float32) / (count + _FEW)).astype(np.float32)
    return mean


_BM25 = """
WITH asked AS (SELECT unnest(%(terms)s::int[]) AS term),
corpus AS (
    SELECT count(*)::float8 AS size, greatest(avg(tokens), 1)::float8 AS length
    FROM knowledge_chunk WHERE project_id = %(project)s AND is_live
),
hits AS (
    SELECT list.term, place.chunk, place.times::float8
    FROM knowledge_postinglist AS list
    JOIN asked USING (term), LATERAL unnest(list.chunks, list.counts) AS place(chunk, times)
    WHERE list.project_id = %(project)s
),
spread AS (SELECT term, count(*)::float8 AS passages FROM hits GROUP BY term),
rarity AS (
    SELECT asked.term, ln(1 + (greatest(size - coalesce(passages, 0), 0) + .5) / (coalesce(passages, 0) + .5)) AS idf
    FROM asked CROSS JOIN corpus LEFT JOIN spread USING (term)
)
SELECT chunk, sum(idf * times * 2.2 / (times + 1.2 * (.25 + .75 * kept.tokens / length)))
    / (SELECT 2.2 * sum(idf) FROM rarity) AS score
FROM hits JOIN rarity USING (term) CROSS JOIN corpus
JOIN knowledge_chunk AS kept ON kept.id = chunk AND kept.is_live
WHERE %(language)s = '' OR kept.language IN ('', %(language)s)
GROUP BY chunk ORDER BY score DESC, chunk LIMIT %(most)s
"""
_NAMES = """
WITH hits AS (
    SELECT list.term, place.chunk
    FROM knowledge_postinglist AS list, LATERAL unnest(list.chunks) AS place(chunk)
    WHERE list.project_id = %(project)s AND list.term = ANY(%(terms)s::int[])
),
known AS (
    SELECT term FROM hits GROUP BY term HAVING count(*) <= greatest(3, %(share)s * (
        SELECT count(*) FROM knowledge_chunk WHERE project_id = %(project)s AND is_live
    ))
)
SELECT chunk, count(DISTINCT term)::float8 / (SELECT count(*) FROM known) AS score
FROM hits JOIN known USING (term) JOIN knowledge_chunk AS kept ON kept.id = chunk AND kept.is_live
GROUP BY chunk ORDER BY score DESC, chunk LIMIT %(most)s
"""


def by_words(project_id: int, question: str, *, language: str) -> dict[int, float]:
    """The passages that share words with a question, with how much of what could be matched is, 0 to about 1: BM25
    over the best that a passage could have. Only passages in the question's language, if it is known."""
    asked = lexical.prose_terms(question)[:_MOST_TERMS]
    return _found(_BM25, {"project": project_id, "terms": asked, "language": language}) if asked else {}


def by_names(project_id: int, question: str) -> dict[int, float]:
    """The passages that hold identifiers of a question, in any language, with the share of those that are known."""
    asked = lexical.identifier_terms(question)[:_MOST_TERMS]
    return _found(_NAMES, {"project": project_id, "terms": asked, "share": _COMMON_SHARE}) if asked else {}


def _found(query: str, values: dict[str, Any]) -> dict[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(query, {**values, "most": _MOST_FOUND})
        return {int(chunk): float(score) for chunk, score in cursor.fetchall()}
