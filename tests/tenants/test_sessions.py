"""A session is good at the host where it was opened, and only while its person may come in."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tenants.access import open_session, seat_for_session_key
from tenants.models import Tenant
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Seat
from tests.cast import browser
from tests.conftest import Tenants

PUBLIC_HOST = "localhost:8000"


def public_session(user: object) -> str:
    public = run_in(PUBLIC, Tenant.objects.get, schema_name=PUBLIC)
    return open_session(user=user, tenant=public, seconds=60)  # type: ignore[arg-type]


def is_in(client: Client) -> bool:
    return client.get("/insights/").status_code == 200


def test_a_session_of_one_tenant_is_anonymous_at_another_even_with_a_seat_there(tenants: Tenants) -> None:
    ana = tenants.a.owner
    tenants.b.run(Seat.objects.create, user_id=ana.user_id, name="Ana too", role="owner")
    key = tenants.a.session_key(ana)
    assert is_in(browser(tenants.a.http_host, key))
    stranger = browser(tenants.b.http_host, key)
    answer = stranger.get("/insights/")
    assert (answer.status_code, answer["Location"]) == (302, "/enter/?next=%2Finsights%2F")
    assert stranger.get("/admin/").status_code == 302
    posted = stranger.post("/leave/")
    assert posted.status_code == 302
    assert is_in(browser(tenants.a.http_host, key))  # b could not end a's session's standing


def test_a_session_of_a_tenant_is_anonymous_on_the_public_host(tenants: Tenants) -> None:
    client = browser(PUBLIC_HOST, tenants.a.session_key(tenants.a.owner))
    assert client.get("/go/")["Location"].startswith("/accounts/login/")
    assert "Open my workspace" not in client.get("/").content.decode()


def test_a_session_of_the_public_host_is_anonymous_at_a_tenants(tenants: Tenants) -> None:
    key = public_session(tenants.a.owner.user)
    assert browser(PUBLIC_HOST, key).get("/go/").status_code == 302
    assert not is_in(browser(tenants.a.http_host, key))


def test_a_session_that_names_no_host_is_anonymous_everywhere(tenants: Tenants) -> None:
    client = tenants.a.client()
    client.force_login(tenants.a.owner.user)
    assert not is_in(client)


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"expires_at": timezone.now() - timedelta(seconds=1)}],
    ids=["switched off", "run out"],
)
def test_a_seat_that_stops_working_ends_the_session_at_once(tenants: Tenants, change: dict[str, object]) -> None:
    key = tenants.a.session_key(tenants.a.agent)
    client = browser(tenants.a.http_host, key)
    assert is_in(client)
    seats = Seat.objects.filter(pk=tenants.a.agent.seat_id)
    tenants.a.run(seats.update, **change)
    assert client.get("/insights/").status_code == 403
    assert tenants.a.run(seat_for_session_key, key, tenants.a.tenant_id) is None


def test_a_new_password_ends_the_sessions_at_every_host(tenants: Tenants) -> None:
    user = tenants.a.agent.user
    key, public_key = tenants.a.session_key(tenants.a.agent), public_session(user)
    user.set_password("something-else-entirely")
    user.save(update_fields=["password"])
    assert not is_in(browser(tenants.a.http_host, key))
    assert tenants.a.run(seat_for_session_key, key, tenants.a.tenant_id) is None
    assert browser(PUBLIC_HOST, public_key).get("/go/")["Location"].startswith("/accounts/login/")


def test_the_desk_socket_reads_sessions_as_strictly_as_pages(tenants: Tenants) -> None:
    a, b = tenants.a, tenants.b
    key = a.session_key(a.agent)
    assert a.run(seat_for_session_key, key, a.tenant_id) == a.agent.seat_id
    assert b.run(seat_for_session_key, key, b.tenant_id) is None
    assert b.run(seat_for_session_key, key, a.tenant_id) is None
    for invented in ("", "x", "\x00", "'; --", "é" * 40):
        assert a.run(seat_for_session_key, invented, a.tenant_id) is None
    user = a.agent.user
    user.is_active = False
    user.save(update_fields=["is_active"])
    assert a.run(seat_for_session_key, key, a.tenant_id) is None


def test_somebody_without_a_seat_is_told_so_and_not_sent_round(tenants: Tenants) -> None:
    key = open_session(user=tenants.b.owner.user, tenant=tenants.a.tenant, seconds=60)
    client = browser(tenants.a.http_host, key)
    for path in ("/insights/", "/enter/"):
        answer = client.get(path)
        assert answer.status_code == 403
        assert "You have no seat" in answer.content.decode()


def test_programs_read_refusals_as_data(tenants: Tenants) -> None:
    answer = tenants.a.client(None, **{"Sec-Fetch-Mode": "cors"}).get("/insights/")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_signed_in")
    assert set(answer.json()) == {"code", "sentence"}


def test_leaving_ends_the_session_here_and_on_the_public_host(tenants: Tenants) -> None:
    ana = tenants.a.owner
    here = browser(tenants.a.http_host, tenants.a.session_key(ana))
    public = browser(PUBLIC_HOST, public_session(ana.user))
    answer = here.post("/leave/")
    assert answer["Location"].startswith("http://localhost:8000/left/?by=")
    assert not is_in(here)
    assert public.get("/go/").status_code == 302
    assert "You are signed out" in public.get(answer["Location"].removeprefix("http://localhost:8000")).content.decode()
    assert public.get("/go/")["Location"].startswith("/accounts/login/")


def test_nobody_can_be_signed_out_by_a_link_of_somebody_else(tenants: Tenants) -> None:
    others = browser(tenants.a.http_host, tenants.a.session_key(tenants.a.agent)).post("/leave/")["Location"]
    public = browser(PUBLIC_HOST, public_session(tenants.a.owner.user))
    for link in (
        others.removeprefix("http://localhost:8000"),
        "/left/",
        "/left/?by=x",
        f"/left/?by={tenants.a.owner.user_id}",
    ):
        assert "still signed in" in public.get(link).content.decode()
    assert "accounts/login" not in public.get("/go/")["Location"]


def test_leaving_needs_a_post_and_a_token(tenants: Tenants) -> None:
    client = Client(enforce_csrf_checks=True, HTTP_HOST=tenants.a.http_host)
    client.cookies["sessionid"] = tenants.a.session_key(tenants.a.agent)
    assert client.get("/leave/").status_code == 405
    refused = client.post("/leave/")
    assert refused.status_code == 403
    assert "open for too long" in refused.content.decode()
    assert is_in(client)
