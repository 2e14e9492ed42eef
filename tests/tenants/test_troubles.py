"""What people and programs read while the database does not do its part: that it may work again, on every host."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.db import (
    DatabaseError,
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from livesupport import views
from tenants import asgi, middleware, troubles
from tenants.asgi import TenantHostRouter
from tests.cast import browser
from tests.conftest import Tenants

PAGE = {"Accept": "text/html"}
SCRIPT = {"Accept": "text/html, application/json", "Sec-Fetch-Mode": "cors"}


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize("error", [OperationalError("deadlock detected"), InterfaceError("closed")])
def test_a_page_the_database_refuses_says_to_try_again(
    tenants: Tenants, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "listing", raising(error))
    client = tenants.a.client(tenants.a.agent)
    client.raise_request_exception = False
    page, part = client.get("/live/", headers=PAGE), client.get("/live/queue/", headers=SCRIPT)
    assert (page.status_code, part.status_code) == (503, 503)
    assert page["Retry-After"] == part["Retry-After"] == "2"
    assert "in a moment" in page.content.decode()
    assert part.json() == {"code": "unavailable", "sentence": troubles.SENTENCE, "retryable": True}


@pytest.mark.parametrize("host", ["localhost:8000", "team1.localhost:8000"])
def test_a_host_that_cannot_be_looked_up_says_so_too(host: str, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(middleware, "tenant_at", raising(OperationalError("the connection is gone")))
    client = browser(host)
    client.raise_request_exception = False
    assert client.get("/", headers=PAGE).status_code == 503
    assert client.post("/x/", {}, headers=SCRIPT).json()["code"] == "unavailable"


@pytest.mark.parametrize("error", [ProgrammingError("no such column"), ValueError("ours"), DatabaseError("ours")])
def test_a_fault_of_ours_stays_one(tenants: Tenants, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "listing", raising(error))
    client = tenants.a.client(tenants.a.agent)
    client.raise_request_exception = False
    answer = client.get("/live/", headers=PAGE)
    assert answer.status_code == 500
    assert "broke on our side" in answer.content.decode()


@pytest.fixture
def another(db: None) -> Any:
    """A connection of its own to this run's database."""
    made: BaseDatabaseWrapper = connections.create_connection("default")
    made.settings_dict = connection.settings_dict
    yield made
    made.close()


@pytest.mark.parametrize(
    ("limit", "sql"),
    [
        ("statement_timeout", "SELECT pg_sleep(5)"),
        ("idle_in_transaction_session_timeout", "SELECT 1"),
        ("lock_timeout", "SELECT pg_advisory_lock(4711)"),
    ],
)
def test_every_limit_on_waiting_is_a_passing_trouble(another: Any, limit: str, sql: str) -> None:
    with connection.cursor() as mine:
        mine.execute("SELECT pg_advisory_xact_lock(4711)")
    another.set_autocommit(False)
    with another.cursor() as theirs:
        theirs.execute(f"SET {limit} = '20ms'")
        time.sleep(0.1)
        with pytest.raises(Error) as met:
            theirs.execute(sql)
    assert troubles.is_passing(met.value)


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_neither_is_a_socket_told_that_its_host_is_nobodys(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "hop", raising(OperationalError("the connection is gone")))
    said: list[dict[str, Any]] = []

    async def app(*_: Any) -> None:
        raise AssertionError("nobody knows whose it is")

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await TenantHostRouter(app)({"type": kind, "headers": [(b"host", b"team1.localhost:8000")]}, receive, send)
    assert (said[0].get("status"), said[0].get("code")) == ((503, None) if kind == "http" else (None, 1013))
