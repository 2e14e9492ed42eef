"""The visitor's socket over plain HTTP, for networks that let no WebSocket through: the same frames, the same
cursor, the same commands (docs/protocol.md, *Without WebSocket*).

Beside Django, not in it: a request that Django holds keeps a thread and a database connection for as long.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django.db import Error as DatabaseError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat import frames, policies
from chat.consumers import VisitorConsumer
from chat.draining import drain
from chat.errors import BadFrame, NotSignedIn, Unavailable
from tenants.asgi import Receive, Scope, Send, only_header
from tenants.errors import ProductError
from tenants.schema import hop

log = logging.getLogger(__name__)
HOLD_SECONDS = 20.0
# Between two requests of a tab; then it counts as gone, as a closed socket does.
LINGER_SECONDS = 15.0
GATHER_SECONDS = 0.05
MOST_LINKS = 2000
MOST_PER_VISITOR = 8
MOST_WAITING = 1000
MOST_FRAMES = 50
MOST_BODY_BYTES = 128 * 1024
LONGEST_TOKEN = 200
GONE_WRONG = 1011
_STATUS = {"bad_frame": 400, "too_large": 413, "not_signed_in": 401, "unavailable": 503}
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
_PREFLIGHT = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"600"),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PollBody(_Body):
    """`link` is the tab's own name for this stretch of polling; `hello` is the socket's, without its token."""

    link: str = Field(pattern=r"^[0-9a-f-]{36}$")
    hello: dict[str, Any]


class SendBody(_Body):
    """Commands, in order."""

    frames: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_FRAMES)


class TooLarge(ProductError):
    """The body is over 128 KiB."""

    code = "too_large"
    sentence = "That is more than may be sent at once."


class Link:
    """One tab's socket, kept open between its requests: a consumer that hears and speaks through queues."""

    def __init__(self, place: Scope, ended: Callable[[], None]) -> None:
        self.closed: int | None = None
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._waiting: deque[str] = deque()
        self._stirred = asyncio.Event()
        self._holder: object = None
        self._ended = ended
        self._given = 0
        self._consumer: Any = VisitorConsumer()
        self._leaves: asyncio.TimerHandle | None = None
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._run({**place, "type": "websocket"}))

    async def _run(self, scope: Scope) -> None:
        try:
            await self._consumer(scope, self._incoming.get, self._heard)
        finally:
            self.end(GONE_WRONG)
            self._ended()

    async def _heard(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.close":
            self.end(event.get("code") or 1000)
        elif event["type"] == "websocket.send":
            self._waiting.append(event["text"])
            self._stirred.set()
            if len(self._waiting) > MOST_WAITING:
                self.end(GONE_WRONG)  # nobody fetches: the log will tell them, when they come back

    def end(self, code: int = 1000) -> None:
        """Close; the tab is told with its next answer."""
        if self.closed is None:
            self.closed = code
            self._stirred.set()
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    def say(self, frame: dict[str, Any]) -> None:
        """What the tab sends over its socket."""
        self._incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def take(self, seq: int) -> bytes:
        """What there is to tell a tab that has shown the log up to `seq`; held until there is something. A newer
        request of the same tab gets it instead."""
        if self._leaves:
            self._leaves.cancel()
        self._holder = mine = object()
        self._stirred.set()
        if seq < self._given:  # the answer that held the rest was lost: all over again, in order
            self._waiting.clear()
            self.say({"type": "resume", "seq": seq})
        try:
            async with asyncio.timeout(HOLD_SECONDS):
                await self._something(mine)
                await asyncio.sleep(GATHER_SECONDS)
        except TimeoutError:
            pass
        finally:
            if self._holder is mine:
                self._leaves = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.end)
        return self._drained() if self._holder is mine else b'{"frames":[]}'

    async def _something(self, mine: object) -> None:
        while self._holder is mine and not self._waiting and self.closed is None:
            self._stirred.clear()
            await self._stirred.wait()

    def _drained(self) -> bytes:
        self._given = max(self._consumer.cursors.values(), default=self._given)
        told = ",".join(self._waiting)
        self._waiting.clear()
        return f'{{"frames":[{told}],"closed":{json.dumps(self.closed)}}}'.encode()


