"""A web server that is asked to end: nothing in flight is lost, and nobody is told of an error."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websockets
from django.db import transaction

from builtabot.web import EXIT_SECONDS
from chat import actions
from chat.draining import LAST_SECONDS, Drain
from chat.models import Conversation, Message
from tenants.schema import hop
from tests.cast import Cast
from tests.sockets import VISITOR, client_id, connect, read_until
from tests.web import free_port, running

SOCKETS = 20


@dataclass
class Visitor:
    """One client with an outbox: what it sent, what was acknowledged, and how its socket ended."""

    token: str
    sent: list[str] = field(default_factory=list)
    acked: set[str] = field(default_factory=set)
    code: int = 0

    async def talk(self, cast: Cast, port: int, ready: asyncio.Barrier) -> None:
        """Send a message every few milliseconds until the server sends us away."""
        async with connect(port, cast.host, VISITOR) as link:
            await link.send(json.dumps({"type": "hello", "v": 1, "token": self.token}))
            await read_until(link, "state")
            await ready.wait()
            hearing = asyncio.create_task(self._hear(link))
            while not hearing.done():
                self.sent.append(client_id())
                frame = {"type": "message.send", "client_id": self.sent[-1], "text": f"line {len(self.sent)}"}
                try:
                    await link.send(json.dumps(frame))
                except websockets.ConnectionClosed:
                    break
                await asyncio.wait({hearing}, timeout=0.15)
            await hearing
            self.code = link.close_code or 0

    async def _hear(self, link: websockets.ClientConnection) -> None:
        try:
            async for text in link:
                frame = json.loads(text)
                if frame["type"] == "ack":
                    self.acked.add(frame["client_id"])
        except websockets.ConnectionClosed:
            return


def stored(cast: Cast) -> list[str]:
    return [str(one) for one in Message.objects.filter(sender="visitor").values_list("client_id", flat=True) if one]


async def test_twenty_sockets_are_sent_away_with_1012_and_no_message_is_lost(
    fresh_tenant: Cast, tmp_path: Path
) -> None:
    cast, port = fresh_tenant, free_port()
    opened = [
        await hop(cast.schema, actions.open_session, project=cast.project_key, token=None) for _ in range(SOCKETS)
    ]
    visitors = [Visitor(one.token) for one in opened]
    ready = asyncio.Barrier(SOCKETS + 1)
    with running(tmp_path, port) as server:
        talks = [asyncio.create_task(visitor.talk(cast, port, ready)) for visitor in visitors]
        async with asyncio.timeout(60):
            await ready.wait()
            idle = http.client.HTTPConnection("127.0.0.1", port, timeout=5)  # kept alive, with no request
            idle.request("GET", "/healthz")
            idle.getresponse().read()
            await asyncio.sleep(0.5)
            server.send_signal(signal.SIGTERM)
            await asyncio.gather(*talks)
            code = await asyncio.to_thread(server.wait, 15)
            idle.close()
    log = (tmp_path / "daphne.log").read_text()
    assert (code, "Traceback" in log) == (0, False), log[-3000:]
    assert [visitor.code for visitor in visitors] == [1012] * SOCKETS
    kept = await hop(cast.schema, stored, cast)
    assert len(kept) == len(set(kept))
    for visitor in visitors:
        assert visitor.acked
        assert visitor.acked <= set(kept)  # acknowledged is stored
        unanswered = [one for one in visitor.sent if one not in visitor.acked]
        assert unanswered == visitor.sent[len(visitor.sent) - len(unanswered) :]  # and the rest is sent again


async def test_readyz_says_no_first_and_new_sockets_are_turned_away(fresh_tenant: Cast, tmp_path: Path) -> None:
    cast, port = fresh_tenant, free_port()
    with running(tmp_path, port, "--drain-notice=1.5") as server:
        async with connect(port, cast.host, VISITOR) as link:
            await link.send(json.dumps({"type": "hello", "v": 1, "token": cast.thread.token}))
            await read_until(link, "state")
            server.send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                while await asyncio.to_thread(_says_it_ends, port) is False:
                    await asyncio.sleep(0.02)
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with connect(port, cast.host, VISITOR):
                    pass
            assert refused.value.response.status_code == 403
            await link.send(json.dumps({"type": "resume", "seq": 0}))
            await read_until(link, "state")  # those who are there are served until the notice is over
            async with asyncio.timeout(5):
                await link.wait_closed()
            assert link.close_code == 1012
        assert await asyncio.to_thread(server.wait, 15) == 0


async def test_it_ends_though_a_thread_waits_for_the_database(
    fresh_tenant: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_LOCK_SECONDS", "90")
    monkeypatch.setenv("DATABASE_STATEMENT_SECONDS", "90")
    cast, port = fresh_tenant, free_port()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Conversation.objects.select_for_update().get(pk=cast.thread.conversation_id)
            held.set()
            release.wait(60)

    with running(tmp_path, port) as server:
        async with connect(port, cast.host, VISITOR) as link:
            await link.send(json.dumps({"type": "hello", "v": 1, "token": cast.thread.token}))
            await read_until(link, "state")
            holding = asyncio.create_task(hop(cast.schema, hold))
            assert await asyncio.to_thread(held.wait, 10)
            await link.send(json.dumps({"type": "message.send", "client_id": client_id(), "text": "waits"}))
            await asyncio.sleep(0.5)
            server.send_signal(signal.SIGTERM)
            try:
                assert await asyncio.to_thread(server.wait, LAST_SECONDS + EXIT_SECONDS + 5) == 0
            finally:
                release.set()
                await holding


def _says_it_ends(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status == 503 and b"this one is ending" in answer.read()
    finally:
        connection.close()


class Busy:
    """A socket whose command takes a while."""

    def __init__(self, drain: Drain, seconds: float) -> None:
        self.drain, self.seconds, self.left = drain, seconds, False
        drain.add(self)

    async def retire(self) -> None:
        await asyncio.sleep(self.seconds)
        self.left = True
        self.drain.remove(self)


async def test_the_drain_waits_for_commands_and_requests_but_not_for_ever(monkeypatch: Any) -> None:
    monkeypatch.setattr("chat.draining.LAST_SECONDS", 0.3)
    drain = Drain()
    sockets = [Busy(drain, 0.1), Busy(drain, 0.05)]
    drain.request_began()
    asyncio.get_running_loop().call_later(0.15, drain.request_ended)
    await asyncio.wait_for(drain.run(), 0.29)
    assert [one.left for one in sockets] == [True, True]
    stuck = Busy(drain, 60)
    await asyncio.wait_for(drain.run(), 1)
    assert not stuck.left
