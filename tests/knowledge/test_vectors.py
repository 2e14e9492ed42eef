"""Vectors of another engine are renewed in the background, while the old ones answer, a project at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from django.utils import timezone

from builtabot import wiring
from knowledge import actions, embed, vectors
from knowledge.chunks import header
from knowledge.crawl.work import work_off
from knowledge.models import Chunk, CrawlRun, Document, RenewedVector, Source
from knowledge.search import search
from tenants import due
from tenants.models import Due
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants

OLD = f"older-engine-1/{embed.SPACE}"
FOREIGN = "another-model/another-space"


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside() as cast:
        Chunk.objects.all().delete()
        run_in(PUBLIC, lambda: Due.objects.all().delete())
        yield cast


def page(key: str, texts: int, *, engine: str = OLD, title: str = "Returns", is_live: bool = True) -> Project:
    """A page of a project, whose passages have each a vector that no engine makes."""
    project, _ = Project.objects.get_or_create(key=key, defaults={"name": key})
    source = Source.objects.create(project=project, kind="text", text="x")
    run = CrawlRun.objects.create(source=source, state="done", finished_at=timezone.now())
    document = Document.objects.create(
        source=source, project=project, run=run, url=f"text:{source.pk}", title=title, is_live=is_live
    )
    for number in range(texts):
        made = np.eye(embed.DIMENSIONS)[number % 9]
        Chunk.objects.create(
            document=document, project=project, position=number, heading="Lamps", is_live=is_live,
            text=f"A lamp of kind {number} may come back.", tokens=9, engine=engine, embedding=made,
        )  # fmt: skip
    return project


def is_renewed(chunk: Chunk) -> bool:
    wanted = embed.chunk_vector(header(chunk.document.title, chunk.heading), chunk.text)
    return bool(chunk.engine == embed.engine_id() and np.allclose(chunk.embedding, wanted, atol=1e-6))


def is_due(cast: Cast) -> bool:
    return bool(run_in(PUBLIC, lambda: Due.objects.filter(schema=cast.schema, kind=vectors.VECTORS).exists()))


def test_every_live_vector_is_made_anew_and_nothing_is_left_aside(shop: Cast) -> None:
    one, other = page("one", 3), page("other", 2)
    page("one", 2, is_live=False)
    assert vectors.renew_vectors() == 5
    assert all(is_renewed(chunk) for chunk in Chunk.objects.filter(is_live=True, project__in=[one, other]))
    assert set(Chunk.objects.filter(is_live=False).values_list("engine", flat=True)) == {OLD}
    assert not RenewedVector.objects.exists()
    assert vectors.renew_vectors() == 0
    assert not is_due(shop)


def test_the_old_vectors_answer_until_the_last_new_one_is_there(shop: Cast) -> None:
    project = page("one", vectors._BATCH + 4)
    before = dict(Chunk.objects.values_list("pk", "embedding"))
    assert vectors.renew_vectors(seconds=0) == vectors._BATCH
    assert RenewedVector.objects.count() == vectors._BATCH
    assert is_due(shop)
    now = dict(Chunk.objects.values_list("pk", "embedding"))
    assert all(np.array_equal(now[key], before[key]) for key in before)
    assert search(project.pk, "may a lamp come back?").passages
    assert not vectors.swap(project_id=project.pk)
    assert vectors.renew_vectors() == 4
    assert all(is_renewed(chunk) for chunk in Chunk.objects.all())


def test_a_passage_that_a_reading_has_removed_meanwhile_is_forgotten(
    shop: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    page("one", 3)
    made = embed.chunk_vector

    def and_then_it_goes(title: str, text: str) -> embed.Vector:
        Chunk.objects.filter(position=1).delete()
        return made(title, text)

    monkeypatch.setattr(embed, "chunk_vector", and_then_it_goes)
    assert vectors.renew_vectors() == 2
    monkeypatch.undo()
    assert [is_renewed(chunk) for chunk in Chunk.objects.all()] == [True, True]


def test_a_new_vector_of_yet_another_engine_is_not_used(shop: Cast) -> None:
    page("one", 1)
    chunk = Chunk.objects.get()
    RenewedVector.objects.create(chunk=chunk, engine="older-engine-2/x", embedding=np.eye(embed.DIMENSIONS)[0])
    assert vectors.renew_vectors() == 1
    assert is_renewed(Chunk.objects.get())


def test_a_machine_that_fell_back_renews_nothing(shop: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    page("one", 2)
    monkeypatch.setattr(embed, "engine_in_use", lambda: "fallback/" + embed.SPACE)
    assert vectors.renew_vectors() == 0
    assert set(Chunk.objects.values_list("engine", flat=True)) == {OLD}
    assert not RenewedVector.objects.exists()


def test_a_question_is_compared_only_with_vectors_of_its_own_space(shop: Cast) -> None:
    project = page("one", 2, engine=FOREIGN)
    assert search(project.pk, "may a lamp come back?").passages == ()
    vectors.renew_vectors()
    assert search(project.pk, "may a lamp come back?").passages


def test_a_reading_that_carries_old_vectors_over_has_them_renewed(shop: Cast) -> None:
    project = page("one", 1)
    source = actions.add_source(project=project, kind="faq", name="Lamps?", text="They come back.")
    run = actions.start_crawl(source=source)
    assert not is_due(shop)
    work_off(run_id=run.pk)
    assert is_due(shop)
    run_in(PUBLIC, lambda: Due.objects.all().delete())
    vectors.renew_vectors()
    run = actions.start_crawl(source=source)
    work_off(run_id=run.pk)
    assert not is_due(shop)


def test_a_new_version_looks_at_every_tenant(tenants: Tenants) -> None:
    late = timezone.now()
    with tenants.b.inside():
        due.note(vectors.VECTORS, late.replace(year=2020))
    due.note_everywhere(vectors.VECTORS, late)
    noted = dict(Due.objects.filter(kind=vectors.VECTORS).values_list("schema", "at"))
    assert {cast.schema for cast in tenants} <= set(noted)
    assert PUBLIC not in noted
    assert noted[tenants.a.schema] == late
    assert noted[tenants.b.schema].year == 2020
    wiring.bind()
    assert due.task_for(vectors.VECTORS) == "knowledge.renew_vectors"
