"""Every registered address x three tenants x {own id, another visitor's, another tenant's, missing}."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.cast import Cast, Person, Thread, browser
from tests.conftest import Tenants
from tests.matrix import exceptions, fillers
from tests.matrix.routes import Route, public_routes, tenant_routes
from tests.matrix.state import fingerprints

ROUTES = tenant_routes()
LETTERS = ("a", "b", "c")
METHODS = ("GET", "POST")
# What is different in every answer and says nothing: nonces, form tokens, times to the second.
PASSING = re.compile(
    r'nonce="[^"]*"|name="csrfmiddlewaretoken" value="[^"]*"|csrf[-_\w]*["\']?\s*[:=]\s*["\'][^"\']*["\']'
    r"|content=\"\w{64}\"|\d{4}-\d\d-\d\dT[\d:.+]+|\b\d+ (?:s|seconds?|min|minutes?)\b"
)
ONE_BROWSERS = re.compile(r"(?<=[?&]browser=)[0-9a-f]{64}")  # the hash of a nonce that is new in each browser


@dataclass(frozen=True)
class Seen:
    """An answer without what is different every time."""

    status: int
    body: str
    location: str


def seen(response: HttpResponse, values: dict[str, str]) -> Seen:
    raw = b"".join(response.streaming_content) if response.streaming else response.content
    body, location = raw.decode("utf-8", "replace"), response.headers.get("Location", "")
    for value in values.values():
        body, location = body.replace(value, "ID"), location.replace(value, "ID")
    return Seen(response.status_code, PASSING.sub("", body), ONE_BROWSERS.sub("", location))


def whole(response: HttpResponse) -> str:
    """Everything an asker can read: status line, headers, cookies, body."""
    raw = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{response.headers} {response.cookies} {raw.decode('utf-8', 'replace')}"


def ask(client: Client, method: str, route: Route, values: dict[str, str]) -> HttpResponse:
    url = route.url(values) + fillers.QUERIES.get(str(route), "")
    if method == "GET":
        return client.get(url)
    form = exceptions.FORMS.get(str(route))
    return client.post(url, form() if form else exceptions.BODIES.get(str(route), {}))


_entrants: dict[Route, list[str]] = {}


def entrants(route: Route, cast: Cast) -> list[Person]:
    """One person of each kind whom the route lets in by some method. An admin has an owner's rights."""
    if route not in _entrants:
        values = fillers.own(route, cast)
        _entrants[route] = [
            role
            for role in ("owner", "agent", "analyst")
            if any(ask(cast.client(getattr(cast, role)), m, route, values).status_code != 403 for m in METHODS)
        ]
    return [getattr(cast, role) for role in _entrants[route]]


def check_no_leak(response: HttpResponse, cast: Cast, tenants: Tenants) -> None:
    text = whole(response)
    for other in tenants.others(cast):
        assert other.marker not in text
        assert other.schema not in text


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_parameter_is_known(route: Route, tenants: Tenants) -> None:
    assert fillers.own(route, tenants.a).keys() == set(route.parameters)


@pytest.mark.parametrize("route", [route for route in ROUTES if fillers.has_ids(route)], ids=str)
@pytest.mark.parametrize("letter", LETTERS)
def test_another_tenants_id_is_as_good_as_none(route: Route, letter: str, tenants: Tenants) -> None:
    """Same status, same words, same place to go; and nothing changed anywhere."""
    cast: Cast = getattr(tenants, letter)
    people = entrants(route, cast)
    nowhere = fillers.missing(route, cast)
    before = fingerprints(tenants)
    for person, method in itertools.product(people, METHODS):
        client = cast.client(person)
        to_missing = seen(ask(client, method, route, nowhere), nowhere)
        assert to_missing.status >= 300
        for other in tenants.others(cast):
            values = fillers.own(route, other)
            response = ask(client, method, route, values)
            check_no_leak(response, cast, tenants)
            assert seen(response, values) == to_missing
    assert fingerprints(tenants) == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize("letter", LETTERS)
def test_the_own_id_shows_or_does_something(route: Route, letter: str, tenants: Tenants) -> None:
    """The positive twin of every cell: with the own id the planted text is there, or the own rows change.
    Whoever asks, by whatever method, reads nothing of another tenant."""
    cast: Cast = getattr(tenants, letter)
    people = [*entrants(route, cast), None]
    for thread in _threads(route, cast):
        values = fillers.own(route, cast, thread)
        if str(route) in exceptions.PREPARE:
            exceptions.PREPARE[str(route)](cast, thread)
        before = fingerprints(tenants)
        answers = [ask(cast.client(person), method, route, values) for method in METHODS for person in people]
        for answer in answers:
            check_no_leak(answer, cast, tenants)
        after = fingerprints(tenants)
        changed = {schema for schema in after if after[schema] != before[schema]}
        shown = any(answer.status_code == 200 and cast.marker in whole(answer) for answer in answers)
        assert changed <= {cast.schema}
        assert (shown or bool(changed)) != (str(route) in exceptions.NO_OWN_TEXT)


def _threads(route: Route, cast: Cast) -> list[Thread]:
    """Both visitors, where the route's ids tell them apart."""
    both = [cast.thread, cast.other_thread]
    return both if fillers.own(route, cast, both[0]) != fillers.own(route, cast, both[1]) else both[:1]


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_session_of_another_host_is_a_strangers(route: Route, tenants: Tenants) -> None:
    """B's owner at A's host, with B's cookie, reads and does what a stranger does."""
    cast, other = tenants.a, tenants.b
    values = fillers.own(route, cast)
    before = fingerprints(tenants)
    for method in METHODS:
        stranger = browser(cast.http_host)
        carried = browser(cast.http_host, other.owner.session_key)
        first, second = (seen(ask(client, method, route, values), values) for client in (stranger, carried))
        assert first == second
        assert other.marker not in first.body + second.body
    assert fingerprints(tenants) == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_an_unknown_host_gets_nothing(route: Route, tenants: Tenants) -> None:
    values = fillers.own(route, tenants.a)
    for host in ("nobody.localhost:8000", "127.0.0.1:8000", f"x.{tenants.a.host}:8000", f"{tenants.a.host}.:8000"):
        response = browser(host, tenants.a.owner.session_key).get(route.url(values))
        assert (response.status_code, response.content) == (404, b"")


