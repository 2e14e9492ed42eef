"""`crawl`: an address becomes a source that is read by the worker, and somebody may watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from knowledge import actions, tasks
from knowledge.crawl.work import work_off
from knowledge.management.commands import crawl
from knowledge.models import CrawlRun, Source
from knowledge.search import search
from tenants.models import Heartbeat, Plan
from tenants.workspace.models import AuditEntry, Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.knowledge.asking import KEY, PAGES, run
from tests.knowledge.web import Web, serving

NO_WORKER = "No worker of the queue `index` is running: nothing is read until one starts. Still waiting."


class Clock:
    """Time passes by being slept; `events` happen when that long has been slept."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: dict[float, Callable[[], object]] = {}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if event := self.events.pop(self.now, None):
            event()
        assert self.now < 300, "nobody would wait that long"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(crawl, "sleep", clock.sleep)
    monkeypatch.setattr(crawl, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def web(settings: Any) -> Iterator[Web]:
    with serving() as server:
        settings.CRAWL_ALLOW_PRIVATE = frozenset({server.host})
        for path, (title, html) in PAGES.items():
            server.page(path, f"<main><h1>{title}</h1>{html}</main>")
        yield server


@pytest.fixture
def shop(tenants: Tenants) -> Cast:
    """Tenant a, whose index worker lives."""
    Heartbeat.objects.update_or_create(name="index", defaults={"at": timezone.now() + timedelta(hours=1)})
    return tenants.a


def sources(cast: Cast) -> list[tuple[str, str, str]]:
    own = Source.objects.exclude(pk=cast.source_id).order_by("pk").values_list("project__key", "kind", "url")
    found: list[tuple[str, str, str]] = cast.run(lambda: list(own))
    return found


def test_a_new_key_becomes_a_project_whose_address_waits_to_be_read(
    shop: Cast, web: Web, on_commit: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(tasks.take_turn, "delay", sent.append)
    with on_commit():
        said = run("crawl", f"{web.url}/help/", "--json", host=shop.host, project="help-centre")
    counts = said.json
    assert (said.code, counts["state"], counts["found"], counts["pages"]) == (0, "queued", 0, 0)
    assert sources(shop) == [("help-centre", "site", f"{web.url}/help/")]
    assert sent == [shop.schema]
    assert web.requests == []
    project = shop.run(Project.objects.get, key="help-centre")
    noted = shop.run(AuditEntry.objects.get, verb="project.added")
    assert (project.name, noted.actor, noted.subject) == ("Help centre", "manage.py crawl", "Help centre")


def test_watched_to_its_end_it_tells_its_progress_and_counts(shop: Cast, web: Web, clock: Clock) -> None:
    clock.events[3.0] = work_off
    said = run("crawl", f"{web.url}/help/", "--wait", "--json", host=shop.host)
    counts = said.json
    assert said.code == 0
    told = {name: counts[name] for name in ("state", "found", "fetched", "indexed", "failed", "pages", "error")}
    assert told == {"state": "done", "found": 5, "fetched": 5, "indexed": 4, "failed": 0, "pages": 4, "error": ""}
    assert (counts["seconds"], counts["passages"] >= 4) == (3.0, True)
    assert said.err.splitlines() == [
        "Waiting: found 0, fetched 0, indexed 0, failed 0",
        "Done: found 5, fetched 5, indexed 4, failed 0",
    ]
    with shop.inside():
        project = Project.objects.get(key=KEY)
        assert search(project.pk, "How long may I send a lamp back?").passages[0].url == f"{web.url}/help/returns"


def test_the_same_address_again_is_read_again_and_a_reading_under_way_is_joined(
    shop: Cast, web: Web, clock: Clock
) -> None:
    url = f"{web.url}/help/"
    waiting = run("crawl", url, "--json", host=shop.host).json
    clock.events[1.0] = work_off
    watched = run("crawl", url, "--wait", "--json", host=shop.host).json
    assert (watched["run"], watched["source"], watched["state"]) == (waiting["run"], waiting["source"], "done")
    web.page("/help/bulbs", "<main><h1>Bulbs</h1><p>Any bulb with an E14 socket will do.</p></main>")
    clock.events[2.0] = work_off
    again = run("crawl", url, "--wait", host=shop.host)
    assert sources(shop) == [(KEY, "site", url)]
    assert again.out.startswith(f"{url} is done: found 5, fetched 5, indexed 4, failed 0. 4 pages in ")
    newest = shop.run(lambda: CrawlRun.objects.order_by("-pk")[0].pk)
    assert newest != waiting["run"]


def test_an_existing_project_gets_another_source(shop: Cast, web: Web) -> None:
    run("crawl", f"{web.url}/help/sitemap.xml", host=shop.host, project=shop.project_key)
    run("crawl", f"{web.url}/help/bulbs", "--kind", "page", host=shop.host, project=shop.project_key)
    assert {key for key, _, _ in sources(shop)} == {shop.project_key}
    assert [kind for _, kind, _ in sources(shop)] == ["sitemap", "page"]


def test_a_private_host_that_is_not_on_the_workers_list_ends_with_its_reason(
    shop: Cast, web: Web, clock: Clock, settings: Any
) -> None:
    settings.CRAWL_ALLOW_PRIVATE = frozenset()
    clock.events[1.0] = work_off
    said = run("crawl", f"{web.url}/help/", "--wait", "--json", host=shop.host)
    assert (said.code, said.json["state"]) == (1, "failed")
    assert said.json["error"] == f"Port {web.port} is not fetched (80, 443, 8080, 8443 are)."
    assert web.requests == []


def test_without_a_worker_it_says_so_and_waits_on(shop: Cast, web: Web, clock: Clock) -> None:
    Heartbeat.objects.filter(name="index").update(at=timezone.now() - timedelta(minutes=1))
    clock.events[75.0] = work_off
    said = run("crawl", f"{web.url}/help/", "--wait", host=shop.host)
    assert said.err.splitlines()[1:-1] == [NO_WORKER, NO_WORKER]
    assert said.code == 0


def test_behind_others_it_says_what_it_waits_for_and_at_once_when_the_worker_has_died(
    shop: Cast, web: Web, clock: Clock
) -> None:
    def die() -> None:
        Heartbeat.objects.filter(name="index").update(at=timezone.now() - timedelta(minutes=1))

    clock.events = {20.0: die, 25.0: work_off}
    said = run("crawl", f"{web.url}/help/", "--wait", host=shop.host)
    reasons = ["The worker has not come to it yet. Still waiting.", NO_WORKER]
    assert said.err.splitlines()[1:-1] == reasons


def test_interrupted_it_leaves_the_reading_to_go_on(shop: Cast, web: Web, clock: Clock) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.events[2.0] = interrupt
    said = run("crawl", f"{web.url}/help/", "--wait", host=shop.host)
    assert (said.code, said.out) == (130, "")
    assert "the reading goes on" in said.err
    run_now = shop.run(lambda: CrawlRun.objects.order_by("-pk")[0])
    assert (run_now.state, run_now.cancel_requested) == ("queued", False)


def test_a_cancelled_reading_and_a_removed_source_end_the_watch(shop: Cast, web: Web, clock: Clock) -> None:
    def newest() -> CrawlRun:
        return CrawlRun.objects.select_related("source").order_by("-pk")[0]

    clock.events[1.0] = lambda: actions.cancel_crawl(run=newest())
    cancelled = run("crawl", f"{web.url}/help/", "--wait", "--json", host=shop.host)
    assert (cancelled.code, cancelled.json["state"]) == (1, "cancelled")
    clock.events[2.0] = lambda: actions.remove_source(source=newest().source)
    with pytest.raises(CommandError, match="^source_removed: "):
        run("crawl", f"{web.url}/help/", "--wait", host=shop.host)


@pytest.mark.parametrize(
    ("url", "key", "code"),
    [
        ("help.shop.example", "new", "url_invalid"),
        ("ftp://help.shop.example/", "new", "url_invalid"),
        ("https://help.shop.example/", "no key", "project_key_refused"),
        ("https://help.shop.example/", "x" * 61, "project_key_refused"),
        ("https://help.shop.example/", "", "project_key_refused"),
    ],
)
def test_a_refusal_leaves_nothing_behind(shop: Cast, *, url: str, key: str, code: str) -> None:
    before = shop.run(lambda: (Project.objects.count(), AuditEntry.objects.count()))
    with pytest.raises(CommandError, match=f"^{code}: "):
        run("crawl", url, "--wait", host=shop.host, project=key)
    assert sources(shop) == []
    assert shop.run(lambda: (Project.objects.count(), AuditEntry.objects.count())) == before


def test_a_full_plan_takes_no_new_project(shop: Cast) -> None:
    Plan.objects.filter(pk=shop.tenant.plan_id).update(projects=1)
    with pytest.raises(CommandError, match="^limit_reached: Every chatbot of the plan is in use, 1 of 1"):
        run("crawl", "https://help.shop.example/", host=shop.host, project="new")
    assert sources(shop) == []
