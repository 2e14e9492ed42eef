"""Many sockets of several tenants at once, through a real server: nobody reads another tenant's words."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import websockets

from chat.actions import open_session
from chat.models import Conversation, Message
from tests.cast import Cast
from tests.sockets import VISITOR, client_id, connect, read_until

TENANTS, CONVERSATIONS, TABS = 4, 25, 2  # 200 sockets
MESSAGES = 5_000
PER_TAB = MESSAGES // (TENANTS * CONVERSATIONS * TABS)
BURST = 5  # messages of one tab that follow each other without waiting
IN_FLIGHT = 20  # bursts at once, of all tenants interleaved


@dataclass
class Tab:
    """One browser tab: what it sent, and every frame that it received."""

    cast: Cast
    conversation: str
    link: websockets.ClientConnection
    sent: list[str] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    acks: int = 0

    async def listen(self) -> None:
        async for raw in self.link:
            frame = json.loads(raw)
            self.acks += frame["type"] == "ack"
            self.frames.append(frame)

    async def say(self, number: int) -> None:
        text = f"{self.cast.marker} {self.conversation} {number} {secrets.token_hex(4)}"
        self.sent.append(text)
        await self.link.send(json.dumps({"type": "message.send", "client_id": client_id(), "text": text}))

    def texts(self) -> list[str]:
        return [frame["text"] for frame in self.frames if frame["type"] == "message"]


def crossings(tabs: list[Tab]) -> list[str]:
    """Every frame that names another tenant or another conversation than the tab's own."""
    markers = {tab.cast.marker for tab in tabs}
    found = []
    for tab in tabs:
        for frame in tab.frames:
            text = json.dumps(frame)
            strange = [marker for marker in markers if marker != tab.cast.marker and marker in text]
            if strange or frame.get("conversation", tab.conversation) != tab.conversation:
                found.append(f"{tab.cast.marker} read {text}")
    return found


def test_crossings_are_found_when_there_are_any() -> None:
    one, two = (Tab(type("C", (), {"marker": marker})(), "c1", None) for marker in ("zqone", "zqtwo"))  # type: ignore[arg-type]
    one.frames = [{"type": "message", "conversation": "c1", "text": "zqone"}]
    two.frames = [{"type": "message", "conversation": "c2", "text": "zqtwo"}]
    assert len(crossings([one, two])) == 1
    one.frames += [{"type": "message", "conversation": "c1", "text": "said at zqtwo"}]
    assert len(crossings([one, two])) == 2


def open_conversations(cast: Cast) -> list[tuple[str, str]]:
    """(token, conversation) of new visitors whom people answer, so that no turn is queued."""
    made = [open_session(project=cast.project_key, token=None) for _ in range(CONVERSATIONS)]
    ids = [session.conversation_id for session in made]
    Conversation.objects.filter(pk__in=ids).update(owner=Conversation.Owner.QUEUE)
    return [(session.token, session.conversation_id) for session in made]


async def open_tab(stack: AsyncExitStack, port: int, cast: Cast, session: tuple[str, str]) -> Tab:
    link = await stack.enter_async_context(connect(port, cast.host, VISITOR))
    await link.send(json.dumps({"type": "hello", "v": 1, "token": session[0]}))
    await read_until(link, "hello", seconds=60)
    return Tab(cast, session[1], link)


async def run_stress(port: int, sessions: list[tuple[Cast, tuple[str, str]]]) -> list[Tab]:
    async with AsyncExitStack() as stack:
        opened: list[Tab] = []
        for start in range(0, len(sessions), 20):
            batch = sessions[start : start + 20]
            opened += await asyncio.gather(*(open_tab(stack, port, cast, session) for cast, session in batch))
        listeners = [asyncio.ensure_future(tab.listen()) for tab in opened]
        gate = asyncio.Semaphore(IN_FLIGHT)
        await asyncio.gather(*(_talk(tab, gate) for tab in opened))
        await _settle(opened)
        assert all(not listener.done() for listener in listeners), "a socket was closed"
        for listener in listeners:
            listener.cancel()
    return opened


async def _talk(tab: Tab, gate: asyncio.Semaphore) -> None:
    for start in range(0, PER_TAB, BURST):
        async with gate, asyncio.timeout(120):
            for number in range(start, start + BURST):
                await tab.say(number)
            while tab.acks < start + BURST:
                await asyncio.sleep(0.01)


async def _settle(tabs: list[Tab]) -> None:
    """Until each tab has every message of its conversation: the re-read heals lost nudges within seconds."""
    async with asyncio.timeout(60):
        while any(len(tab.texts()) < PER_TAB * TABS for tab in tabs):
            await asyncio.sleep(0.1)


def test_two_hundred_sockets_of_four_tenants_never_cross(
    web_port: int, fresh_tenants: Callable[[int], list[Cast]]
) -> None:
    casts = fresh_tenants(TENANTS)
    by_tenant = [[(cast, session) for session in cast.run(open_conversations, cast)] for cast in casts]
    interleaved = [pair for several in zip(*by_tenant, strict=True) for pair in several]
    tabs = asyncio.run(run_stress(web_port, interleaved * TABS))

    assert len(tabs) == 200
    assert sum(len(tab.sent) for tab in tabs) == MESSAGES
    assert crossings(tabs) == []
    sent_to = Counter((tab.conversation, text) for tab in tabs for text in tab.sent)
    for tab in tabs:
        assert Counter((tab.conversation, text) for text in tab.texts()) == Counter(
            {key: count for key, count in sent_to.items() if key[0] == tab.conversation}
        )
    talked_in = {tab.conversation for tab in tabs}
    for cast in casts:
        stored = cast.run(_texts)
        assert sum(conversation in talked_in for conversation, _ in stored) == MESSAGES // TENANTS
        assert all(text.startswith(cast.marker) for _, text in stored)


def _texts() -> list[tuple[str, str]]:
    """Each stored text that carries some tenant's marker at its start, with its conversation."""
    rows = Message.objects.filter(text__startswith="zq").values_list("conversation_id", "text")
    return [(str(conversation), text) for conversation, text in rows]


def test_idle_sockets_stay_open(web_port: int, fresh_tenant: Cast) -> None:
    """Twenty sockets say nothing for ten seconds, past the deadline for a hello, and still work."""
    sessions = fresh_tenant.run(open_conversations, fresh_tenant)[:20]

    async def idle() -> list[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            tabs = await asyncio.gather(*(open_tab(stack, web_port, fresh_tenant, session) for session in sessions))
            await asyncio.sleep(10.5)
            for number, tab in enumerate(tabs):
                await tab.say(number)
            return await asyncio.gather(*(read_until(tab.link, "ack") for tab in tabs))

    assert [frame["seq"] for frame in asyncio.run(idle())] == [1] * 20