class Links:
    """The tabs that poll this process."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str, str], Link] = {}

    def of(self, place: Scope, hello: frames.VisitorHello, name: str) -> Link:
        """The tab's link; a new one, which says the hello, if this process has none. Raises Unavailable."""
        key = (str(place["schema"]), hello.token, name)
        if (known := self._links.get(key)) is not None and known.closed is None:
            return known
        mine = [found for found in self._links if found[:2] == key[:2]]
        if drain.begun or (len(self._links) >= MOST_LINKS and len(mine) < MOST_PER_VISITOR):
            raise Unavailable
        for oldest in mine[: max(0, len(mine) + 1 - MOST_PER_VISITOR)]:
            self._links.pop(oldest).end()
        made = Link(place, lambda: self._forget(key, made))
        self._links[key] = made
        made.say(hello.model_dump(exclude_none=True))
        return made

    def _forget(self, key: tuple[str, str, str], link: Link) -> None:
        if self._links.get(key) is link:
            del self._links[key]

    def __len__(self) -> int:
        return len(self._links)


links = Links()


class Errand(VisitorConsumer):
    """A visitor's commands that came in a request: obeyed as on a socket, and answered together."""

    def __init__(self, place: Scope, conversation: str) -> None:
        super().__init__()
        self.stand(dict(place))
        self.greeted, self.conversation = True, conversation
        self.answered: list[dict[str, Any]] = []
        self.closed: int | None = None

    async def tell(self, frame: dict[str, Any]) -> None:
        self.answered.append(frame)

    async def close(self, code: Any = None, reason: Any = None) -> None:
        """The tab is told with the answer: it begins anew, and sends what was not acknowledged again, in order."""
        self.closed = self.closed or code


async def poll(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST /widget/poll`: what is new for a tab, held until there is something."""
    await _serve(_poll, scope, receive, send)


async def send(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST /widget/send`: a visitor's commands, and their answers."""
    await _serve(_send, scope, receive, send)


async def _poll(scope: Scope, token: str, body: bytes) -> bytes:
    asked = _parsed(PollBody, body)
    hello = frames.parse(json.dumps({**asked.hello, "token": token}), desk=False)
    if not isinstance(hello, frames.VisitorHello):
        raise BadFrame("hello is a hello.")
    return await links.of(scope, hello, asked.link).take(hello.seq)


async def _send(scope: Scope, token: str, body: bytes) -> bytes:
    asked = _parsed(SendBody, body)
    if drain.begun:
        raise Unavailable
    errand = Errand(scope, await hop(scope["schema"], _conversation_of, token))
    for frame in asked.frames:
        await errand.receive(json.dumps(frame))
    return json.dumps({"frames": errand.answered, "closed": errand.closed}, ensure_ascii=False).encode()


def _conversation_of(token: str) -> str:
    return str(policies.get_conversation_of(token).pk)


Asked = TypeVar("Asked", bound=_Body)


def _parsed(kind: type[Asked], body: bytes) -> Asked:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise BadFrame(f"The body is an object with {', '.join(kind.model_fields)}.") from error


Handler = Callable[[Scope, str, bytes], Awaitable[bytes]]


async def _serve(handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request; drop what was held for it when its client goes away."""
    if scope["method"] == "OPTIONS":
        await _answer(send, 204, _PREFLIGHT)
        return
    if scope["method"] != "POST":
        await _answer(send, 405, [(b"allow", b"POST, OPTIONS")])
        return
    try:
        token, body = _bearer(scope), await _body(receive)
        work = asyncio.ensure_future(handler(scope, token, body))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and handler is _send:
                await asyncio.wait({work})  # a command is never left half done
        finally:
            gone.cancel()
            work.cancel()
        if not work.cancelled() and work.done():
            await _answer(send, 200, _HEADERS, work.result())
    except DatabaseError:
        log.exception("a request met a database error")
        await _refuse(send, Unavailable())
    except ProductError as error:
        await _refuse(send, error)


async def _refuse(send: Send, error: ProductError) -> None:
    refusal = json.dumps({"code": error.code, "sentence": error.sentence}).encode()
    await _answer(send, _STATUS.get(error.code, 503 if error.retryable else 403), _HEADERS, refusal)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
    stated = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": stated})
    await send({"type": "http.response.body", "body": body})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    taken = bytearray()
    while True:
        message: dict[str, Any] = await receive()
        taken += message.get("body", b"")
        if len(taken) > MOST_BODY_BYTES:
            raise TooLarge
        if not message.get("more_body"):
            return bytes(taken)


def _bearer(scope: Scope) -> str:
    kind, _, token = (only_header(scope, b"authorization") or "").partition(" ")
    if kind.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
        raise NotSignedIn
    return token
