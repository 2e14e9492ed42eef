"""What both drivers share, by the widget's own rules: a socket that comes back, an outbox, and a log that admits no
hole. The files of the same job in static/ are connection.js, outbox.js, log.js and tail.js."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from tests.faults.journal import Journal

RESUME_SECONDS, ANSWER_SECONDS, WELCOME_SECONDS = 20.0, 10.0, 12.0
FIRST_WAIT, LONGEST_WAIT = 0.6, 15.0
AGAIN_SECONDS, LONGEST_AGAIN, FLUSH_SECONDS = 8.0, 30.0, 2.0
Frame = dict[str, Any]


@dataclass
class Place:
    """Where a party connects: the ports of both web servers, as its links reach them, and its tenant's host."""

    ports: Sequence[int]
    host: str
    path: str
    cookie: str = ""

    @property
    def origin(self) -> str:
        return f"http://{self.host}:8000"

    def socket(self, port: int) -> connect:
        return connect(
            f"ws://{self.host}:8000{self.path}", host="127.0.0.1", port=port, origin=Origin(self.origin),
            additional_headers={"Cookie": self.cookie} if self.cookie else {}, proxy=None,
            ping_interval=None, open_timeout=WELCOME_SECONDS, close_timeout=0.2, max_size=None, compression=None,
        )  # fmt: skip


class Link:
    """One socket at a time, kept alive. Any of the web servers will do, as behind a load balancer."""

    def __init__(self, party: Party, place: Place, rng: random.Random) -> None:
        self._party, self._place, self._rng = party, place, rng
        self.is_open = False
        self.stopped = False
        self._out: asyncio.Queue[Frame] = asyncio.Queue()
        self._socket: ClientConnection | None = None
        self._deadline = 0.0
        self._tries = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self.stopped = True
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def send(self, frame: Frame) -> bool:
        """Hand a frame to the open socket; False when there is none."""
        if not self.is_open:
            return False
        self._out.put_nowait(frame)
        return True

    def await_answer(self) -> None:
        """Something must be heard soon, or the link is dead."""
        self._deadline = time.monotonic() + ANSWER_SECONDS

    async def _run(self) -> None:
        while not self.stopped:
            try:
                await self._connect()
            except (OSError, WebSocketException, TimeoutError, EOFError):
                pass
            except Exception as error:  # noqa: BLE001  a driver that broke must not look like a product that is silent
                self._party.note("broke", error=repr(error))
            self._party.lost()
            cap = min(LONGEST_WAIT, FIRST_WAIT * 2**self._tries)
            self._tries += 1
            await asyncio.sleep(cap / 2 + self._rng.random() * cap / 2)

    async def _connect(self) -> None:
        """Connect, and stay until the link is lost."""
        async with asyncio.timeout(WELCOME_SECONDS):
            socket = await self._place.socket(self._rng.choice(list(self._place.ports)))
        await self._live(socket)

    async def _live(self, socket: ClientConnection) -> None:
        self._socket, self._out = socket, asyncio.Queue()
        self._deadline = time.monotonic() + WELCOME_SECONDS
        helpers = [asyncio.create_task(self._pour(socket)), asyncio.create_task(self._watch(socket))]
        try:
            await socket.send(json.dumps(self._party.hello()))
            async for raw in socket:
                self._deadline = 0.0
                frame = json.loads(raw)
                if frame["type"] == "hello":
                    self.is_open, self._tries = True, 0
                self._party.heard(frame)
        finally:
            self.is_open = False
            for helper in helpers:
                helper.cancel()
            socket.transport.abort()

    async def _pour(self, socket: ClientConnection) -> None:
        with suppress(OSError, WebSocketException):
            while True:
                await socket.send(json.dumps(await self._out.get()))

    async def _watch(self, socket: ClientConnection) -> None:
        """Give a silent socket up, and ask for news every 20 s."""
        pulse = time.monotonic() + RESUME_SECONDS
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            if self._deadline and now > self._deadline:
                socket.transport.abort()
                return
            if self.is_open and now > pulse:
                pulse = now + RESUME_SECONDS
                self._party.pulse()


@dataclass
class Item:
    """Something that waits for its receipt."""

    frame: Frame
    tries: int = 0
    sent_at: float = 0.0


class Outbox:
    """What was done and not confirmed: sent in order, sent again until it is."""

    def __init__(self, send: Callable[[Frame], bool]) -> None:
        self._send = send
        self.items: dict[str, Item] = {}

    def add(self, client_id: str, frame: Frame) -> None:
        self.items[client_id] = Item(frame)
        self.flush()

    def reconnected(self) -> None:
        for item in self.items.values():
            item.sent_at = 0.0
        self.flush()

    def flush(self) -> None:
        now = time.monotonic()
        for item in list(self.items.values()):
            if now - item.sent_at < min(LONGEST_AGAIN, AGAIN_SECONDS * (item.tries + 1)) and item.sent_at:
                continue
            if not self._send(item.frame):
                return
            item.tries, item.sent_at = item.tries + 1, now

    def confirm(self, client_id: str | None) -> bool:
        return client_id is not None and self.items.pop(client_id, None) is not None


