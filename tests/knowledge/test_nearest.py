"""A large project has an index of its own, which is used, finds what a scan finds, and goes when it is not needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from knowledge import embed, nearest
from knowledge.models import Chunk, CrawlRun, Document, Source
from tenants.workspace.models import Project
from tests.conftest import Tenants

PASSAGES = 700


@pytest.fixture
def large(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setattr(nearest, "EXACT_UP_TO", 500)
    with tenants.a.inside():
        project = Project.objects.create(key="large", name="Large")
        source = Source.objects.create(project=project, kind="text", text="x")
        run = CrawlRun.objects.create(source=source, state="done")
        page = {"source": source, "project": project, "run": run, "is_live": True}
        document = Document.objects.create(url="https://large.example/", title="Large", **page)
        vectors = np.random.default_rng(7).normal(size=(PASSAGES, 384)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        Chunk.objects.bulk_create(
            Chunk(
                document=document, project=project, position=n, text=f"passage {n}", tokens=2,
                engine=embed.engine_id(), embedding=vectors[n], is_live=True,
            )
            for n in range(PASSAGES)
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else what this test's transaction inserted is in the way
        yield project


def direction(seed: int) -> embed.Vector:
    vector = np.random.default_rng(seed).normal(size=384).astype(np.float32)
    found: embed.Vector = vector / np.linalg.norm(vector)
    return found


def found(project: Project, aim: embed.Vector) -> list[int]:
    return [row[0] for row in nearest.candidates(project.pk, aim, aim, limit=20)]


def plan(project: Project, aim: embed.Vector) -> str:
    with CaptureQueriesContext(connection) as seen:
        nearest.candidates(project.pk, aim, aim, limit=20)
    query = next(one["sql"] for one in seen.captured_queries if "<#>" in one["sql"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE knowledge_chunk")
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute("EXPLAIN " + query)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_the_index_of_a_large_project_is_used_and_finds_what_a_scan_finds(large: Project) -> None:
    aims = [direction(seed) for seed in range(20)]
    exact = [found(large, aim) for aim in aims]
    assert nearest.fit_index(large.pk)
    assert f"nearest_of_project_{large.pk}" in plan(large, aims[0])
    shares = [len(set(one) & set(found(large, aim))) / 20 for one, aim in zip(exact, aims, strict=True)]
    assert np.mean(shares) > 0.9
    assert all(len(found(large, aim)) == 20 for aim in aims)


def test_an_index_goes_when_its_project_has_shrunk(large: Project) -> None:
    assert nearest.fit_index(large.pk)
    assert nearest.fit_index(large.pk)  # and is not made twice
    Chunk.objects.filter(project=large, position__gte=240).delete()
    assert not nearest.fit_index(large.pk)
    assert not nearest.fit_index(large.pk)


def test_a_small_project_is_scanned(tenants: Tenants) -> None:
    with tenants.a.inside() as cast:
        assert not nearest.fit_index(cast.project_id)
