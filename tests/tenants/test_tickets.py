"""Tickets: once, soon, at one host, for one person."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connections
from django.utils import timezone

from tenants import tickets
from tenants.access import SESSION_TENANT
from tenants.errors import TicketRefused
from tenants.models import SignInTicket, Tenant
from tenants.schema import PUBLIC, run_in
from tests.cast import Cast, browser
from tests.conftest import Tenants


def test_a_ticket_signs_its_person_in_once(tenants: Tenants) -> None:
    ana = tenants.a.owner
    token = tickets.issue(user=ana.user, host=tenants.a.host)
    assert tickets.redeem(token=token, host=tenants.a.host) == ana.user
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.a.host)


def test_a_ticket_is_refused_at_another_host_and_still_good_at_its_own(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.owner.user, host=tenants.a.host)
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.b.host)
    assert tickets.redeem(token=token, host=tenants.a.host) == tenants.a.owner.user


def test_a_ticket_is_refused_after_a_minute(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.owner.user, host=tenants.a.host)
    assert SignInTicket.objects.get().expires_at - timezone.now() <= timedelta(seconds=60)
    SignInTicket.objects.update(expires_at=timezone.now() - timedelta(milliseconds=1))
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.a.host)


def test_a_ticket_of_a_person_who_was_switched_off_is_refused(tenants: Tenants) -> None:
    user = tenants.a.owner.user
    token = tickets.issue(user=user, host=tenants.a.host)
    user.is_active = False
    user.save(update_fields=["is_active"])
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.a.host)
    assert SignInTicket.objects.get().used_at is None


@pytest.mark.parametrize("token", ["", "x", "\x00", "é" * 500, "a" * 43])
def test_an_invented_ticket_is_refused(db: None, token: str) -> None:
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host="localhost")


def test_the_token_itself_is_not_stored(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.owner.user, host=tenants.a.host)
    row = SignInTicket.objects.values().get()
    assert token not in str(row)
    assert len(token) >= 43  # 256 bits in base64


def test_of_many_who_redeem_at_once_one_wins(fresh_tenant: Cast) -> None:
    racers = 6
    token = run_in(PUBLIC, tickets.issue, user=fresh_tenant.owner.user, host=fresh_tenant.host)
    barrier = Barrier(racers)

    def race(_: int) -> bool:
        barrier.wait()
        try:
            run_in(PUBLIC, tickets.redeem, token=token, host=fresh_tenant.host)
        except TicketRefused:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(racers) as pool:
        assert sorted(pool.map(race, range(racers))) == [False] * (racers - 1) + [True]


def test_redeeming_over_http_opens_a_new_session_and_keeps_the_path(tenants: Tenants) -> None:
    client = tenants.a.client()
    session = client.session
    session["planted"] = "before"
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = str(before)
    token = tickets.issue(user=tenants.a.agent.user, host=tenants.a.host)
    answer = client.get("/enter/", {"ticket": token, "next": "/insights/?days=7"})
    assert (answer.status_code, answer["Location"]) == (302, "/insights/?days=7")
    assert client.session.session_key != before
    assert client.session[SESSION_TENANT] == tenants.a.tenant_id
    assert client.get("/insights/").status_code == 200


def test_a_used_ticket_over_http_leaves_a_stranger_outside(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.agent.user, host=tenants.a.host)
    tickets.redeem(token=token, host=tenants.a.host)
    client = tenants.a.client()
    answer = client.get("/enter/", {"ticket": token})
    assert answer.status_code == 403
    assert "used up or too old" in answer.content.decode()
    assert client.get("/live/").status_code == 302
    assert "sessionid" not in client.cookies


def test_a_ticket_of_somebody_without_a_seat_opens_nothing(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.b.owner.user, host=tenants.a.host)
    client = tenants.a.client()
    assert client.get("/enter/", {"ticket": token}).status_code == 403
    assert "sessionid" not in client.cookies


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "evil", "/enter/?x", ""],
)
def test_a_ticket_leads_to_no_other_site(tenants: Tenants, path: str) -> None:
    token = tickets.issue(user=tenants.a.agent.user, host=tenants.a.host)
    assert tenants.a.client().get("/enter/", {"ticket": token, "next": path})["Location"] == "/live/"


def test_without_a_ticket_the_public_sign_in_is_asked_and_comes_back(tenants: Tenants) -> None:
    answer = tenants.a.client().get("/live/?c=1")
    assert answer["Location"] == "/enter/?next=%2Flive%2F%3Fc%3D1"
    onward = urlsplit(tenants.a.client().get(answer["Location"])["Location"])
    assert (onward.scheme, onward.netloc, onward.path) == ("http", "localhost:8000", "/go/")
    assert parse_qs(onward.query) == {"to": [tenants.a.host], "next": ["/live/?c=1"]}
    asked = browser("localhost:8000").get(f"{onward.path}?{onward.query}")
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/login/?next=/go/")


def test_no_ticket_is_issued_for_a_tenant_one_does_not_belong_to(tenants: Tenants) -> None:
    public = run_in(PUBLIC, Tenant.objects.get, schema_name=PUBLIC)
    from tenants.access import open_session

    key = open_session(user=tenants.a.owner.user, tenant=public, seconds=60)
    client = browser("localhost:8000", key)
    answer = client.get("/go/", {"to": tenants.b.host})
    assert answer.status_code == 403
    assert tenants.b.marker not in answer.content.decode()
    assert not SignInTicket.objects.exists()
    assert client.get("/go/", {"to": tenants.a.host}).status_code == 302
    assert SignInTicket.objects.get().host == tenants.a.host
