"""What both sockets share: the hello deadline, errors as frames, cursors into the log, and the periodic
re-read that heals a lost nudge. No database here: every read is one hop."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from typing import Any, ClassVar, cast
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from chat import delivery, frames
from chat.actions import Ack, sessions
from chat.draining import RESTART, drain
from chat.errors import BadFrame, HelloLate, RetryLater, TooFast, Unavailable
from chat.watch import watch
from tenants import push
from tenants.errors import ProductError
from tenants.schema import hop

log = logging.getLogger(__name__)
HELLO_SECONDS = 10.0
REREAD_SECONDS = 5.0
AGAIN_LATER = 1013
_NOTHING = (-1, -1)
CLOSE_CODES = {"not_signed_in": 4401, "not_allowed": 4403, "hello_late": 4408, "retry_later": AGAIN_LATER}


class LogSocket(AsyncWebsocketConsumer):
    """A socket that follows conversations. `cursors` maps a conversation to the last seq that was sent."""

    is_desk: ClassVar[bool] = False

    def stand(self, place: dict[str, Any]) -> None:
        """Begin at a tenant's host: `place` is the scope, with what tenants.asgi put in."""
        self.place = place
        self.schema: str = place["schema"]
        self.cursors: dict[str, int] = {}
        self.told: dict[str, tuple[int, int]] = {}  # by conversation, what a desk was last told of, as in desk_snapshot
        self.greeted = False
        self._sending = asyncio.Lock()
        self._hearing = asyncio.Lock()
        self._retired = False

    async def connect(self) -> None:
        self.stand(cast(dict[str, Any], self.scope))
        drain.add(self)
        await self.accept()
        self._deadline = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._hello_missed)

    def _hello_missed(self) -> None:
        self._late = asyncio.ensure_future(self.refuse(HelloLate()))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        async with self._hearing:
            if not self._retired:  # what came after the close is sent again to the next server
                await self._obey(text_data or "")

    async def retire(self) -> None:
        """Answer the command that is under way, then send the client away: it comes back with what it kept."""
        async with self._hearing:
            self._retired = True
            await self.close(RESTART)

    async def _obey(self, text: str) -> None:
        client_id = None
        try:
            frame = frames.parse(text, desk=self.is_desk)
            client_id = getattr(frame, "client_id", None)
            if not self.greeted and frame.type != "hello":
                raise BadFrame("The first frame is hello.")
            await self.check_pace(frame)
            await getattr(self, "on_" + frame.type.replace(".", "_"))(frame)
        except TooFast as error:
            await self.refuse(error, client_id)
            if client_id:  # what was sent after it must not overtake it
                self._retired = True
                await self.close(AGAIN_LATER)
        except ProductError as error:
            await self.refuse(error, client_id)
        except DatabaseError:
            log.exception("a socket's command met a database error")
            await self.refuse(Unavailable(), client_id)
            # What was sent after it must not overtake it: the client comes back, and sends all of it in order.
            self._retired = True
            await self.close(RESTART)

    async def check_pace(self, frame: Any) -> None:
        """Raise TooFast for more than a person does; a seat's own people are known by name."""

    async def refuse(self, error: ProductError, client_id: object = None) -> None:
        """Say what was wrong; close when the code is one that ends the socket."""
        frame: dict[str, Any] = {
            "type": "error",
            "code": error.code,
            "sentence": error.sentence,
            "retryable": error.retryable,
        }
        if isinstance(error, TooFast):
            frame["retry_after"] = error.retry_after
        await self.tell(frame | ({"client_id": str(client_id)} if client_id else {}))
        if error.code in CLOSE_CODES:
            await self.close(CLOSE_CODES[error.code])

    async def tell(self, frame: dict[str, Any]) -> None:
        """Send one frame."""
        await self.send(text_data=json.dumps(frame, ensure_ascii=False))

    async def acknowledge(self, client_id: UUID, ack: Ack | None, **more: str) -> None:
        """Say that what the client sent is stored (seq 0: there was nothing to store)."""
        seq, at = (ack.seq, ack.at) if ack else (0, "")
        await self.tell({"type": "ack", "client_id": str(client_id), "seq": seq, "at": at, **more})

    async def show_typing(self, conversation: str, *, who: str, name: str = "", on: bool) -> None:
        """Let the other side see that somebody writes."""
        frame = {"type": "typing", "conversation": conversation, "who": who, "name": name, "on": on}
        audience = "team" if who == "visitor" else "visitor"
        group = push.conversation_group(self.schema, conversation)
        await push.tell(group, {"type": "relay", "audience": audience, "frame": frame})

    def check_version(self, version: int) -> None:
        """A newer client comes back later, when this server is newer too."""
        if self.greeted:
            raise BadFrame("One hello is enough.")
        if version > frames.VERSION:
            raise RetryLater
        self._deadline.cancel()

    async def follow(self, conversation: str, seq: int) -> None:
        """Send what comes after `seq`, and everything new from now on."""
        self.cursors[conversation] = seq
        await push.join(self, push.conversation_group(self.schema, conversation))
        rereader.add(self)
        await self.catch_up(conversation, with_state=True)

    async def unfollow(self, conversation: str) -> None:
        """Stop following."""
        self.cursors.pop(conversation, None)
        await push.leave(self, push.conversation_group(self.schema, conversation))

    async def catch_up(self, conversation: str, *, with_state: bool = False) -> None:
        """Send the entries after the cursor, in order, each once."""
        async with self._sending:
            if conversation not in self.cursors:
                return
            for frame in await self.news(conversation, self.cursors[conversation], with_state):
                await self.tell(frame)
                if frame["type"] == "message":
                    self.cursors[conversation] = frame["seq"]

    async def news(self, conversation: str, after: int, with_state: bool) -> list[dict[str, Any]]:
        """The frames to send; each kind of socket reads for its own party."""
        raise NotImplementedError

    async def desk_news(self, message: dict[str, Any]) -> None:
        """Something changed on the desk; visitors' sockets never join its group."""

    async def log_grew(self, message: dict[str, Any]) -> None:
        """A nudge: read what is new, unless it was sent already."""
        if self.cursors.get(message["conversation"], message["seq"]) < message["seq"]:
            await self.catch_up(message["conversation"])

    async def state_changed(self, message: dict[str, Any]) -> None:
        """Something that is no entry changed, such as how far the other side has read."""
        await self.catch_up(message["conversation"], with_state=True)

    async def tell_seen(self, conversation: str) -> None:
        """Let everyone who follows the conversation know how far it was read."""
        group = push.conversation_group(self.schema, conversation)
        await push.tell(group, {"type": "state.changed", "conversation": conversation})

    async def relay(self, message: dict[str, Any]) -> None:
        """Something that passes: typing, presence, a piece of an answer. Lost ones are not missed."""
        if message["audience"] in ("all", "team" if self.is_desk else "visitor"):
            await self.tell(message["frame"])

    async def disconnect(self, code: int) -> None:
        drain.remove(self)
        self._deadline.cancel()
        rereader.remove(self)
        for conversation in list(self.cursors):
            await self.unfollow(conversation)


