"""A tab that polls the ASGI application in this process, as one client sees it. Hosts never touch DNS."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from asgiref.testing import ApplicationCommunicator

from builtabot.asgi import application
from tests.cast import Cast

POLL, SEND = "/widget/poll", "/widget/send"


class Answer:
    """Status and body of an answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Request:
    """One request that may be held, and given up."""

    def __init__(self, path: str, host: str, body: object = b"", *, token: str = "", method: str = "POST") -> None:
        headers = [(b"host", host.encode()), (b"origin", b"https://shop.example")]
        if token:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
                 "query_string": b"", "root_path": "", "scheme": "http", "headers": headers,
                 "client": ["127.0.0.1", 1], "server": ["127.0.0.1", 8000]}  # fmt: skip
        self._link = ApplicationCommunicator(application, scope)
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def begin(self) -> Request:
        await self._link.send_input({"type": "http.request", "body": self._body})
        return self

    async def give_up(self) -> None:
        """The client closes its connection."""
        await self._link.send_input({"type": "http.disconnect"})
        await self._link.wait(5)

    async def nothing(self, seconds: float = 0.2) -> bool:
        """Whether it is held that long."""
        return await self._link.receive_nothing(seconds)

    async def answer(self, seconds: float = 10) -> Answer:
        start = await self._link.receive_output(seconds)
        body = await self._link.receive_output(seconds)
        await self._link.wait(5)
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, body.get("body", b""))


class Tab:
    """A visitor's tab: `log` holds the texts it shows, each at its place, as docs/protocol.md asks of a client."""

    def __init__(self, cast: Cast, token: str) -> None:
        self.cast, self.token = cast, token
        self.link = str(uuid4())
        self.seq = 0
        self.log: list[str] = []

    def body(self) -> dict[str, Any]:
        return {"link": self.link, "hello": {"type": "hello", "v": 1, "seq": self.seq}}

    async def hold(self) -> Request:
        return await Request(POLL, self.cast.http_host, self.body(), token=self.token).begin()

    def take(self, answer: Answer) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = answer.json["frames"]
        for frame in found:
            if frame["type"] == "message" and frame["prev"] == self.seq:
                self.seq = frame["seq"]
                self.log.append(frame["text"])
        return found

    async def poll(self) -> list[dict[str, Any]]:
        answer = await (await self.hold()).answer()
        assert answer.status == 200, answer.body
        return self.take(answer)

    async def poll_until(self, type_: str, **fields: Any) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                for frame in await self.poll():
                    if frame["type"] == type_ and fields.items() <= frame.items():
                        return frame

    async def send(self, *frames: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await (await Request(SEND, self.cast.http_host, {"frames": frames}, token=self.token).begin()).answer()
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.json["frames"]
        return found

    async def says(self, text: str, client_id: str = "") -> dict[str, Any]:
        frame = {"type": "message.send", "client_id": client_id or str(uuid4()), "text": text}
        return (await self.send(frame))[0]
