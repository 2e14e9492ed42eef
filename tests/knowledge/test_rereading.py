"""What a later reading may take away: not what could not be read, nor what was changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from knowledge import actions, uploads
from knowledge.crawl import work
from knowledge.crawl.store import RunStore
from knowledge.crawl.work import see_through, work_off
from knowledge.errors import KnowledgeError
from knowledge.models import Chunk, CrawlRun, Document, Source
from knowledge.search import search
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.knowledge.web import Answer, Web, serving

TEXT = "You can send a lamp back within thirty days of delivery, and we pay the postage for the parcel."
DOWN: Answer = (503, {"Retry-After": "0"}, b"down for maintenance")


@pytest.fixture
def web(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A site of four pages: the start leads to three."""
    monkeypatch.setattr("knowledge.crawl.run._RETRY_SECONDS", 0.0)
    with serving() as server:
        settings.CRAWL_ALLOW_PRIVATE = frozenset({server.host})
        links = "".join(f'<a href="/p{n}">x</a>' for n in (1, 2, 3))
        server.page("/", f"<main><h1>Returns</h1><p>{TEXT}</p></main>{links}")
        for n in (1, 2, 3):
            server.page(f"/p{n}", f"<main><h1>Topic {n}</h1><p>{TEXT} Case number {n}.</p></main>")
        yield server


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside() as cast:
        yield cast


def site(cast: Cast, web: Web) -> Source:
    project = Project.objects.get(pk=cast.project_id)
    source = actions.add_source(project=project, kind="site", url=web.url + "/")
    assert read(source).state == "done"
    return source


def read(source: Source) -> CrawlRun:
    run = actions.start_crawl(source=source)
    work_off(run_id=run.pk)
    run.refresh_from_db()
    return run


def live(source: Source, web: Web) -> set[str]:
    urls = Document.objects.filter(source=source, is_live=True).values_list("url", flat=True)
    return {url.removeprefix(web.url) for url in urls}


def answers(source: Source) -> list[str]:
    return list(Chunk.objects.filter(document__source=source, is_live=True).values_list("text", flat=True))


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_pages_that_cannot_be_read_tonight_go_on_answering(shop: Cast, web: Web, status: int) -> None:
    source = site(shop, web)
    first = source.runs.get()
    for n in (1, 2):
        web.routes[f"/p{n}"] = (status, {"Retry-After": "0"}, b"")
    run = read(source)
    assert (run.state, run.indexed, run.failed) == ("done", 4, 2)
    assert run.error == "2 pages could not be read now. What was read before still answers."
    assert live(source, web) == {"/", "/p1", "/p2", "/p3"}
    best = search(shop.project_id, "Topic 1, case number 1").passages[0]
    assert best.url == web.url + "/p1"
    page = Document.objects.get(run=run, url=web.url + "/p1")
    assert (page.state, page.is_live) == ("ok", True)
    assert page.error.endswith(f"({status}). What was read before still answers.")
    assert not Document.objects.filter(run=first).exists()


def test_a_page_that_answers_nothing_at_all_goes_on_answering_here(shop: Cast, web: Web) -> None:
    source = site(shop, web)
    web.routes["/p1"] = (200, {"Content-Length": "100000"}, b"broken off")
    assert read(source).state == "done"
    assert live(source, web) == {"/", "/p1", "/p2", "/p3"}


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_stops_answering_at_once(shop: Cast, web: Web, status: int) -> None:
    source = site(shop, web)
    web.routes["/p1"] = (status, {}, b"")
    run = read(source)
    assert (run.state, run.error) == ("done", "")
    assert live(source, web) == {"/", "/p2", "/p3"}


def test_a_page_that_comes_back_is_read_anew(shop: Cast, web: Web) -> None:
    source = site(shop, web)
    page, web.routes["/p1"] = web.routes["/p1"], DOWN
    read(source)
    web.routes["/p1"] = page
    run = read(source)
    assert (run.state, run.error, run.failed) == ("done", "", 0)
    assert not Document.objects.filter(source=source).exclude(error="").exists()


