"""Tickets: once, soon, at one host, for one person, in the browser that asked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from tenants import tickets
from tenants.access import SESSION_TENANT, open_session
from tenants.errors import TicketRefused
from tenants.models import SignInTicket, Tenant
from tenants.schema import PUBLIC, run_in
from tests.cast import Cast, Person, browser
from tests.conftest import Tenants
from tests.tenants.walking import Walker

PUBLIC_HOST = "localhost:8000"
NONCE = "the nonce of a browser"
CHALLENGE = tickets.challenge_of(NONCE)


@pytest.fixture(autouse=True)
def _no_tickets(request: pytest.FixtureRequest) -> None:
    """What tests that commit have left is not there; it comes back with the transaction's end."""
    if "db" in request.fixturenames:
        request.getfixturevalue("db")
        SignInTicket.objects.all().delete()


def asking(cast: Cast, nonce: str = NONCE) -> Client:
    """A browser at a tenant's host that has asked for a ticket."""
    client = cast.client()
    client.cookies["entering"] = nonce
    return client


def on_the_public_host(person: Person) -> Client:
    public = run_in(PUBLIC, Tenant.objects.get, schema_name=PUBLIC)
    return browser(PUBLIC_HOST, run_in(PUBLIC, open_session, user=person.user, tenant=public, seconds=60))


def test_a_ticket_signs_its_person_in_once(tenants: Tenants) -> None:
    ana = tenants.a.owner
    token = tickets.issue(user=ana.user, host=tenants.a.host, challenge=CHALLENGE)
    assert tickets.redeem(token=token, host=tenants.a.host, nonce=NONCE) == ana.user
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.a.host, nonce=NONCE)


def test_a_ticket_is_refused_at_another_host_and_still_good_at_its_own(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.owner.user, host=tenants.a.host, challenge=CHALLENGE)
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.b.host, nonce=NONCE)
    assert tickets.redeem(token=token, host=tenants.a.host, nonce=NONCE) == tenants.a.owner.user


def test_a_ticket_is_refused_after_a_minute(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.owner.user, host=tenants.a.host, challenge=CHALLENGE)
    assert SignInTicket.objects.get().expires_at - timezone.now() <= timedelta(seconds=60)
    SignInTicket.objects.update(expires_at=timezone.now() - timedelta(milliseconds=1))
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.a.host, nonce=NONCE)


def test_a_ticket_of_a_person_who_was_switched_off_is_refused(tenants: Tenants) -> None:
    user = tenants.a.owner.user
    token = tickets.issue(user=user, host=tenants.a.host, challenge=CHALLENGE)
    user.is_active = False
    user.save(update_fields=["is_active"])
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host=tenants.a.host, nonce=NONCE)
    assert SignInTicket.objects.get().used_at is None


@pytest.mark.parametrize("token", ["", "x", "\x00", "é" * 500, "a" * 43])
def test_an_invented_ticket_is_refused(db: None, token: str) -> None:
    with pytest.raises(TicketRefused):
        tickets.redeem(token=token, host="localhost", nonce=NONCE)


def test_the_token_itself_is_not_stored(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.owner.user, host=tenants.a.host, challenge=CHALLENGE)
    row = SignInTicket.objects.values().get()
    assert token not in str(row)
    assert len(token) >= 43  # 256 bits in base64


def test_of_many_who_redeem_at_once_one_wins(fresh_tenant: Cast) -> None:
    racers = 6
    token = run_in(PUBLIC, tickets.issue, user=fresh_tenant.owner.user, host=fresh_tenant.host, challenge=CHALLENGE)
    barrier = Barrier(racers)

    def race(_: int) -> bool:
        barrier.wait()
        try:
            run_in(PUBLIC, tickets.redeem, token=token, host=fresh_tenant.host, nonce=NONCE)
        except TicketRefused:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(racers) as pool:
        assert sorted(pool.map(race, range(racers))) == [False] * (racers - 1) + [True]


def test_redeeming_over_http_opens_a_new_session_and_keeps_the_path(tenants: Tenants) -> None:
    client = asking(tenants.a)
    session = client.session
    session["planted"] = "before"
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = str(before)
    token = tickets.issue(user=tenants.a.agent.user, host=tenants.a.host, challenge=CHALLENGE)
    answer = client.get("/enter/", {"ticket": token, "next": "/insights/?days=7"})
    assert (answer.status_code, answer["Location"]) == (302, "/insights/?days=7")
    assert client.session.session_key != before
    assert client.session[SESSION_TENANT] == tenants.a.tenant_id
    assert client.get("/insights/").status_code == 200


def test_a_used_ticket_over_http_leaves_a_stranger_outside(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.a.agent.user, host=tenants.a.host, challenge=CHALLENGE)
    tickets.redeem(token=token, host=tenants.a.host, nonce=NONCE)
    client = asking(tenants.a)
    answer = client.get("/enter/", {"ticket": token})
    assert answer.status_code == 403
    assert "used up or too old" in answer.content.decode()
    assert client.get("/live/").status_code == 302
    assert "sessionid" not in client.cookies


