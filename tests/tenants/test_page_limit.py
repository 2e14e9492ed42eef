"""Pages of the plan: a reading stops at its limit, says so, and goes on once there is room."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from knowledge import actions
from knowledge.crawl.work import bounds_of, see_through, work_off
from knowledge.models import CrawlRun, Document, Source
from tenants import billing
from tenants.billing import Kind
from tenants.models import Plan, Tenant
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.knowledge.web import Web, serving

ROOM = "your plan has room for no more"


@pytest.fixture
def web(settings: Any) -> Iterator[Web]:
    """A site of four pages."""
    with serving() as server:
        settings.CRAWL_ALLOW_PRIVATE = frozenset({server.host})
        links = "".join(f'<a href="/{name}">{name}</a>' for name in "bcd")
        for number, path in enumerate(("/", "/b", "/c", "/d"), start=1):
            said = f"You can send {number} lamps back within {number}0 days of delivery, and we pay the postage."
            server.page(path, f"<main><h1>Returns {number}</h1><p>{said}</p></main>{links if path == '/' else ''}")
        yield server


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    """A tenant whose help centre has one page already."""
    plan = Plan.objects.get(key="professional")
    Tenant.objects.filter(pk=tenants.a.tenant_id).update(plan=plan)
    with tenants.a.inside() as cast:
        yield cast


def limit(pages: int | None) -> None:
    Plan.objects.filter(key="professional").update(pages=pages)


def read(cast: Cast, url: str, kind: str = "site") -> CrawlRun:
    source = actions.add_source(project=Project.objects.get(pk=cast.project_id), kind=kind, url=url)
    run = actions.start_crawl(source=source)
    work_off(run_id=run.pk)
    run.refresh_from_db()
    return run


def live(run: CrawlRun) -> int:
    return Document.objects.filter(source=run.source_id, is_live=True).count()


def pages(cast: Cast) -> billing.Allowance:
    return billing.allowance(cast.tenant, Kind.PAGES)


def test_a_reading_stops_where_the_plan_is_full_and_says_so(shop: Cast, web: Web) -> None:
    limit(3)
    run = read(shop, web.url + "/")
    assert (run.state, live(run), pages(shop).left) == ("done", 2, 0)
    assert ROOM in run.error
    html = shop.client(shop.owner).get("/setup/").content.decode()
    assert ROOM in html


def test_a_removed_source_makes_room(shop: Cast, web: Web) -> None:
    limit(3)
    first = read(shop, web.url + "/")
    assert live(first) == 2
    actions.remove_source(source=Source.objects.get(pk=shop.source_id))
    again = read(shop, web.url + "/")
    assert (live(again), pages(shop).used) == (3, 3)
    limit(4)
    whole = read(shop, web.url + "/")
    assert (live(whole), whole.error) == (4, "")


def test_a_full_plan_reads_nothing_new_and_keeps_what_it_has(shop: Cast, web: Web) -> None:
    limit(1)
    run = read(shop, web.url + "/")
    assert (run.state, live(run)) == ("failed", 0)
    assert "Every page of your plan is in use" in run.error
    assert web.paths() == []
    assert Document.objects.get(pk=shop.document_id).is_live


def test_a_source_does_not_stand_in_its_own_way(shop: Cast, web: Web) -> None:
    limit(5)
    assert live(read(shop, web.url + "/")) == 4
    again = read(shop, web.url + "/")
    assert (again.state, live(again), again.error) == ("done", 4, "")


def test_without_a_limit_all_is_read(shop: Cast, web: Web) -> None:
    limit(None)
    run = read(shop, web.url + "/")
    assert (live(run), run.error, pages(shop).left) == (4, "", None)


def test_what_somebody_wrote_is_no_page_of_the_plan(shop: Cast) -> None:
    limit(1)
    project = Project.objects.get(pk=shop.project_id)
    text = "Lamps are repaired in our own workshop in Kenmare, within a week, for as long as we have the parts."
    source = actions.add_source(project=project, kind=Source.Kind.FAQ, name="Who repairs lamps?", text=text)
    run = actions.start_crawl(source=source)
    work_off(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, live(run)) == ("done", 1)
    assert pages(shop).used == 1


def test_after_the_end_nothing_is_read_and_nothing_is_lost(shop: Cast, web: Web) -> None:
    past = timezone.now() - timedelta(hours=1)
    Tenant.objects.filter(pk=shop.tenant_id).update(subscription="ended", ends_at=past)
    run = read(shop, web.url + "/")
    assert (run.state, web.paths()) == ("failed", [])
    assert "Your plan has ended." in run.error
    assert Document.objects.get(pk=shop.document_id).is_live


def test_two_readings_at_once_share_what_the_plan_has_left(shop: Cast, web: Web) -> None:
    limit(5)  # one page is in use; two sources of four and one pages believe that they have four each
    project = Project.objects.get(pk=shop.project_id)
    held = []
    for kind, path in (("page", "/d"), ("site", "/")):
        source = actions.add_source(project=project, kind=kind, url=web.url + path)
        run = actions.claim_crawl(run_id=actions.start_crawl(source=source).pk)
        assert run
        held.append((run, bounds_of(source)))
    for run, bounds in held:
        see_through(run, bounds=bounds)
    assert pages(shop).used == 5
    single, site = (CrawlRun.objects.get(pk=run.pk) for run, _ in held)
    assert (live(single), live(site), site.indexed) == (1, 3, 3)
    assert ROOM in site.error
    assert Document.objects.filter(source=site.source_id, is_live=True, url=web.url + "/").exists()


def test_a_reading_for_which_nothing_is_left_at_its_end_keeps_what_it_had(shop: Cast, web: Web) -> None:
    limit(5)
    source = actions.add_source(project=Project.objects.get(pk=shop.project_id), kind="site", url=web.url + "/")
    run = actions.claim_crawl(run_id=actions.start_crawl(source=source).pk)
    assert run
    bounds = bounds_of(source)
    limit(1)
    see_through(run, bounds=bounds)
    run.refresh_from_db()
    assert (run.state, live(run), pages(shop).used) == ("failed", 0, 1)
    assert "Every page of your plan is in use" in run.error
