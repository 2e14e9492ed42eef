"""The passages nearest to a direction: an exact scan, and for a large project an index of its own.

An index over all projects of a table with a filter on one gives half of the rows that are asked for. So each project
above EXACT_UP_TO passages has one for itself alone; what it finds is scored exactly like everything else.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from pgvector.django import MaxInnerProduct

from knowledge import embed
from knowledge.models import Chunk
from tenants.patience import take_time

EXACT_UP_TO = 10_000  # passages; an exact scan of so many takes about 20 ms
_SEARCHED = 200  # candidates that the index looks at before it stops
FIELDS = ("pk", "document_id", "document__url", "document__title", "heading", "anchor", "text", "language")


def candidates(project_id: int, aim: embed.Vector, vector: embed.Vector, *, limit: int) -> list[Any]:
    """The passages with the largest inner product with `aim`: FIELDS, minus that product, and minus the one with
    `vector`, as pgvector gives them. The smallest come first."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL hnsw.ef_search = {_SEARCHED:d}; SET LOCAL hnsw.iterative_scan = strict_order")
        rows: QuerySet[Any, Any] = _scored(project_id, aim, vector)
        return list(rows.order_by("distance")[:limit])


def named(project_id: int, chunks: list[int], aim: embed.Vector, vector: embed.Vector) -> list[Any]:
    """The same of certain passages."""
    return list(_scored(project_id, aim, vector).filter(pk__in=chunks)) if chunks else []


def _scored(project_id: int, aim: embed.Vector, vector: embed.Vector) -> QuerySet[Any, Any]:
    # Only vectors of the question's own space mean anything beside it.
    return (
        Chunk.objects.filter(project_id=project_id, is_live=True, engine__endswith=f"/{embed.SPACE}")
        .annotate(distance=MaxInnerProduct("embedding", aim), apart=MaxInnerProduct("embedding", vector))
        .values_list(*FIELDS, "distance", "apart")
    )


def fit_index(project_id: int) -> bool:
    """Make a project's own index when it has grown above the bound, drop it when it is well below; whether it has one.

    Building one holds up writes to the tenant's passages, not reads, for about a second per thousand.
    """
    name = f"nearest_of_project_{project_id:d}"
    with transaction.atomic(), connection.cursor() as cursor:
        take_time()
        cursor.execute("SELECT to_regclass(%s)", [name])
        has_one = cursor.fetchone()[0] is not None
        passages = Chunk.objects.filter(project_id=project_id, is_live=True).count()
        if not has_one and passages > EXACT_UP_TO:
            cursor.execute(
                f"CREATE INDEX {name} ON knowledge_chunk USING hnsw (embedding vector_ip_ops)"
                f" WHERE project_id = {project_id:d} AND is_live"
            )
        elif has_one and passages < EXACT_UP_TO // 2:
            cursor.execute(f"DROP INDEX {name}")
            return False
        return has_one or passages > EXACT_UP_TO