def test_a_ticket_of_somebody_without_a_seat_opens_nothing(tenants: Tenants) -> None:
    token = tickets.issue(user=tenants.b.owner.user, host=tenants.a.host, challenge=CHALLENGE)
    client = asking(tenants.a)
    assert client.get("/enter/", {"ticket": token}).status_code == 403
    assert "sessionid" not in client.cookies


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "evil", "/enter/?x", ""],
)
def test_a_ticket_leads_to_no_other_site(tenants: Tenants, path: str) -> None:
    token = tickets.issue(user=tenants.a.agent.user, host=tenants.a.host, challenge=CHALLENGE)
    assert asking(tenants.a).get("/enter/", {"ticket": token, "next": path})["Location"] == "/live/"


def test_without_a_ticket_the_public_sign_in_is_asked_and_comes_back(tenants: Tenants) -> None:
    answer = tenants.a.client().get("/live/?c=1")
    assert answer["Location"] == "/enter/?next=%2Flive%2F%3Fc%3D1"
    client = tenants.a.client()
    onward = urlsplit(client.get(answer["Location"])["Location"])
    assert (onward.scheme, onward.netloc, onward.path) == ("http", "localhost:8000", "/go/")
    nonce = client.cookies["entering"]
    assert (nonce["httponly"], nonce["samesite"], nonce["path"], nonce["domain"]) == (True, "Lax", "/", "")
    challenge = tickets.challenge_of(nonce.value)
    assert parse_qs(onward.query) == {"to": [tenants.a.host], "next": ["/live/?c=1"], "browser": [challenge]}
    asked = browser("localhost:8000").get(f"{onward.path}?{onward.query}")
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/login/?next=/go/")


def test_no_ticket_is_issued_for_a_tenant_one_does_not_belong_to(tenants: Tenants) -> None:
    client = on_the_public_host(tenants.a.owner)
    answer = client.get("/go/", {"to": tenants.b.host, "browser": CHALLENGE})
    assert answer.status_code == 403
    assert tenants.b.marker not in answer.content.decode()
    assert not SignInTicket.objects.exists()
    assert client.get("/go/", {"to": tenants.a.host, "browser": CHALLENGE}).status_code == 302
    assert SignInTicket.objects.get().host == tenants.a.host


@pytest.mark.parametrize("nonce", ["", "another browser's", "\x00", CHALLENGE])
def test_a_link_with_somebody_elses_ticket_signs_nobody_in(tenants: Tenants, nonce: str) -> None:
    a = tenants.a
    mallory, victim = on_the_public_host(a.agent), a.client(a.admin)
    link = mallory.get("/go/", {"to": a.host, "browser": CHALLENGE})["Location"]
    path = link.removeprefix(f"http://{a.http_host}")
    victim.cookies["entering"] = nonce
    assert victim.get(path)["Location"] == "/live/"  # as if it had been the "back" button
    assert victim.get("/live/").context["seat"].pk == a.admin.seat_id
    stranger = asking(a, nonce)
    assert stranger.get(path).status_code == 403
    assert "sessionid" not in stranger.cookies
    assert SignInTicket.objects.get().used_at is None
    assert asking(a).get(path)["Location"] == "/live/"  # it was good all the time, in the browser that asked


@pytest.mark.parametrize("given", ["", "x", "g" * 64, "0" * 63, "0" * 65])
def test_who_begins_at_the_public_host_asks_by_way_of_the_tenants(tenants: Tenants, given: str) -> None:
    a = tenants.a
    # Somebody else was here before, in the same browser.
    walker = Walker(on_the_public_host(a.agent), a.client(a.admin))
    first = walker.at[PUBLIC_HOST].get("/go/", {"next": "/insights/", "browser": given})
    last = walker.follow(first, PUBLIC_HOST)
    assert [seen.split("&")[0].split("=")[0] for seen in walker.seen] == [
        f"http://{a.http_host}/enter/?from",
        f"http://{PUBLIC_HOST}/go/?to",
        f"http://{a.http_host}/enter/?ticket",
        f"http://{a.http_host}/insights/",
    ]
    assert (last.status_code, last.context["seat"].pk) == (200, a.agent.seat_id)


def test_two_tabs_that_ask_at_the_same_time_both_get_in(tenants: Tenants) -> None:
    a = tenants.a
    walker = Walker(on_the_public_host(a.agent))
    own = walker.at.setdefault(a.http_host, a.client())
    asked = [own.get("/enter/", {"next": path}) for path in ("/live/", "/insights/")]
    assert [walker.follow(answer, a.http_host).status_code for answer in asked] == [200, 200]


def test_without_cookies_nobody_goes_round_for_ever(tenants: Tenants) -> None:
    a = tenants.a
    public = on_the_public_host(a.agent)
    asks = urlsplit(a.client().get("/enter/")["Location"])
    ticket = urlsplit(public.get(f"{asks.path}?{asks.query}")["Location"])
    assert a.client().get(f"{ticket.path}?{ticket.query}").status_code == 403
