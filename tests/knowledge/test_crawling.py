"""A source added is crawled, swapped in whole, and never by two workers; the old content answers until then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from knowledge import actions, tasks
from knowledge.crawl.run import PageRead
from knowledge.crawl.store import RunStore
from knowledge.crawl.work import work_off
from knowledge.errors import FetchRefused, KnowledgeError, RunStopped
from knowledge.models import Chunk, CrawlRun, Document, Source
from knowledge.search import search
from tenants.models import Due
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.knowledge.web import Web, serving

COST = "Free: print the label that came with the parcel, hand it in at any post office, and keep the receipt."
TEXT = "You can send a lamp back within thirty days of delivery, and we pay the postage for the parcel. "


@pytest.fixture
def web(settings: object) -> Iterator[Web]:
    with serving() as server:
        settings.CRAWL_ALLOW_PRIVATE = frozenset({server.host})  # type: ignore[attr-defined]
        server.page(
            "/",
            f'<main><h1>Returns</h1><p>{TEXT}</p><h2 id="cost">Cost</h2><p>{COST}</p></main><a href="/b">b</a>',
        )
        server.page("/b", f"<main><h1>Repairs</h1><p>{TEXT.replace('send', 'bring')} Repairs take a week.</p></main>")
        yield server


@pytest.fixture
def shop(tenants: object) -> Iterator[Cast]:
    with tenants.a.inside() as cast:  # type: ignore[attr-defined]
        yield cast


def project(cast: Cast) -> Project:
    return Project.objects.get(pk=cast.project_id)


def add_and_crawl(cast: Cast, web: Web, path: str = "/") -> CrawlRun:
    source = actions.add_source(project=project(cast), kind="site", url=web.url + path)
    run = actions.start_crawl(source=source)
    work_off(run_id=run.pk)
    run.refresh_from_db()
    return run


def live_urls(source: Source) -> set[str]:
    return set(Document.objects.filter(source=source, is_live=True).values_list("url", flat=True))


def test_a_crawled_site_answers_with_headings_and_anchors(shop: Cast, web: Web) -> None:
    run = add_and_crawl(shop, web)
    assert (run.state, run.error) == ("done", "")
    assert (run.found, run.fetched, run.indexed, run.failed) == (2, 2, 2, 0)
    assert Source.objects.get(pk=run.source_id).live_run_id == run.pk
    best = search(shop.project_id, "who pays for returning a lamp?").passages[0]
    assert (best.url, best.title, best.language) == (web.url + "/", "Returns", "en")
    anchors = Chunk.objects.filter(document__run=run, heading="Cost").values_list("anchor", "is_live")
    assert list(anchors) == [("cost", True)]


def test_a_new_run_replaces_the_old_content_whole(shop: Cast, web: Web) -> None:
    first = add_and_crawl(shop, web)
    web.page("/", f"<main><h1>Returns</h1><p>{TEXT} Now forty days.</p></main>")
    run = actions.start_crawl(source=first.source)
    claimed = actions.claim_crawl(run_id=run.pk)
    assert claimed
    RunStore(claimed).keep(PageRead(web.url + "/x", "skipped", "why"), found=1)
    assert live_urls(first.source) == {web.url + "/", web.url + "/b"}
    CrawlRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    work_off()
    assert live_urls(first.source) == {web.url + "/"}
    assert not Document.objects.filter(run=first).exists()


def test_unchanged_passages_keep_their_vectors(shop: Cast, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    first = add_and_crawl(shop, web)
    before = {chunk.text: list(chunk.embedding) for chunk in Chunk.objects.filter(document__run=first)}
    monkeypatch.setattr("knowledge.embed.chunk_vector", lambda header, text: pytest.fail(f"embedded again: {text}"))
    work_off(run_id=actions.start_crawl(source=first.source).pk)
    after = Chunk.objects.filter(document__source=first.source, is_live=True)
    assert {chunk.text: list(chunk.embedding) for chunk in after} == before
    assert not after.filter(document__run=first).exists()


def test_a_run_that_reads_nothing_keeps_what_answers(shop: Cast, web: Web) -> None:
    first = add_and_crawl(shop, web)
    web.routes["/"] = (500, {}, b"")
    run = actions.start_crawl(source=first.source)
    work_off()
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "The site answered with an error (500).")
    assert live_urls(first.source) == {web.url + "/", web.url + "/b"}


def test_a_private_address_is_refused_where_it_is_fetched(shop: Cast, web: Web, settings: object) -> None:
    settings.CRAWL_ALLOW_PRIVATE = frozenset()  # type: ignore[attr-defined]
    run = add_and_crawl(shop, web)
    assert run.state == "failed"
    assert "Port" in run.error or "public" in run.error
    assert web.requests == []


def test_a_cancelled_run_ends_before_its_next_page(shop: Cast, web: Web) -> None:
    first = add_and_crawl(shop, web)
    run = actions.start_crawl(source=first.source)
    claimed = actions.claim_crawl(run_id=run.pk)
    assert claimed
    actions.cancel_crawl(run=run)
    with pytest.raises(RunStopped) as stop:
        RunStore(claimed).keep(PageRead(web.url + "/", "failed", "x"), found=1)
    actions.stop_crawl(run=claimed, error=stop.value)
    run.refresh_from_db()
    assert (run.state, run.error) == ("cancelled", "")
    assert not Document.objects.filter(run=run).exists()
    assert live_urls(first.source) == {web.url + "/", web.url + "/b"}


def test_a_page_that_cannot_be_stored_leaves_the_lease_usable(
    shop: Cast, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge.crawl.store.Chunk.objects.bulk_create", lambda rows: 1 / 0)
    run = add_and_crawl(shop, web)
    assert (run.state, run.lease_until) == ("failed", None)
    assert not Document.objects.filter(run=run).exists()


def test_a_waiting_run_is_cancelled_at_once_and_stays_so(shop: Cast, web: Web) -> None:
    source = actions.add_source(project=project(shop), kind="site", url=web.url)
    run = actions.cancel_crawl(run=actions.start_crawl(source=source))
    assert run.state == "cancelled"
    assert work_off(run_id=run.pk) == 0
    assert web.requests == []


def test_a_worker_that_lost_its_lease_writes_nothing_more(shop: Cast, web: Web) -> None:
    run = actions.start_crawl(source=actions.add_source(project=project(shop), kind="site", url=web.url))
    slow = actions.claim_crawl(run_id=run.pk)
    assert slow
    assert actions.claim_crawl(run_id=run.pk) is None
    CrawlRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    quick = actions.claim_crawl(run_id=run.pk)
    assert quick
    page = PageRead(web.url + "/late", "failed", "x")
    with pytest.raises(RunStopped):
        RunStore(slow).keep(page, found=1)
    with pytest.raises(RunStopped):
        actions.finish_crawl(run=slow)
    assert actions.stop_crawl(run=slow, error=KnowledgeError("x", "y")) is None
    assert not Document.objects.filter(run=run).exists()
    RunStore(quick).keep(page, found=1)
    assert Document.objects.filter(run=run).count() == 1


def test_a_crash_is_resumed_without_fetching_twice(shop: Cast, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    run = actions.start_crawl(source=actions.add_source(project=project(shop), kind="site", url=web.url + "/"))

    def die(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("knowledge.crawl.work.finish_crawl", die)
        with pytest.raises(KeyboardInterrupt):
            work_off(run_id=run.pk)
    assert work_off() == 0  # the lease still holds
    CrawlRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert work_off() >= 1
    run.refresh_from_db()
    assert (run.state, run.indexed) == ("done", 2)
    assert web.paths().count("/") == web.paths().count("/b") == 1


def test_a_bug_of_ours_ends_the_run_instead_of_repeating_it(
    shop: Cast, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge.crawl.store.cut", lambda *args: 1 / 0)
    run = add_and_crawl(shop, web)
    assert (run.state, run.error) == ("failed", "Something went wrong on our side.")


def test_starting_twice_is_one_run_and_one_note_for_the_sweep(shop: Cast, web: Web) -> None:
    source = actions.add_source(project=project(shop), kind="site", url=web.url)
    assert actions.add_source(project=project(shop), kind="site", url=web.url).pk == source.pk
    assert actions.start_crawl(source=source).pk == actions.start_crawl(source=source).pk
    assert run_in(PUBLIC, Due.objects.filter(schema=shop.schema, kind="crawl").count) == 1


def test_sources_without_a_usable_address_or_text_are_refused(shop: Cast) -> None:
    before = Source.objects.count()
    for url in ("ftp://a.example/", "not a url", "http://user:pw@a.example/"):
        with pytest.raises(FetchRefused):
            actions.add_source(project=project(shop), kind="site", url=url)
    with pytest.raises(KnowledgeError):
        actions.add_source(project=project(shop), kind="faq", name="Why?", text="  ")
    assert Source.objects.count() == before


def test_a_written_answer_is_found(shop: Cast) -> None:
    source = actions.add_source(
        project=project(shop), kind="faq", name="Do you engrave lamps?", text="Yes, up to twelve letters."
    )
    work_off(run_id=actions.start_crawl(source=source).pk)
    best = search(shop.project_id, "can I get my lamp engraved?").passages[0]
    assert (best.title, best.text) == ("Do you engrave lamps?", "Yes, up to twelve letters.")


def test_a_removed_source_stops_answering(shop: Cast, web: Web) -> None:
    run = add_and_crawl(shop, web)
    actions.remove_source(source=run.source)
    assert web.url not in {passage.url for passage in search(shop.project_id, "returns").passages}
    assert not Chunk.objects.filter(document__url__startswith=web.url).exists()


def test_many_workers_take_a_run_once(fresh_tenant: Cast) -> None:
    def queue() -> int:
        source = actions.add_source(project=project(fresh_tenant), kind="text", name="n", text="t")
        return actions.start_crawl(source=source).pk

    run_id = fresh_tenant.run(queue)
    barrier, winners = Barrier(6), list[int]()

    def take() -> None:
        barrier.wait()
        run = fresh_tenant.run(actions.claim_crawl, run_id=run_id)
        if run:
            winners.append(run.pk)
        connection.close()

    threads = [Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert winners == [run_id]


def test_the_task_reads_the_run_of_its_own_tenant(fresh_tenants: Callable[[int], list[Cast]], web: Web) -> None:
    mine, other = fresh_tenants(2)

    def queue() -> int:
        source = actions.add_source(project=project(mine), kind="site", url=web.url + "/")
        return actions.start_crawl(source=source).pk

    run_id = mine.run(queue)
    tasks.run_crawl(other.schema, run_id)
    assert web.requests == []
    tasks.sweep_crawls(mine.schema)
    run = mine.run(CrawlRun.objects.get, pk=run_id)
    assert (run.state, run.indexed) == ("done", 2)
    tasks.run_crawl(mine.schema, run_id)  # twice does no harm
    assert web.paths().count("/b") == 1


def test_a_queued_run_wakes_its_task_once_committed(fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(tasks.run_crawl, "delay", lambda *ids: sent.append(ids))

    def queue() -> int:
        source = actions.add_source(project=project(fresh_tenant), kind="text", name="n", text="Some words.")
        with transaction.atomic():
            run = actions.start_crawl(source=source)
            assert sent == []
        return run.pk

    run_id = fresh_tenant.run(queue)
    assert sent == [(fresh_tenant.schema, run_id)]