def test_a_page_that_was_away_for_two_weeks_is_given_up(shop: Cast, web: Web) -> None:
    source = site(shop, web)
    web.routes["/p1"] = DOWN
    long_ago = timezone.now() - actions.CARRY
    Document.objects.filter(source=source, url__endswith="/p1").update(fetched_at=long_ago + timedelta(hours=1))
    read(source)
    assert "/p1" in live(source, web)
    Document.objects.filter(source=source, url__endswith="/p1").update(fetched_at=long_ago)
    run = read(source)
    assert (run.state, run.error) == ("done", "")
    assert live(source, web) == {"/", "/p2", "/p3"}


def test_a_text_changed_while_it_is_read_is_read_again(shop: Cast) -> None:
    project = Project.objects.get(pk=shop.project_id)
    source = actions.add_source(project=project, kind="faq", name="How long is the warranty?", text="Two years.")
    held = actions.claim_crawl(run_id=actions.start_crawl(source=source).pk)
    assert held
    actions.change_source(source=source, name=source.name, text="Five years.")
    assert actions.start_crawl(source=source).pk == held.pk
    see_through(held)
    assert answers(source) == ["Two years."]
    work_off()
    assert answers(source) == ["Five years."]
    assert not source.runs.filter(state__in=["queued", "running"]).exists()


def test_a_file_replaced_while_it_is_read_is_read_again(shop: Cast) -> None:
    project = Project.objects.get(pk=shop.project_id)
    old = ContentFile(b"The old price is ten dollars for every lamp.")
    source = uploads.add_file(project=project, content=old, file_name="a.txt")
    held = actions.claim_crawl(run_id=actions.start_crawl(source=source).pk)
    assert held
    page = work._uploaded(held.source)
    new = ContentFile(b"The new price is twelve dollars for every lamp.")
    uploads.replace_file(source=source, content=new, file_name="b.txt")
    actions.start_crawl(source=source)
    RunStore(held).keep(page, found=1)
    actions.finish_crawl(run=held)
    work_off()
    assert answers(source) == ["The new price is twelve dollars for every lamp."]
    assert list(source.files.values_list("name", flat=True)) == ["b.txt"]


def test_a_text_repaired_while_its_reading_fails_is_read(shop: Cast) -> None:
    project = Project.objects.get(pk=shop.project_id)
    source = actions.add_source(project=project, kind="text", name="Warranty", text="\u200b")
    held = actions.claim_crawl(run_id=actions.start_crawl(source=source).pk)
    assert held
    actions.change_source(source=source, name=source.name, text="Five years.")
    actions.stop_crawl(run=held, error=KnowledgeError("x", "y"))
    work_off()
    assert answers(source) == ["Five years."]


def test_a_source_removed_while_it_is_read_ends_the_reading_quietly(
    shop: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    project = Project.objects.get(pk=shop.project_id)
    source = actions.add_source(project=project, kind="faq", name="Why?", text="An answer of some length.")
    held = actions.claim_crawl(run_id=actions.start_crawl(source=source).pk)
    assert held
    actions.remove_source(source=Source.objects.get(pk=source.pk))
    see_through(held)
    assert not Document.objects.filter(source=source.pk).exists()
    assert "broke" not in caplog.text


def test_a_reading_whose_workers_die_is_given_up_after_three(shop: Cast, web: Web) -> None:
    source = site(shop, web)
    run = actions.start_crawl(source=source)
    taken = 0
    while actions.claim_crawl(run_id=run.pk):
        taken += 1
        CrawlRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    run.refresh_from_db()
    assert (taken, run.state) == (actions.MOST_ATTEMPTS, "failed")
    assert run.error == "The reading broke off 3 times, and was given up."
    assert live(source, web) == {"/", "/p1", "/p2", "/p3"}


def test_a_reading_that_is_given_up_lets_the_next_one_be_taken(shop: Cast) -> None:
    project = Project.objects.get(pk=shop.project_id)
    bad, good = (
        actions.start_crawl(source=actions.add_source(project=project, kind="text", name=name, text="Some words."))
        for name in ("bad", "good")
    )
    dead = timezone.now() - timedelta(seconds=1)
    CrawlRun.objects.filter(pk=bad.pk).update(state="running", lease_until=dead, attempts=actions.MOST_ATTEMPTS)
    taken = actions.claim_crawl()
    assert taken
    assert taken.pk == good.pk
