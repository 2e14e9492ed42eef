"""Readings take turns: a large site of one business does not keep the others waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from knowledge import actions, tasks
from knowledge.crawl import work
from knowledge.crawl.work import work_off
from knowledge.models import Chunk, CrawlRun
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.knowledge.web import Web, serving

TEXT = "You can send a lamp back within thirty days of delivery, and we pay the postage for the parcel."


@pytest.fixture
def web(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Three sites of three pages; a turn is over after one."""
    monkeypatch.setattr(work, "TURN_SECONDS", 0.001)
    with serving() as server:
        settings.CRAWL_ALLOW_PRIVATE = frozenset({server.host})
        for site, n in product("abc", (1, 2, 3)):
            page = f'<main><h1>Topic {n}</h1><p>{TEXT} Case {n} of {site}.</p></main><a href="{n + 1}">x</a>'
            server.page(f"/{site}/{n if n > 1 else ''}", page)
        yield server


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> deque[tuple[str, str]]:
    """The index worker's queue: what was sent first is done first, but for what is read at once."""
    sent: deque[tuple[str, str]] = deque()
    monkeypatch.setattr(tasks.run_crawl, "delay", lambda schema, run_id: sent.appendleft(("run", schema)))
    monkeypatch.setattr(tasks.take_turn, "delay", lambda schema: sent.append(("turn", schema)))
    monkeypatch.setattr(tasks.take_turn, "apply_async", lambda args: sent.append(("turn", args[0])))
    return sent


def add(kind: str, url: str = "", text: str = "") -> CrawlRun:
    source = actions.add_source(project=Project.objects.get(), kind=kind, url=url, name="n", text=text)
    return actions.start_crawl(source=source)


def states(cast: Cast) -> list[str]:
    found: list[str] = cast.run(lambda: list(CrawlRun.objects.order_by("pk").values_list("state", flat=True)))
    return found


def test_tenants_are_read_in_turn_however_many_sources_one_has(
    fresh_tenants: Callable[[int], list[Cast]], web: Web, queue: deque[tuple[str, str]]
) -> None:
    large, small = fresh_tenants(2)
    for cast in (large, small):
        cast.run(lambda: CrawlRun.objects.all().delete())
    for site in "abc":
        large.run(add, "site", f"{web.url}/{site}/")
    small.run(add, "page", f"{web.url}/a/")
    assert list(queue) == [("turn", large.schema), ("turn", small.schema)]
    order: list[str] = []
    while queue:
        _, schema = queue.popleft()
        order.append("large" if schema == large.schema else "small")
        tasks.take_turn(schema)
    assert order[:3] == ["large", "small", "large"]
    assert (states(large), states(small)) == (["done"] * 3, ["done"])
    assert order.count("large") >= 9  # a page a turn


def test_what_somebody_typed_goes_ahead_of_everything_that_is_fetched(
    fresh_tenants: Callable[[int], list[Cast]], web: Web, queue: deque[tuple[str, str]]
) -> None:
    large, other = fresh_tenants(2)
    large.run(add, "site", f"{web.url}/a/")
    other.run(add, "faq", "", "Yes, up to twelve letters.")
    assert list(queue) == [("run", other.schema), ("turn", large.schema)]
    routes = tasks.take_turn.app.amqp.router.route
    assert [routes({}, f"knowledge.{name}").get("priority", 0) for name in ("run_crawl", "take_turn")] == [0, 6]
    assert routes({}, "knowledge.take_turn")["queue"].name == "index"


def test_the_lower_priority_number_leaves_the_broker_first() -> None:
    app = tasks.take_turn.app
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=3)
        line = broker.SimpleQueue("test-turns")
        line.clear()
        for name, priority in (("turn", 6), ("turn", 6), ("at once", 0)):
            line.put({"name": name}, priority=priority)
        found = [line.get(timeout=5) for _ in range(3)]
        for message in found:
            message.ack()
        line.close()
    assert [message.payload["name"] for message in found] == ["at once", "turn", "turn"]


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside() as cast:
        CrawlRun.objects.all().delete()
        yield cast


def project(cast: Cast) -> Project:
    return Project.objects.get(pk=cast.project_id)


def test_within_a_tenant_texts_and_then_what_waited_longest_come_first(shop: Cast, web: Web) -> None:
    sources = [
        actions.add_source(project=project(shop), kind="page", url=web.url + "/a/"),
        actions.add_source(project=project(shop), kind="page", url=web.url + "/b/"),
        actions.add_source(project=project(shop), kind="text", name="n", text="Some words."),
    ]
    runs = [actions.start_crawl(source=source) for source in sources]
    taken = [actions.claim_crawl() for _ in range(3)]
    assert [run and run.pk for run in taken] == [runs[2].pk, runs[0].pk, runs[1].pk]


def test_a_paused_reading_waits_behind_the_others_and_counts_as_no_attempt(shop: Cast, web: Web) -> None:
    long = actions.start_crawl(source=actions.add_source(project=project(shop), kind="site", url=web.url + "/a/"))
    short = actions.start_crawl(source=actions.add_source(project=project(shop), kind="page", url=web.url + "/b/"))
    for _ in range(2):
        work_off(run_id=long.pk)
    long.refresh_from_db()
    assert (long.state, long.attempts, long.lease_until, long.fetched, long.indexed) == ("queued", 0, None, 2, 2)
    assert not Chunk.objects.filter(document__run=long, is_live=True).exists()
    taken = actions.claim_crawl()
    assert taken
    assert taken.pk == short.pk


def test_a_reading_that_goes_on_remembers_how_many_pages_there_are(shop: Cast, web: Web) -> None:
    run = actions.start_crawl(source=actions.add_source(project=project(shop), kind="site", url=web.url + "/a/"))
    found = []
    while run.state not in ("done", "failed"):
        work_off(run_id=run.pk)
        run.refresh_from_db()
        found.append(run.found)
    assert (run.state, found[-1], run.fetched) == ("done", 4, 4)  # the last is a link to nowhere
    assert found == sorted(found)


def test_a_paused_reading_that_is_cancelled_leaves_no_passages(shop: Cast, web: Web) -> None:
    run = actions.start_crawl(source=actions.add_source(project=project(shop), kind="site", url=web.url + "/a/"))
    work_off(run_id=run.pk)
    assert Chunk.objects.filter(document__run=run).exists()
    assert actions.cancel_crawl(run=run).state == "cancelled"
    assert not Chunk.objects.filter(document__run=run).exists()


def test_a_reading_cancelled_in_its_last_moment_does_not_wait_again(shop: Cast, web: Web) -> None:
    run = actions.start_crawl(source=actions.add_source(project=project(shop), kind="site", url=web.url + "/a/"))
    held = actions.claim_crawl(run_id=run.pk)
    assert held
    CrawlRun.objects.filter(pk=run.pk).update(cancel_requested=True)
    work.see_through(held, seconds=0.0)
    run.refresh_from_db()
    assert (run.state, run.error) == ("cancelled", "")
