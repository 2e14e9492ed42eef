"""Who gets into a tenant's settings, and that every page of them opens."""

from datetime import datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tenants.admin import platform_site
from tenants.models import Plan, Tenant, User
from tenants.schema import PUBLIC, run_in
from tenants.workspace.admin import workspace_site
from tenants.workspace.models import AuditEntry
from tests.cast import BASE_DOMAIN, PORT, Cast, browser
from tests.conftest import Tenants

PUBLIC_HOST = f"{BASE_DOMAIN}:{PORT}"


def pages(cast: Cast) -> list[str]:
    """Every page of the settings that shows something: lists, rows, their histories, forms for new ones."""
    found = ["/admin/"]
    with cast.inside():
        for model, admin in workspace_site._registry.items():
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            row = model._default_manager.order_by("pk").first()
            assert row is not None, f"the cast has no {model.__name__}"
            found += [
                reverse(f"{name}_changelist"),
                reverse(f"{name}_change", args=[row.pk]),
                reverse(f"{name}_history", args=[row.pk]),
            ]
            if getattr(admin, "adds", False):
                found.append(reverse(f"{name}_add"))
            if getattr(admin, "deletes", False):
                found.append(reverse(f"{name}_delete", args=[row.pk]))
    return found


def test_every_page_opens_for_the_owner(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.owner)
    answers = {page: client.get(page).status_code for page in pages(tenants.a)}
    assert len(answers) > 25
    assert set(answers.values()) == {200}, answers


def test_every_page_opens_for_an_admin(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.admin)
    assert {client.get(page).status_code for page in pages(tenants.a)} == {200}


@pytest.mark.parametrize("role", ["agent", "analyst"])
def test_agents_and_analysts_stay_out(tenants: Tenants, role: str) -> None:
    client = tenants.a.client(getattr(tenants.a, role))
    for page in pages(tenants.a):
        answer = client.get(page)
        assert answer.status_code == 403, page
        assert tenants.a.marker not in answer.content.decode(), page


def test_a_stranger_is_sent_to_the_sign_in_and_back(tenants: Tenants) -> None:
    answer = tenants.a.client().get("/admin/knowledge/source/?q=x")
    assert answer.status_code == 302
    assert answer["Location"] == "/enter/?next=%2Fadmin%2Fknowledge%2Fsource%2F%3Fq%3Dx"
    assert tenants.a.client().post("/admin/knowledge/source/add/").status_code == 403


def test_another_tenants_owner_is_a_stranger(tenants: Tenants) -> None:
    foreign = browser(tenants.a.http_host, tenants.b.session_key(tenants.b.owner))
    for page in pages(tenants.a):
        assert foreign.get(page).status_code == 302, page


def test_staff_without_a_seat_stay_out(tenants: Tenants) -> None:
    run_in(PUBLIC, User.objects.filter(pk=tenants.b.owner.user_id).update, is_staff=True, is_superuser=True)
    key = run_in(PUBLIC, _session_at, tenants.a, tenants.b.owner.user_id)
    assert browser(tenants.a.http_host, key).get("/admin/").status_code == 403


def _session_at(cast: Cast, user_id: int) -> str:
    from tenants.access import open_session

    return open_session(user=User.objects.get(pk=user_id), tenant=cast.tenant, seconds=60)


def test_a_seat_switched_off_is_out_at_once(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.admin)
    assert client.get("/admin/").status_code == 200
    with tenants.a.inside():
        seat = tenants.a.admin.seat
        seat.is_active = False
        seat.save(update_fields=["is_active"])
    assert client.get("/admin/").status_code == 403


def test_another_tenants_rows_are_not_there(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.owner)
    b = tenants.b
    for page in (
        f"/admin/knowledge/source/{b.source_id}/change/",
        f"/admin/knowledge/source/{b.source_id}/progress/",
        f"/admin/chat/conversation/{b.thread.conversation_id}/change/",
        f"/admin/workspace/seat/{b.owner.seat_id}/history/",
    ):
        answer = client.get(page, follow=True)
        assert b.marker not in answer.content.decode()


@pytest.mark.parametrize("page", ["login", "password_change", "password_change/done", "r/1/1"])
def test_djangos_own_account_pages_are_not_there(tenants: Tenants, page: str) -> None:
    client = tenants.a.client(tenants.a.owner)
    assert client.get(f"/admin/{page}/").status_code == 404


def test_signing_out_goes_where_sessions_end(tenants: Tenants) -> None:
    answer = tenants.a.client(tenants.a.owner).post("/admin/logout/")
    assert (answer.status_code, answer["Location"]) == (307, "/leave/")


def test_only_the_admin_has_the_looser_policy(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.owner)
    admin = client.get("/admin/")["Content-Security-Policy"]
    assert "'unsafe-eval'" in admin
    assert "frame-ancestors 'none'" in admin
    assert "script-src 'self' 'unsafe-eval'" in admin
    assert "unsafe" not in client.get("/insights/")["Content-Security-Policy"]


@pytest.fixture
def staff(tenants: Tenants) -> Client:
    """A superuser of the platform, signed in at the public host."""
    from tenants.access import open_session
    from tenants.models import Tenant

    user = run_in(PUBLIC, User.objects.create_superuser, "staff@platform.example", None)
    public = run_in(PUBLIC, Tenant.objects.get, schema_name=PUBLIC)
    return browser(PUBLIC_HOST, run_in(PUBLIC, open_session, user=user, tenant=public, seconds=60))


def test_the_platforms_pages_open_for_staff(staff: Client, tenants: Tenants) -> None:
    from tenants.admin import platform_site

    assert staff.get("/admin/").status_code == 200
    for model in platform_site._registry:
        page = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert staff.get(page).status_code == 200, page
        row = model._default_manager.order_by("pk").first()
        if row is not None:
            assert staff.get(f"{page}{row.pk}/change/").status_code == 200, page


