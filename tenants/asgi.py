"""The side of "the host decides the tenant" that Django's middleware does not see: sockets, and held requests."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from django.db import Error as DatabaseError

from tenants.access import session_key_in
from tenants.hosts import Place, is_origin_of, parse_host, place_of
from tenants.schema import PUBLIC, hop

log = logging.getLogger(__name__)
AGAIN_LATER = 1013
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class LimitedBody:
    """Refuses a request whose body is too large for anything that may be sent here, before it is taken in: by the
    length it states, or else when more than that has come. Views set their own, smaller bounds."""

    def __init__(self, app: App, largest_bytes: int) -> None:
        self.app = app
        self.largest_bytes = largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stated = only_header(scope, b"content-length") or "0"
        if not stated.isdecimal() or len(stated) > 15 or int(stated) > self.largest_bytes:
            await _refuse_body(send)
            return
        taken = 0

        async def counted() -> Any:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            # Django takes this as a client that went away, and answers nothing.
            return message if taken <= self.largest_bytes else {"type": "http.disconnect"}

        await self.app(scope, counted, send)
        if taken > self.largest_bytes:
            await _refuse_body(send)


async def _refuse_body(send: Send) -> None:
    body = b'{"code": "too_large", "sentence": "That is more than may be sent at once."}'
    headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _come_again(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await receive()
        await send({"type": "websocket.close", "code": AGAIN_LATER})
        return
    body = b'{"code": "unavailable", "sentence": "That did not reach us. It will be sent again.", "retryable": true}'
    headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*"), (b"retry-after", b"2")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class TenantHostRouter:
    """Puts `schema`, `tenant_id` and `host` (without port) into the scope of a socket or request.

    Sockets to unknown hosts, to the public host, or with anything but one well-formed Host header are
    refused in the handshake; requests get nothing, with 404. While the database cannot say,
    both are told to come again.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            place = await self._place(scope)
        except DatabaseError:
            log.exception("the database could not say whose host it is")
            await _come_again(scope, receive, send)
            return
        if (place is None or place.is_public) and scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        if place is None or place.is_public:
            await receive()
            await send({"type": "websocket.close", "code": 4404})
            return
        scope = {**scope, "schema": place.schema, "tenant_id": place.tenant_id, "host": place.host}
        await self.app(scope, receive, send)

    async def _place(self, scope: Scope) -> Place | None:
        header = only_header(scope, b"host")
        host = parse_host(header) if header else None
        return await hop(PUBLIC, place_of, host) if host else None


def only_header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that came exactly once, in ASCII; else None."""
    headers: Iterable[tuple[bytes, bytes]] = scope.get("headers", ())
    values = [value for key, value in headers if key.lower() == name]
    if len(values) != 1 or not values[0].isascii():
        return None
    return values[0].decode("ascii")


def comes_from_own_page(scope: Scope) -> bool:
    """Whether the socket's Origin is the very host it was opened to, so that its cookie may be trusted."""
    origin, host = only_header(scope, b"origin"), only_header(scope, b"host")
    return bool(origin and host and is_origin_of(origin, host))


def session_key(scope: Scope) -> str:
    """The session key that the socket's cookies carry; empty when there is none."""
    headers: Iterable[tuple[bytes, bytes]] = scope.get("headers", ())
    cookies = "; ".join(value.decode("latin-1") for key, value in headers if key.lower() == b"cookie")
    return session_key_in(cookies)
