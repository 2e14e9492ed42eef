"""The plan's page: what is used, and an owner's decisions, for this tenant alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from builtabot import wiring
from tenants import billing, ports
from tenants.access import open_session
from tenants.errors import TenantError
from tenants.models import Plan, Tenant, User
from tenants.ports import Order
from tenants.workspace import policies
from tenants.workspace.models import Project
from tests.admin.forms import filled
from tests.cast import Cast, Person, browser
from tests.conftest import Tenants

State = Tenant.Subscription


@pytest.fixture
def cast(tenants: Tenants) -> Cast:
    a = tenants.a
    plan = Plan.objects.get(key="professional")
    move(a, plan=plan, subscription=State.ACTIVE, billed_from=timezone.now() - timedelta(days=10))
    return a


def move(cast: Cast, **values: Any) -> None:
    Tenant.objects.filter(pk=cast.tenant_id).update(**values)


def page(cast: Cast, person: Person, path: str = "/plan/") -> str:
    return cast.client(person).get(path).content.decode()


def test_the_page_shows_every_limit_with_its_sentence(cast: Cast) -> None:
    html = page(cast, cast.admin)
    for text in ("Professional", "$79.99", "<b>2</b> of 2,000", "<b>1</b> of 1,000", "<b>1</b> of 3", "<b>4</b>"):
        assert text in html
    renewal = billing.day(billing.month_of(cast.tenant).end)
    assert f"Renews on {renewal}." in html
    assert f"Counts anew on {renewal}" in html
    assert "No limit." in html


@pytest.mark.parametrize("path", ["/plan/", "/plan/start/", "/plan/cancel/"])
def test_the_page_is_for_those_who_decide(cast: Cast, path: str) -> None:
    assert cast.client(cast.owner).get(path).status_code == 200
    assert cast.client(cast.admin).get(path).status_code == (200 if path == "/plan/" else 403)
    for person in (cast.agent, cast.analyst):
        assert cast.client(person).get(path).status_code == 403


def test_an_owner_cancels_on_a_page_that_says_until_when_and_keeps_it_again(cast: Cast, tenants: Tenants) -> None:
    owner = cast.client(cast.owner)
    until = billing.month_of(cast.tenant).end
    confirm = owner.get("/plan/cancel/").content.decode()
    assert f"It runs until <b>{billing.day(until)}</b>" in confirm
    assert owner.post("/plan/cancel/").status_code == 200
    assert cast.tenant.subscription == State.ACTIVE
    assert owner.post("/plan/cancel/", {"sure": "yes"})["Location"] == "/plan/"
    assert (cast.tenant.subscription, cast.tenant.ends_at) == (State.CANCELLED, until)
    html = owner.get("/plan/").content.decode()
    assert f"until {billing.day(until)}" in html
    assert "Keep the plan" in html
    assert "/plan/cancel/" not in html
    assert {other.tenant.subscription for other in tenants.others(cast)} == {State.ACTIVE}
    owner.post("/plan/keep/")
    assert cast.tenant.subscription == State.ACTIVE


@pytest.mark.parametrize("path", ["/plan/cancel/", "/plan/keep/"])
def test_nobody_else_cancels_or_keeps(cast: Cast, path: str) -> None:
    now = timezone.now()
    if path == "/plan/keep/":
        move(cast, subscription=State.CANCELLED, cancelled_at=now, ends_at=now + timedelta(days=3))
    before = cast.tenant.subscription
    for person in (cast.admin, cast.agent, cast.analyst):
        assert cast.client(person).post(path, {"sure": "yes"}).status_code == 403
        assert cast.tenant.subscription == before


def test_a_refused_decision_is_told_in_a_sentence(cast: Cast) -> None:
    owner = cast.client(cast.owner)
    owner.post("/plan/keep/")
    assert "The plan has changed meanwhile" in owner.get("/plan/").content.decode()
    move(cast, plan=Plan.objects.get(key="unlimited"))
    html = owner.get("/plan/").content.decode()
    assert "It costs nothing and has no end." in html
    assert "/plan/cancel/" not in html
    assert "Nothing to cancel" in owner.get("/plan/cancel/").content.decode()


@pytest.fixture
def _as_wired() -> Iterator[None]:
    yield
    wiring.bind()


def _in_trial(cast: Cast) -> None:
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() + timedelta(days=5), billed_from=None)


def test_without_a_provider_the_page_says_to_whom_to_write_and_starts_nothing(cast: Cast) -> None:
    _in_trial(cast)
    owner = cast.client(cast.owner)
    assert "/plan/start/" in owner.get("/plan/").content.decode()
    for answer in (owner.get("/plan/start/"), owner.post("/plan/start/")):
        html = answer.content.decode()
        assert "Paying by card is not possible here yet." in html
        assert 'href="mailto:hello@localhost?' in html
    assert cast.tenant.subscription == State.TRIAL


@pytest.mark.usefixtures("_as_wired")
def test_with_a_provider_an_owner_is_led_to_its_page_with_an_order(cast: Cast) -> None:
    _in_trial(cast)
    orders: list[Order] = []

    def checkout(order: Order) -> str:
        orders.append(order)
        return "https://pay.example/session/1"

    ports.bind(counters={}, checkout=checkout)
    answer = cast.client(cast.owner).post("/plan/start/")
    assert answer["Location"] == "https://pay.example/session/1"
    back = f"http://{cast.http_host}/plan/"
    assert orders == [Order(cast.tenant_id, cast.schema, "professional", 7999, cast.owner.email, back)]
    assert cast.tenant.subscription == State.TRIAL


@pytest.mark.usefixtures("_as_wired")
def test_a_provider_that_is_away_costs_a_sentence(cast: Cast) -> None:
    def checkout(order: Order) -> str:
        raise TenantError("The payment page does not answer.")

    ports.bind(counters={}, checkout=checkout)
    owner = cast.client(cast.owner)
    owner.post("/plan/start/")
    assert "The payment page does not answer." in owner.get("/plan/").content.decode()


def test_the_plans_news_stand_on_the_pages_of_those_who_decide(cast: Cast) -> None:
    _in_trial(cast)
    move(cast, trial_ends_at=timezone.now() + timedelta(hours=30))
    for path in ("/setup/", "/insights/"):
        assert "The trial ends on" in page(cast, cast.owner, path)
        assert "The trial ends on" in page(cast, cast.admin, path)
        assert "The trial ends on" not in page(cast, cast.agent, path)
    assert "The trial ends on" not in page(cast, cast.owner, "/live/")


def test_the_whole_team_reads_that_the_ai_rests(cast: Cast) -> None:
    _in_trial(cast)
    move(cast, trial_ends_at=timezone.now() - timedelta(hours=1))
    for person in cast.people:
        html = page(cast, person, "/live/")
        assert "The trial has ended. The AI rests" in html
        assert ('href="/plan/">Plan</a>' in html) == (person in (cast.owner, cast.admin))


def test_the_settings_lead_to_the_plan(cast: Cast) -> None:
    assert 'href="/plan/"' in page(cast, cast.owner, "/admin/")


# -- chatbots in the settings, and the platform's staff --------------------------------------------------------------


def test_the_list_of_chatbots_says_when_the_plan_is_full(cast: Cast) -> None:
    Plan.objects.filter(key="professional").update(projects=2)
    owner, add = cast.client(cast.owner), "/admin/workspace/project/add/"
    assert "Every chatbot of the plan" not in owner.get("/admin/workspace/project/").content.decode()
    assert owner.post(add, filled(owner, add, key="second", name="Second")).status_code == 302
    html = owner.get("/admin/workspace/project/").content.decode()
    assert "Every chatbot of the plan is in use, 2 of 2." in html
    assert add not in html
    assert owner.post(add, {"key": "third", "name": "Third"}).status_code == 403
    Plan.objects.filter(key="professional").update(projects=3)
    assert owner.post(add, filled(owner, add, key="third", name="Third")).status_code == 302
    assert cast.run(Project.objects.count) == 3


def test_a_chatbot_added_at_the_last_moment_finds_the_plan_full(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, add = cast.client(cast.owner), "/admin/workspace/project/add/"
    form = filled(owner, add, key="second", name="Second")
    Plan.objects.filter(key="professional").update(projects=1)
    monkeypatch.setattr(policies, "may_add_project", lambda *args, **kwargs: True)
    owner.post(add, form)
    assert cast.run(Project.objects.count) == 1
    assert "Every chatbot of the plan is in use, 1 of 1." in owner.get("/admin/").content.decode()


@pytest.fixture
def staff(db: None) -> Client:
    user = User.objects.create_superuser("staff@builtabot.example", "a lamp in the north")
    key = open_session(user=user, tenant=Tenant.objects.get(schema_name="public"), seconds=600)
    return browser("localhost:8000", key)


def _terms(client: Client, page: str, **changes: Any) -> dict[str, Any]:
    """The form as a browser sends it: a date and a time apart."""
    data = filled(client, page)
    ends = data.pop("trial_ends_at")
    return data | {"trial_ends_at_0": f"{ends:%Y-%m-%d}", "trial_ends_at_1": f"{ends:%H:%M:%S}"} | changes


def test_the_platforms_staff_start_a_plan(cast: Cast, staff: Client) -> None:
    _in_trial(cast)
    page = f"/admin/tenants/tenant/{cast.tenant_id}/change/"
    ends = cast.tenant.trial_ends_at
    assert staff.post(page, _terms(staff, page, name="Renamed")).status_code == 302
    assert (cast.tenant.name, cast.tenant.subscription) == ("Renamed", State.TRIAL)
    assert staff.post(page, _terms(staff, page, starts_now="on")).status_code == 302
    assert (cast.tenant.subscription, cast.tenant.billed_from.date()) == (State.ACTIVE, ends.date())


def test_staff_cannot_leave_a_trial_without_an_end(cast: Cast, staff: Client) -> None:
    _in_trial(cast)
    page = f"/admin/tenants/tenant/{cast.tenant_id}/change/"
    answer = staff.post(page, _terms(staff, page, trial_ends_at_0="", trial_ends_at_1=""))
    assert "A trial has an end." in answer.content.decode()
    assert cast.tenant.trial_ends_at is not None
