"""Every registered address x three tenants x {own id, another visitor's, another tenant's, missing}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.cast import Cast, Person, browser
from tests.conftest import Tenants
from tests.matrix import exceptions, fillers
from tests.matrix.routes import Route, public_routes, tenant_routes
from tests.matrix.state import fingerprints

ROUTES = [route for route in tenant_routes() if str(route) not in exceptions.SKIPPED]
ROLES = ("owner", "agent", "analyst")
# What is different in every answer and says nothing: nonces, form tokens, times to the second.
PASSING = re.compile(
    r'nonce="[^"]*"|name="csrfmiddlewaretoken" value="[^"]*"|csrf[-_\w]*["\']?\s*[:=]\s*["\'][^"\']*["\']'
    r"|content=\"\w{64}\"|\d{4}-\d\d-\d\dT[\d:.+]+|\b\d+ (?:s|seconds?|min|minutes?)\b"
)


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
    return Seen(response.status_code, PASSING.sub("", body), location)


def whole(response: HttpResponse) -> str:
    """Everything an asker can read: status line, headers, cookies, body."""
    raw = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{response.headers} {response.cookies} {raw.decode('utf-8', 'replace')}"


def ask(client: Client, method: str, route: Route, values: dict[str, str]) -> HttpResponse:
    client.raise_request_exception = True
    if method == "POST":
        return client.post(route.url(values), {}, follow=False)
    return client.get(route.url(values))


def with_ids(route: Route) -> bool:
    return bool(route.parameters)


def allowed(cast: Cast, person: Person, route: Route, method: str) -> bool:
    values = fillers.own(str(route), route.parameters, cast, cast.thread)
    return ask(cast.client(person), method, route, values).status_code != 405


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_parameter_is_known(route: Route, tenants: Tenants) -> None:
    assert fillers.own(str(route), route.parameters, tenants.a, tenants.a.thread).keys() == set(route.parameters)


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_no_answer_carries_another_tenants_text(route: Route, letter: str, tenants: Tenants) -> None:
    """Whoever asks, by whatever method, with whatever id: the others' markers are not in the answer."""
    cast: Cast = getattr(tenants, letter)
    for person in (*cast.people, None):
        client = cast.client(person)
        for values in _ids(route, cast, tenants):
            for method in ("GET", "POST"):
                _check_no_leak(ask(client, method, route, values), cast, tenants)


def _ids(route: Route, cast: Cast, tenants: Tenants) -> Iterator[dict[str, str]]:
    yield fillers.own(str(route), route.parameters, cast, cast.thread)
    if not route.parameters:
        return
    yield fillers.own(str(route), route.parameters, cast, cast.other_thread)
    for other in tenants.others(cast):
        yield fillers.own(str(route), route.parameters, other, other.thread)
    yield fillers.missing(str(route), route.parameters, cast)


def _check_no_leak(response: HttpResponse, cast: Cast, tenants: Tenants) -> None:
    text = whole(response)
    for other in tenants.others(cast):
        assert other.marker not in text
        assert other.schema not in text


@pytest.mark.parametrize("route", [route for route in ROUTES if with_ids(route)], ids=str)
@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_another_tenants_id_is_as_good_as_none(route: Route, letter: str, tenants: Tenants) -> None:
    """Same status, same words, same place to go; and nothing changed anywhere."""
    cast: Cast = getattr(tenants, letter)
    nowhere = fillers.missing(str(route), route.parameters, cast)
    for person in (cast.owner, cast.agent):
        client = cast.client(person)
        for method in ("GET", "POST"):
            before = fingerprints(tenants)
            to_missing = seen(ask(client, method, route, nowhere), nowhere)
            for other in tenants.others(cast):
                values = fillers.own(str(route), route.parameters, other, other.thread)
                assert seen(ask(client, method, route, values), values) == to_missing
            assert fingerprints(tenants) == before
            assert to_missing.status >= 300


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_the_own_id_shows_or_does_something(route: Route, letter: str, tenants: Tenants) -> None:
    """The positive twin of every cell: with the own id the planted text is there, or the own rows change."""
    if str(route) in exceptions.NO_OWN_TEXT:
        pytest.skip(exceptions.NO_OWN_TEXT[str(route)])
    cast: Cast = getattr(tenants, letter)
    for thread in (cast.thread, cast.other_thread) if with_ids(route) else (cast.thread,):
        values = fillers.own(str(route), route.parameters, cast, thread)
        before = fingerprints(tenants)
        answers = [ask(cast.client(person), "GET", route, values) for person in (cast.owner, cast.agent)]
        shown = any(answer.status_code == 200 and cast.marker in whole(answer) for answer in answers)
        posted = not shown and [ask(cast.client(person), "POST", route, values) for person in (cast.agent, cast.owner)]
        after = fingerprints(tenants)
        changed = {schema for schema in after if after[schema] != before[schema]}
        assert shown or changed == {cast.schema}, (answers, posted, changed)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_session_of_another_host_is_a_strangers(route: Route, tenants: Tenants) -> None:
    """B's owner at A's host, with B's cookie, reads and does what a stranger does."""
    cast, other = tenants.a, tenants.b
    values = fillers.own(str(route), route.parameters, cast, cast.thread)
    for method in ("GET", "POST"):
        before = fingerprints(tenants)
        stranger = browser(cast.http_host)
        carried = browser(cast.http_host, other.session_key(other.owner))
        first, second = (seen(ask(client, method, route, values), values) for client in (stranger, carried))
        assert first == second
        assert other.marker not in first.body + second.body
        assert fingerprints(tenants) == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_an_unknown_host_gets_nothing(route: Route, tenants: Tenants) -> None:
    values = fillers.own(str(route), route.parameters, tenants.a, tenants.a.thread)
    for host in ("nobody.localhost:8000", "127.0.0.1:8000", f"x.{tenants.a.host}:8000", f"{tenants.a.host}.:8000"):
        response = browser(host, tenants.a.session_key(tenants.a.owner)).get(route.url(values))
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
    values = {name: _public_value(route, name, tenants.a) for name in route.parameters}
    for key in (None, tenants.a.session_key(tenants.a.owner)):
        for method in ("GET", "POST"):
            text = whole(ask(browser("localhost:8000", key), method, route, values))
            for cast in tenants:
                assert cast.marker not in text
                assert cast.schema not in text


PUBLIC_PARAMETERS = {"uidb36": "1", "key": "nothing", "content_type_id": "1", "app_label": "tenants", "url": "nothing"}


def _public_value(route: Route, name: str, cast: Cast) -> str:
    if name == "object_id":
        return str(fillers.pick_for(str(route), name)(cast, cast.thread))
    if name not in PUBLIC_PARAMETERS:
        raise fillers.UnknownParameter(f"{route}: add {name} to PUBLIC_PARAMETERS")
    return PUBLIC_PARAMETERS[name]


def test_an_unknown_parameter_fails_the_matrix() -> None:
    with pytest.raises(fillers.UnknownParameter):
        fillers.pick_for("live:thing", "thing_id")
    with pytest.raises(fillers.UnknownParameter):
        fillers.pick_for("admin:chat_thing_change", "object_id")


def test_every_exception_is_still_needed() -> None:
    names = {str(route) for route in tenant_routes()}
    listed = exceptions.NO_OWN_TEXT.keys() | exceptions.SKIPPED.keys() | exceptions.TELLS_APART.keys()
    assert not listed - names


def test_the_matrix_sees_the_whole_product() -> None:
    names = {str(route) for route in tenant_routes()}
    assert len(names) > 60
    assert {"home", "widget_session", "livesupport:claim", "admin:chat_conversation_change"} <= names


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
