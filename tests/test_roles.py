"""docs/roles.md is true: every row is tried at the real address with every role, and every address has a row."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from uuid import uuid4

import pytest
from django.db import transaction
from django.http import HttpResponse

from chat import actions as chat
from chat.errors import ChatError
from tests.admin.forms import filled
from tests.cast import Cast, Person
from tests.conftest import Tenants
from tests.house import ROOT
from tests.matrix import exceptions, fillers
from tests.matrix.routes import Route, tenant_routes
from tests.matrix.state import fingerprints

ROLES = ("owner", "admin", "agent", "analyst")
ROW = re.compile(r"^\| ([^|]+) \| (`[^|]+`) \| (yes|no) \| (yes|no) \| (yes|no) \| (yes|no) \|$", re.M)
ADDRESS = re.compile(r"`(GET|POST|SOCKET) (\S+)((?: \w+=\S+)*)`")
OPEN = ("/", "/enter/", "/leave/", "/widget*", "/content/*")
# POSTs whose "yes" changes no row of the tenant in this cast: why.
NO_EFFECT = {
    "/live/slack/act/": "Needs a connected workspace; tests/livesupport/slack has one.",
    "/plan/start/": "No payment provider is bound.",
    "/plan/cancel/": "Writes the shared table; tests of the plan look there.",
    "/plan/keep/": "As /plan/cancel/.",
}


@dataclass(frozen=True)
class Try:
    """One address of one row, and which roles may."""

    what: str
    method: str
    path: str
    form: tuple[tuple[str, str], ...]
    may: tuple[bool, ...]

    def __str__(self) -> str:
        return " ".join((self.method, self.path, *(f"{name}={value}" for name, value in self.form)))


def tries() -> list[Try]:
    found = []
    for what, addresses, *cells in ROW.findall((ROOT / "docs" / "roles.md").read_text(encoding="utf-8")):
        for method, path, form in ADDRESS.findall(addresses):
            pairs = tuple((pair.split("=")[0], pair.split("=")[1]) for pair in form.split())
            found.append(Try(what, method, path, pairs, tuple(cell == "yes" for cell in cells)))
    return found


TRIES = tries()
ROUTES = {route.path: route for route in tenant_routes()}
SINGLE = [one for one in TRIES if "*" not in one.path and one.method != "SOCKET"]
CELLS = [(one, role) for one in SINGLE for role in ROLES]


def person(cast: Cast, role: str) -> Person:
    found: Person = getattr(cast, role)
    return found


def prepare(route: Route, cast: Cast, role: str) -> None:
    """What must be so for the deed to be possible: whoever may, holds the conversation."""
    if str(route) in ("livesupport:release", "livesupport:hand_back", "livesupport:attach"):
        cast.client(person(cast, role)).post(f"/live/c/{cast.thread.conversation_id}/claim/")
    elif str(route) == "livesupport:edit" and role in ROLES[:3]:
        given = {"conversation_id": cast.thread.conversation_id, "seat_id": person(cast, role).seat_id}
        cast.run(chat.post_as_seat, draft=chat.Draft("Between us.", note=True), **given)
    elif str(route) in exceptions.PREPARE:
        exceptions.PREPARE[str(route)](cast, cast.thread)


def ask(one: Try, cast: Cast, role: str) -> HttpResponse:
    route = ROUTES[one.path]
    url = route.url(fillers.own(route, cast))
    client = cast.client(person(cast, role))
    if one.method == "GET":
        return client.get(url)
    form: dict[str, object] = {**exceptions.BODIES.get(str(route), {}), **dict(one.form)}
    if str(route) in exceptions.FORMS:
        form |= exceptions.FORMS[str(route)]()
    if str(route) == "admin:workspace_project_change":
        form |= filled(cast.client(cast.owner), url, name="Renamed")
    return client.post(url, form)


def tried(one: Try, cast: Cast, tenants: Tenants, role: str) -> tuple[int, bool]:
    """(status, whether any row of any tenant changed); undone afterwards."""
    with transaction.atomic():
        prepare(ROUTES[one.path], cast, role)
        before = fingerprints(tenants)
        status = ask(one, cast, role).status_code
        changed = fingerprints(tenants) != before
        transaction.set_rollback(True)
    return status, changed


@pytest.mark.parametrize(("one", "role"), CELLS, ids=lambda value: str(value))
def test_the_cell_is_true(one: Try, role: str, tenants: Tenants) -> None:
    status, changed = tried(one, tenants.a, tenants, role)
    if not one.may[ROLES.index(role)]:
        # 200 and 302 come from the settings' forms, which say the refusal on the page; 409: they hold nothing.
        assert not changed
        assert status in ((403, 409) if not one.path.startswith("/admin/") or role in ROLES[2:] else (200, 302, 403))
    elif one.method == "GET" or one.path in NO_EFFECT:
        assert status < 400 or (one.path == "/live/slack/finish/" and status == 400)
    else:
        assert status < 400
        assert changed


@pytest.mark.parametrize("role", ROLES)
def test_writing_is_for_those_who_talk(role: str, tenants: Tenants) -> None:
    (one,) = [one for one in TRIES if one.method == "SOCKET"]
    may = one.may[ROLES.index(role)]
    cast = tenants.a
    with cast.inside():
        seat_id, conversation = person(cast, role).seat_id, cast.thread.conversation_id
        with suppress(ChatError):
            chat.claim_conversation(conversation_id=conversation, seat=person(cast, role).seat)
        for note in (False, True):
            before = fingerprints(tenants)
            with suppress(ChatError):
                draft = chat.Draft(text="Hello", client_id=uuid4(), note=note)
                chat.post_as_seat(conversation_id=conversation, seat_id=seat_id, draft=draft)
            assert (fingerprints(tenants) != before) == may


def matching(one: Try) -> list[Route]:
    return [route for path, route in ROUTES.items() if fnmatch(path, one.path)]


@pytest.mark.parametrize("role", ROLES)
def test_a_star_stands_for_every_address_below_it(role: str, tenants: Tenants) -> None:
    cast = tenants.a
    client = cast.client(person(cast, role))
    before = fingerprints(tenants)
    for one in (one for one in TRIES if "*" in one.path):
        may = one.may[ROLES.index(role)]
        for route in matching(one):
            url = route.url(fillers.own(route, cast))
            if not may:
                answer = client.get(url) if one.method == "GET" else client.post(url, {})
                assert answer.status_code == 403, (one.method, url)
            elif one.method == "GET" and str(route).endswith(("_changelist", "_history", ":index")):
                assert client.get(url).status_code == 200, url
    assert fingerprints(tenants) == before


def test_every_address_has_a_row() -> None:
    patterns = [*OPEN, *(one.path for one in TRIES)]
    missing = [path for path in ROUTES if not any(path == each or fnmatch(path, each) for each in patterns)]
    assert not missing


def test_every_row_names_an_address_that_exists() -> None:
    assert len(TRIES) > 35
    assert [str(one) for one in SINGLE if one.path not in ROUTES] == []
    lines = [line for line in (ROOT / "docs" / "roles.md").read_text().splitlines() if line.startswith("| ")]
    assert len(lines) - 1 == len({one.what for one in TRIES})
    assert NO_EFFECT.keys() <= {one.path for one in SINGLE}


def test_a_wrong_cell_would_be_found(tenants: Tenants) -> None:
    """The test itself: a "no" that is a "yes" in truth changes rows, and a "yes" that is a "no" changes none."""
    claim = next(one for one in SINGLE if one.path.endswith("/claim/"))
    assert tried(claim, tenants.a, tenants, "agent") == (200, True)
    assert tried(claim, tenants.a, tenants, "analyst") == (403, False)