class Rereader:
    """One task per process: every 5 s it re-reads the ends of all followed logs, one query per tenant, and
    renews the group subscriptions, so that a lost nudge costs seconds and never a message."""

    def __init__(self) -> None:
        self._sockets: set[LogSocket] = set()
        self._desks: dict[str, dict[str, tuple[int, int]]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, socket: LogSocket) -> None:
        """Watch a socket; the task starts with the first."""
        self._sockets.add(socket)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def remove(self, socket: LogSocket) -> None:
        """Forget a socket."""
        self._sockets.discard(socket)

    def has_other(self, socket: LogSocket, conversation: str) -> bool:
        """Whether another visitor socket of this process follows the same conversation."""
        return any(
            other is not socket and not other.is_desk and conversation in other.cursors for other in self._sockets
        )

    async def _run(self) -> None:
        while self._sockets:
            await asyncio.sleep(REREAD_SECONDS)
            by_schema: dict[str, list[LogSocket]] = defaultdict(list)
            for socket in self._sockets:
                by_schema[socket.schema].append(socket)
            for schema, sockets in by_schema.items():
                try:
                    await self._reread(schema, sockets)
                except Exception:  # noqa: BLE001  the loop must outlive any one failure: the next round tries again
                    log.exception("re-read failed")

    def look(self, schema: str) -> None:
        """From any thread: read a tenant's logs now, without the layer. Its sockets here see what the watch wrote even
        when no nudge arrives."""
        if self._task is not None and not self._task.done():
            sockets = [socket for socket in list(self._sockets) if socket.schema == schema]
            asyncio.run_coroutine_threadsafe(self._read(schema, sockets), self._task.get_loop())

    async def _reread(self, schema: str, sockets: list[LogSocket]) -> None:
        await self._read(schema, sockets)
        here = {conversation for socket in sockets if not socket.is_desk for conversation in socket.cursors}
        if here:
            await hop(schema, sessions.renew_presence, here)
        await self._rejoin(schema, sockets)

    async def _read(self, schema: str, sockets: list[LogSocket]) -> None:
        wanted = {conversation for socket in sockets for conversation in socket.cursors}
        ends = await hop(schema, delivery.last_seqs, wanted) if wanted else {}
        for socket in sockets:
            for conversation, seq in list(socket.cursors.items()):
                if socket not in self._sockets:
                    break  # closed since the round began
                if ends.get(conversation, 0) > seq:
                    await socket.catch_up(conversation)
        desks = [socket for socket in sockets if socket.is_desk]
        if desks:
            await self._reread_desk(schema, desks)

    async def _rejoin(self, schema: str, sockets: list[LogSocket]) -> None:
        """After everything was read: a layer that does not answer must not keep anybody from the log."""
        for socket in sockets:
            groups = [push.conversation_group(schema, conversation) for conversation in socket.cursors]
            for group in [*groups, *([push.desk_group(schema)] if socket.is_desk else [])]:
                if socket in self._sockets and not await push.join(socket, group):
                    return  # the others would wait for nothing as well; the next round tries again

    async def _reread_desk(self, schema: str, desks: list[LogSocket]) -> None:
        now = await hop(schema, delivery.desk_snapshot)
        before = self._desks.get(schema, now)
        self._desks[schema] = now
        changed = [key for key in now.keys() | before.keys() if now.get(key) != before.get(key)]
        for desk in desks:
            if desk not in self._sockets:
                continue  # closed since the round began
            desk.told = {conversation: mark for conversation, mark in desk.told.items() if conversation in now}
            for conversation in changed:
                # What a nudge has brought already is no news; what has left the queue is told all the same.
                if conversation not in now or desk.told.get(conversation, _NOTHING) < now[conversation]:
                    await desk.desk_news({"conversation": conversation})


rereader = Rereader()
watch.tell(rereader.look)
