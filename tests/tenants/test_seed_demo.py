"""`seed_demo`: the demo's business, made once and kept as it was left."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from builtabot.demo.business import PROJECT
from knowledge.models import CrawlRun, Document, Source
from livesupport.models import OpeningHours
from tenants.models import Domain, Membership, Tenant, User
from tenants.schema import run_in
from tenants.workspace.models import Project, Seat

SITE = "http://127.0.0.1:8001"


@pytest.fixture(autouse=True)
def _password(settings: Any, db: None) -> None:
    settings.DEMO_PASSWORD = "a lamp for the demo"


def seed(site: str = SITE) -> Tenant:
    call_command("seed_demo", static_url=site, stdout=io.StringIO())
    return Domain.objects.select_related("tenant__plan").get(domain="acme.localhost").tenant


def inside(tenant: Tenant, fn: Any, *args: Any, **kwargs: Any) -> Any:
    return run_in(tenant.schema_name, fn, *args, **kwargs)


def test_the_demo_is_complete_and_never_in_trial() -> None:
    tenant = seed()
    assert (tenant.plan.key, tenant.trial_ends_at, tenant.in_trial) == ("unlimited", None, False)
    project = inside(tenant, Project.objects.get)
    assert project.key == "shop"
    assert project.allowed_sites == ["http://127.0.0.1:8001", "http://localhost:8001"]
    assert {name: getattr(project, name) for name in PROJECT} == PROJECT
    seats = inside(tenant, lambda: list(Seat.objects.order_by("pk").values_list("name", "email", "role")))
    assert seats == [("Ana Ruiz", "ana@acme.example", "owner"), ("Tom Okafor", "tom@acme.example", "agent")]
    for email in ("ana@acme.example", "tom@acme.example"):
        assert User.objects.get(email=email).check_password("a lamp for the demo")
    assert inside(tenant, OpeningHours.objects.count) == 6
    source = inside(tenant, Source.objects.get)
    assert (source.kind, source.url) == ("site", "http://127.0.0.1:8001/help/")
    assert inside(tenant, CrawlRun.objects.get).state == "queued"


def test_seeding_again_changes_nothing_that_somebody_changed() -> None:
    tenant = seed()
    inside(tenant, Project.objects.update, greeting="Ours now")
    inside(tenant, OpeningHours.objects.all().delete)
    inside(tenant, CrawlRun.objects.update, state="done")
    source = inside(tenant, Source.objects.get)
    inside(tenant, _live_page, source, SITE)
    assert seed() == tenant
    assert inside(tenant, Project.objects.get).greeting == "Ours now"
    assert inside(tenant, OpeningHours.objects.count) == 0
    assert inside(tenant, CrawlRun.objects.count) == 1
    assert (Membership.objects.filter(tenant=tenant).count(), inside(tenant, Seat.objects.count)) == (2, 2)


def _live_page(source: Source, site: str) -> None:
    run = CrawlRun.objects.get(source=source)
    Document.objects.create(
        source=source, project=source.project, run=run, url=f"{site}/help/a", title="A", is_live=True
    )


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_another_port_is_read_anew(state: str) -> None:
    tenant = seed()
    inside(tenant, CrawlRun.objects.update, state=state)
    if state == "done":
        inside(tenant, _live_page, inside(tenant, Source.objects.get), SITE)
    seed("http://127.0.0.1:9001")
    assert inside(tenant, Source.objects.get).url == "http://127.0.0.1:9001/help/"
    assert inside(tenant, Project.objects.get).allowed_sites[0] == "http://127.0.0.1:9001"
    states = inside(tenant, lambda: list(CrawlRun.objects.order_by("pk").values_list("state", flat=True)))
    assert states == ["done" if state == "done" else "cancelled", "queued"]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_reading_that_failed_is_tried_again(state: str) -> None:
    tenant = seed()
    inside(tenant, CrawlRun.objects.update, state=state)
    seed()
    assert inside(tenant, CrawlRun.objects.count) == 2


@pytest.mark.parametrize("site", ["", "127.0.0.1:8001", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused(site: str) -> None:
    with pytest.raises(CommandError, match="static-url"):
        seed(site)
    assert not Domain.objects.filter(domain="acme.localhost").exists()


def test_without_a_password_nothing_is_seeded(settings: Any) -> None:
    settings.DEMO_PASSWORD = ""
    with pytest.raises(CommandError, match="DEMO_PASSWORD"):
        seed()
    assert not User.objects.filter(email="ana@acme.example").exists()