@dataclass
class Log:
    """What one party sees of one conversation."""

    last: int = 0
    epoch: int = 0
    speaker: str = "ai"
    texts: dict[int, str] = field(default_factory=dict)  # seq -> words, edits applied, in order
    finished: set[int] = field(default_factory=set)

    def apply(self, entry: Frame) -> str:
        """`old`, `hole` or `new`."""
        if entry["seq"] <= self.last:
            return "old"
        if entry["prev"] != self.last:
            return "hole"
        self.last = entry["seq"]
        self.epoch = max(self.epoch, entry["epoch"])
        if entry["target"]:
            self.texts[entry["target"]] = entry["text"] if entry["event"] == "edited" else ""
        else:
            self.texts[entry["seq"]] = entry["text"]
        if "turn" in entry["data"]:
            self.finished.add(entry["data"]["turn"])
        return "new"

    def admits(self, delta: Frame) -> bool:
        """Whether a piece of an answer is drawn: not of an older epoch, nor while somebody else speaks."""
        if delta["epoch"] < self.epoch or delta["turn"] in self.finished:
            return False
        if delta["epoch"] == self.epoch and self.speaker != "ai":
            return False
        self.epoch = delta["epoch"]
        return True

    def hear_state(self, state: Frame) -> None:
        if state["epoch"] >= self.epoch:
            self.epoch = state["epoch"]
            self.speaker = "ai" if state["owner"] == "none" else state["owner"]


class Party:
    """One end of a socket, with its journal. `conversation` is None where frames name theirs."""

    def __init__(self, name: str, journal: Journal, rng: random.Random) -> None:
        self.name, self.rng = name, rng
        self._journal = journal
        self.link: Link
        self.outbox = Outbox(lambda frame: self.link.send(frame))
        self.logs: dict[str, Log] = {}
        self._resumed = 0.0
        self.has_the_last_word = False
        self.streamed_at = 0.0  # when a piece of an answer was drawn last

    def note(self, what: str, **fields: Any) -> None:
        self._journal.write(self.name, what, **fields)

    def hello(self) -> Frame:
        raise NotImplementedError

    def resume(self, conversation: str) -> Frame:
        raise NotImplementedError

    def pulse(self) -> None:
        raise NotImplementedError

    def lost(self) -> None:
        self.note("down")

    def submit(self, kind: str, conversation: str, *, mark: str = "", fields: Frame | None = None) -> str:
        """Put something into the outbox; `fields` are the frame's own."""
        client_id = str(UUID(int=self.rng.getrandbits(128), version=4))
        given = fields or {}
        is_note = bool(given.get("note"))
        self.note("sent", client_id=client_id, mark=mark, kind=kind, conversation=conversation, note=is_note)
        self.outbox.add(client_id, {"type": kind, "client_id": client_id, **given})
        return client_id

    def heard(self, frame: Frame) -> None:
        match frame["type"]:
            case "hello":
                self.note("up")
                self.welcomed(frame)
            case "message":
                self._entry(frame)
            case "delta":
                self._delta(frame)
            case "state":
                self._state(frame)
            case "ack":
                self._confirm(frame["client_id"], frame["seq"])
            case "error":
                self._refused(frame)

    def welcomed(self, frame: Frame) -> None:
        self.outbox.reconnected()

    def _entry(self, entry: Frame) -> None:
        conversation = entry["conversation"]
        if conversation not in self.logs:
            return
        outcome = self.logs[conversation].apply(entry)
        if outcome == "hole":
            if time.monotonic() - self._resumed > 1.0 and self.link.send(self.resume(conversation)):
                self._resumed = time.monotonic()
                self.link.await_answer()
            return
        if outcome == "new":
            self.has_the_last_word = entry["sender"] == "visitor"
            kept = ("seq", "kind", "sender", "name", "event", "text", "epoch", "target", "client_id")
            self.note("shown", conversation=conversation, turn=entry["data"].get("turn"),
                      **{key: entry[key] for key in kept})  # fmt: skip
        if entry["client_id"]:
            self._confirm(entry["client_id"], entry["seq"])

    def _confirm(self, client_id: str, seq: int) -> None:
        if self.outbox.confirm(client_id):
            self.note("acked", client_id=client_id, seq=seq)

    def _delta(self, delta: Frame) -> None:
        log = self.logs.get(delta["conversation"])
        if log is not None and log.admits(delta):
            self.streamed_at = time.monotonic()
            self.note("stream", **{key: delta[key] for key in ("conversation", "turn", "epoch", "offset", "text")})

    def _state(self, state: Frame) -> None:
        agent = (state["agent"] or {}).get("name", "")
        fields = {"owner": state["owner"], "epoch": state["epoch"], "name": agent}
        self.note("owner", conversation=state["conversation"], **fields)
        if (log := self.logs.get(state["conversation"])) is not None:
            log.hear_state(state)
        self.told(state)

    def told(self, state: Frame) -> None:
        """Somebody else has the word, or the same one again."""

    def _refused(self, frame: Frame) -> None:
        client_id = frame.get("client_id")
        self.note("refused", client_id=client_id, code=frame["code"], retryable=frame["retryable"])
        if client_id and not frame["retryable"]:
            self.outbox.items.pop(client_id, None)

    def finish(self) -> None:
        """Write down what is on the screen."""
        for conversation, log in self.logs.items():
            self.note("final", conversation=conversation, texts=list(log.texts.items()), last=log.last)