def test_a_forwarded_host_is_not_believed(tenants: Tenants) -> None:
    client = browser("nobody.localhost:8000", x_forwarded_host=tenants.a.http_host)
    assert client.get("/live/").status_code == 404
    carried = tenants.b.client(tenants.b.owner, x_forwarded_host=tenants.a.http_host)
    response = carried.get("/live/queue/")
    assert tenants.b.marker in whole(response)
    assert tenants.a.marker not in whole(response)


@pytest.mark.parametrize("route", public_routes(), ids=str)
def test_the_public_host_knows_nothing_of_tenants(route: Route, tenants: Tenants) -> None:
    """With a tenant's session cookie, too: it belongs to that tenant's host."""
    values = {name: _public_value(route, name) for name in route.parameters}
    for key in (None, tenants.a.owner.session_key):
        for method in ("GET", "POST"):
            text = whole(ask(browser("localhost:8000", key), method, route, values))
            for cast in tenants:
                assert cast.marker not in text
                assert cast.schema not in text


PUBLIC_PARAMETERS = {
    "uidb36": "1",
    "key": "nothing",
    "token": "nothing",
    "app_label": "tenants",
    "url": "nothing",
    "object_id": "1",
}


def _public_value(route: Route, name: str) -> str:
    if name not in PUBLIC_PARAMETERS:
        raise fillers.UnknownParameter(f"{route}: add {name} to PUBLIC_PARAMETERS")
    return PUBLIC_PARAMETERS[name]


def test_an_unknown_parameter_fails_the_matrix() -> None:
    with pytest.raises(fillers.UnknownParameter):
        fillers.pick_for("/live/{thing_id}/", "thing_id")
    with pytest.raises(fillers.UnknownParameter):
        fillers.pick_for("/admin/chat/thing/{object_id}/", "object_id")


def test_every_exception_is_still_needed() -> None:
    names = {str(route) for route in tenant_routes()}
    listed = exceptions.NO_OWN_TEXT.keys() | exceptions.BODIES.keys() | exceptions.FORMS.keys()
    listed |= exceptions.PREPARE.keys()
    assert not listed - names


def test_the_matrix_sees_the_whole_product() -> None:
    names = {str(route) for route in tenant_routes()}
    assert len(names) > 60
    assert {"home", "widget_session", "livesupport:claim", "admin:chat_conversation_change"} <= names


@pytest.mark.parametrize("letter", LETTERS)
def test_a_visitors_file_opens_with_their_own_token_only(letter: str, tenants: Tenants) -> None:
    cast: Cast = getattr(tenants, letter)
    own, nowhere = cast.thread, {"attachment_id": fillers.MISSING_UUID}
    before = fingerprints(tenants)

    def get(token: str, attachment_id: object) -> Seen:
        client = browser(cast.http_host, authorization=f"Bearer {token}")
        values = {"attachment_id": str(attachment_id)}
        return seen(client.get(f"/widget/attachment/{attachment_id}"), values)

    assert get(own.token, own.attachment_id).status == 200
    missing = get(own.token, nowhere["attachment_id"])
    assert missing.status == 404
    foreign = [cast.other_thread, *(t for other in tenants.others(cast) for t in (other.thread, other.other_thread))]
    for thread in foreign:
        assert get(own.token, thread.attachment_id) == missing
    for other in tenants.others(cast):
        assert get(other.thread.token, own.attachment_id).status == 401
        assert get(other.thread.token, other.thread.attachment_id).status == 401
    assert fingerprints(tenants) == before


@pytest.mark.parametrize("letter", LETTERS)
def test_a_visitors_token_posts_files_to_their_own_conversation_only(letter: str, tenants: Tenants) -> None:
    cast: Cast = getattr(tenants, letter)
    form = exceptions.FORMS["livesupport:attach"]
    before = fingerprints(tenants)
    for other in tenants.others(cast):
        client = browser(cast.http_host, authorization=f"Bearer {other.thread.token}")
        assert client.post("/widget/attachment", form()).status_code == 401
    assert fingerprints(tenants) == before
    sender = browser(cast.http_host, authorization=f"Bearer {cast.thread.token}")
    assert sender.post("/widget/attachment", form()).status_code == 200
    after = fingerprints(tenants)
    assert {schema for schema in after if after[schema] != before[schema]} == {cast.schema}


def _session(cast: Cast, token: str | None) -> dict[str, str]:
    body = json.dumps({"project": cast.project_key, "token": token, "language": "en"})
    response = browser(cast.http_host).post("/widget/session", body, content_type="application/json")
    return response.json()


@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_a_visitors_token_opens_their_own_conversation_only(letter: str, tenants: Tenants) -> None:
    cast: Cast = getattr(tenants, letter)
    for thread in (cast.thread, cast.other_thread):
        assert _session(cast, thread.token)["conversation"] == str(thread.conversation_id)
    known = {str(t.conversation_id) for each in tenants for t in (each.thread, each.other_thread)}
    for token in ("missing" * 6, *(other.thread.token for other in tenants.others(cast))):
        fresh = _session(cast, token)
        assert fresh["conversation"] not in known
        assert fresh["token"] != token
