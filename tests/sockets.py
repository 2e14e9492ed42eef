"""Sockets for tests: in this process (`Socket`), or to a real server (`connect`). Hosts never touch DNS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import uuid4

import websockets
from channels.testing import WebsocketCommunicator
from django.conf import settings

from builtabot.asgi import application
from tests.cast import Cast, Person

VISITOR, DESK = "/ws/visitor/", "/ws/desk/"
QUIET_SECONDS = 0.25


class Socket:
    """A socket of the ASGI application in this process, as one client sees it."""

    def __init__(self, path: str, host: str, *, session_key: str = "", origin: str | None = None) -> None:
        headers = [(b"host", host.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        if session_key:
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session_key}".encode()))
        self._link = WebsocketCommunicator(application, path, headers=headers)
        self.is_open = False

    @classmethod
    def of_visitor(cls, cast: Cast) -> Self:
        return cls(VISITOR, cast.http_host, origin="https://shop.example")

    @classmethod
    def of_desk(cls, cast: Cast, person: Person) -> Self:
        return cls(DESK, cast.http_host, session_key=person.session_key, origin=cast.origin)

    async def __aenter__(self) -> Self:
        self.is_open, _ = await self._link.connect(timeout=5)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._link.disconnect(timeout=5)

    async def send(self, type_: str, **fields: Any) -> None:
        await self._link.send_to(text_data=json.dumps({"type": type_, **fields}))

    async def answers(self) -> list[dict[str, Any]]:
        """What the commands sent so far are answered with: up to the error that a nonsense frame gets after
        them (a socket answers in order), or to the close."""
        await self.send("nonsense")
        found = []
        while (frame := await self._next(10)).get("code") != "bad_frame":
            found.append(frame)
            if frame["type"] == "close":
                break
        return found

    async def overheard(self, quiet_seconds: float = QUIET_SECONDS) -> list[dict[str, Any]]:
        """What comes unasked, until it has been quiet for a while."""
        found = []
        while not await self._link.receive_nothing(timeout=quiet_seconds, interval=0.01):
            found.append(await self._next(1))
        return found

    async def _next(self, seconds: float) -> dict[str, Any]:
        event = await self._link.receive_output(timeout=seconds)
        if event["type"] == "websocket.close":
            return {"type": "close", "code": event.get("code")}
        frame: dict[str, Any] = json.loads(event["text"])
        return frame


@asynccontextmanager
async def connect(port: int, host: str, path: str, **headers: str) -> AsyncIterator[websockets.ClientConnection]:
    """A real socket to a server on 127.0.0.1 under the name of a host."""
    address = f"ws://{host}:{port}{path}"
    async with websockets.connect(
        address, host="127.0.0.1", port=port, additional_headers=headers, max_size=2**20, open_timeout=30
    ) as link:
        yield link


async def read_until(link: websockets.ClientConnection, type_: str, *, seconds: float = 20) -> dict[str, Any]:
    """The next frame of a type; others are passed over."""
    async with asyncio.timeout(seconds):
        while True:
            frame: dict[str, Any] = json.loads(await link.recv())
            if frame["type"] == type_:
                return frame


def client_id() -> str:
    return str(uuid4())
