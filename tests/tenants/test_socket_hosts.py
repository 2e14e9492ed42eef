"""Sockets find their tenant by the Host header, or are refused in the handshake."""

from typing import Any

import pytest

from tenants.asgi import TenantHostRouter, comes_from_own_page, only_header, session_key
from tests.cast import Cast

Headers = list[tuple[bytes, bytes]]


async def handshake(headers: Headers) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the router sent, and the scopes that reached the application behind it."""
    sent: list[dict[str, Any]] = []
    reached: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(dict(scope))
        await send({"type": "websocket.accept"})

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await TenantHostRouter(app)({"type": "websocket", "path": "/ws/desk/", "headers": headers}, receive, send)
    return sent, reached


async def test_a_socket_to_a_tenants_host_carries_its_schema(fresh_tenant: Cast) -> None:
    sent, reached = await handshake([(b"host", fresh_tenant.http_host.upper().encode())])
    assert [message["type"] for message in sent] == ["websocket.accept"]
    assert reached[0]["schema"] == fresh_tenant.schema
    assert reached[0]["tenant_id"] == fresh_tenant.tenant_id
    assert reached[0]["host"] == fresh_tenant.host


@pytest.mark.parametrize("host", [b"localhost:8000", b"evil.example", b"127.0.0.1", b"", b"\xff\xfe", b"a b", b"[::1]"])
async def test_a_socket_to_any_other_host_is_refused_before_it_opens(fresh_tenant: Cast, host: bytes) -> None:
    sent, reached = await handshake([(b"host", host)])
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert reached == []


async def test_a_doubled_or_missing_host_header_is_refused(fresh_tenant: Cast) -> None:
    own = (b"host", fresh_tenant.http_host.encode())
    for headers in ([], [own, own], [own, (b"Host", b"evil.example")], [(b"x-forwarded-host", own[1])]):
        sent, reached = await handshake(headers)
        assert [message["type"] for message in sent] == ["websocket.close"]
        assert reached == []


async def test_the_first_header_is_not_mistaken_for_the_host(fresh_tenant: Cast) -> None:
    _, reached = await handshake([(b"origin", b"http://evil.example"), (b"host", fresh_tenant.http_host.encode())])
    assert reached[0]["host"] == fresh_tenant.host


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "websocket", "headers": list(headers)}


def test_only_a_page_of_the_host_itself_may_use_its_cookie() -> None:
    host = (b"host", b"acme.localhost:8000")
    assert comes_from_own_page(scope(host, (b"origin", b"http://acme.localhost:8000")))
    for origin in (b"http://evil.example", b"http://localhost:8000", b"null", b"http://acme.localhost:8000\xff"):
        assert not comes_from_own_page(scope(host, (b"origin", origin)))
    assert not comes_from_own_page(scope(host))
    twice = (b"origin", b"http://acme.localhost:8000")
    assert not comes_from_own_page(scope(host, twice, twice))
    assert only_header(scope(host), b"origin") is None


def test_the_session_key_is_read_from_the_cookies() -> None:
    assert session_key(scope((b"cookie", b"a=1; sessionid=abc"))) == "abc"
    assert session_key(scope((b"cookie", b"a=1"), (b"cookie", b"sessionid=abc"))) == "abc"
    assert session_key(scope((b"cookie", b"nothing"))) == ""
    assert session_key(scope()) == ""