def test_no_tenants_model_is_in_the_platforms_admin(staff: Client) -> None:
    for page in ("workspace/project", "knowledge/source", "chat/conversation", "livesupport/lead"):
        assert staff.get(f"/admin/{page}/").status_code == 404


def test_the_public_tables_are_not_in_a_tenants_admin(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.owner)
    for page in ("tenants/user", "tenants/tenant", "tenants/due", "auth/group", "account/emailaddress"):
        assert client.get(f"/admin/{page}/").status_code == 404


def test_the_platforms_admin_is_for_staff(tenants: Tenants) -> None:
    assert browser(PUBLIC_HOST).get("/admin/").status_code == 302
    with_tenants_session = browser(PUBLIC_HOST, tenants.a.session_key(tenants.a.owner))
    assert with_tenants_session.get("/admin/").status_code == 302


def test_a_superuser_changes_a_tenants_plan_and_other_staff_only_look(staff: Client, tenants: Tenants) -> None:
    page = f"/admin/tenants/tenant/{tenants.a.tenant_id}/change/"
    plan = run_in(PUBLIC, Plan.objects.create, key="gold", name="Gold", price_cents=1)
    assert staff.post(page, {"name": "Renamed", "plan": plan.pk}).status_code == 302
    assert (tenants.a.tenant.name, tenants.a.tenant.plan) == ("Renamed", plan)
    run_in(PUBLIC, User.objects.filter(email="staff@platform.example").update, is_superuser=False)
    assert staff.get(page).status_code == 200
    assert staff.post(page, {"name": "Again", "plan": ""}).status_code == 403
    assert tenants.a.tenant.name == "Renamed"


def extend(staff: Client, cast: Cast, until: datetime) -> str:
    """What the page says to a new end of the trial; empty when it was taken."""
    page = f"/admin/tenants/tenant/{cast.tenant_id}/change/"
    date = {"trial_ends_at_0": f"{until:%Y-%m-%d}", "trial_ends_at_1": f"{until:%H:%M:%S}"}
    answer = staff.post(page, {"name": "Renamed", "plan": cast.tenant.plan_id, **date})
    return answer.content.decode() if answer.status_code == 200 else ""


def test_staff_extend_a_trial_that_has_ended_and_nothing_else(staff: Client, tenants: Tenants) -> None:
    a, now = tenants.a, timezone.now()
    Tenant.objects.filter(pk=a.tenant_id).update(
        subscription="ended", plan=Plan.objects.get(key="professional"), trial_ends_at=now - timedelta(days=1)
    )
    assert "It is still to come" in extend(staff, a, now - timedelta(hours=1))
    assert a.tenant.standing() == "ended"
    assert extend(staff, a, now + timedelta(days=7)) == ""
    assert (a.tenant.standing(), a.tenant.name) == ("trial", "Renamed")
    Tenant.objects.filter(pk=a.tenant_id).update(subscription="active", billed_from=now)
    before = a.tenant.trial_ends_at
    assert "Only a trial can be extended" in extend(staff, a, now + timedelta(days=9))
    assert (a.tenant.standing(), a.tenant.trial_ends_at) == ("active", before)


def test_what_is_done_in_a_tenant_is_kept_there_and_not_in_djangos_log(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.owner)
    page = f"/admin/workspace/seat/{tenants.a.agent.seat_id}/"
    assert client.post(f"{page}change/", {"name": "Tom", "role": "agent", "is_active": "on"}).status_code == 302
    assert run_in(PUBLIC, LogEntry.objects.count) == 0
    shown = client.get(f"{page}history/").content.decode()
    assert "changed person" in shown
    assert "Changed Name." in shown
    assert tenants.b.run(AuditEntry.objects.count) == 1


def filter_addresses(client: Client, page: str) -> list[str]:
    """Every address that a list's own filters and dates lead to."""
    found = client.get(page).context["cl"]
    own = [choice["query_string"] for spec in found.filter_specs for choice in spec.choices(found)]
    year = timezone.now().year
    return own + ([f"?{found.date_hierarchy}__year={year}"] if found.date_hierarchy else [])


def test_a_list_is_narrowed_by_its_own_filters(tenants: Tenants, staff: Client) -> None:
    owner = tenants.a.client(tenants.a.owner)
    sides = ((owner, workspace_site._registry), (staff, platform_site._registry))
    tried = 0
    for client, registry in sides:
        for model in registry:
            page = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            for query in filter_addresses(client, page):
                assert client.get(page + query).status_code == 200, page + query
                tried += 1
    assert tried > 60


@pytest.mark.parametrize(
    "query",
    [
        "user/?password__startswith=",
        "user/?email=root@platform.example&password__startswith=",
        "user/?emailaddress__email__startswith=",
        "externalevent/?body__icontains=",
        "membership/?user__password__startswith=",
        "tenant/?plan__price_cents__gt=0",
    ],
)
def test_staff_read_no_hidden_column_by_guessing(staff: Client, query: str) -> None:
    User.objects.filter(is_staff=True).update(is_superuser=False)
    assert staff.get(f"/admin/tenants/{query}x").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "workspace/project/?model_key__startswith=gAAAA",
        "workspace/outboxentry/?payload__icontains=x",
        "workspace/seat/?user_id=1",
        "chat/conversation/?project__model_key__startswith=x",
        "chat/conversation/?visitor__token_hash__startswith=x",
        "knowledge/source/?text__icontains=x",
    ],
)
def test_admins_read_no_hidden_column_by_guessing(tenants: Tenants, query: str) -> None:
    assert tenants.a.client(tenants.a.admin).get(f"/admin/{query}").status_code == 400
