"""Sockets while the channel layer's server is killed, paused, cut off and back: served from the log, then nudged."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from channels.layers import channel_layers

from builtabot.embedded.processes import Child
from builtabot.embedded.valkey import Valkey
from chat import actions, sockets
from tenants import layer, push
from tenants.schema import hop
from tests.cast import Cast
from tests.chat.test_sockets import Wire, visitor


class Server:
    """A Valkey of this test's own, which may be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self._valkey = Valkey(folder)
        self.url = self._valkey.channel_url
        self._child: Child | None = self._valkey.start()

    def stop(self) -> None:
        if self._child is not None:
            self._child.process.kill()
            self._child.stop()
            self._child = None

    def start(self) -> None:
        self._child = self._valkey.start()

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="bb-"))
    started = Server(folder)
    yield started
    started.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
async def _own_layer(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The product's layer over this test's server, and every clock five times as fast."""
    monkeypatch.setattr(sockets, "REREAD_SECONDS", 0.3)
    monkeypatch.setattr(layer, "KEEP_SECONDS", 0.4)
    monkeypatch.setattr(layer, "PAUSES_SECONDS", (0.0, 0.1, 0.2))
    monkeypatch.setattr(layer, "ANSWER_SECONDS", 0.6)
    mine = layer.Layer(hosts=[server.url])
    before = channel_layers["default"]
    channel_layers.set("default", mine)
    yield
    channel_layers.set("default", before)
    for loop, each in mine._layers.items():  # one of them is of the thread that pushes for synchronous code
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(each.flush(), loop))


async def said(cast: Cast, text: str) -> None:
    given = {"conversation_id": cast.thread.conversation_id, "draft": actions.Draft(text)}
    await hop(cast.schema, actions.post_as_visitor, **given)


async def nudged(wire: Wire, cast: Cast) -> bool:
    """Whether what passes through the layer alone, and is in no log, arrives."""
    group = push.conversation_group(cast.schema, wire.conversation)  # type: ignore[attr-defined]
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        await push.tell(group, {"type": "relay", "audience": "all", "frame": {"type": "typing", "who": "agent"}})
        if not await wire.silent(lambda frame: frame["type"] == "typing", 0.2):
            return True
    return False


async def test_a_socket_is_accepted_and_served_without_the_layer_and_nudged_once_it_is_back(
    fresh_tenant: Cast, server: Server
) -> None:
    server.stop()
    began = time.monotonic()
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as wire:
        assert time.monotonic() - began < 3
        await said(fresh_tenant, "without a layer")
        assert await wire.hear(lambda frame: frame.get("text") == "without a layer")
        server.start()
        assert await nudged(wire, fresh_tenant)


async def test_a_socket_outlives_a_layer_that_is_killed_and_started_again(fresh_tenant: Cast, server: Server) -> None:
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as wire:
        assert await nudged(wire, fresh_tenant)
        server.stop()
        await said(fresh_tenant, "while it was dead")
        assert await wire.hear(lambda frame: frame.get("text") == "while it was dead")
        server.start()
        assert await nudged(wire, fresh_tenant)


async def test_a_layer_that_stands_still_keeps_nobody_waiting_for_long(fresh_tenant: Cast, server: Server) -> None:
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as first:
        assert await nudged(first, fresh_tenant)
        child = server._child
        assert child is not None
        child.process.send_signal(19)
        try:
            await asyncio.sleep(0.8)
            began = time.monotonic()
            async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as second:
                assert time.monotonic() - began < 4
                await said(fresh_tenant, "while it stood still")
                for wire in (first, second):
                    assert await wire.hear(lambda frame: frame.get("text") == "while it stood still")
                child.process.send_signal(18)
                for wire in (first, second):
                    assert await nudged(wire, fresh_tenant)
        finally:
            child.process.send_signal(18)


async def test_a_subscription_that_was_cut_without_a_word_is_noticed_by_its_missing_echo(
    fresh_tenant: Cast, server: Server
) -> None:
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as wire:
        assert await nudged(wire, fresh_tenant)
        mine = channel_layers["default"]._layers[asyncio.get_running_loop()]
        link = mine._shards[0]
        link._receive_task.cancel()  # deaf, with nothing that fails
        assert await nudged(wire, fresh_tenant)
        assert mine._shards[0] is not link


async def test_what_nobody_follows_any_more_is_not_subscribed(fresh_tenant: Cast, server: Server) -> None:
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as wire:
        assert await nudged(wire, fresh_tenant)
        with server.client() as client:
            assert any(b"__group__" in name for name in client.pubsub_channels())
    deadline = time.monotonic() + 3
    with server.client() as client:
        while any(b"__group__" in name for name in client.pubsub_channels()) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert not [name for name in client.pubsub_channels() if b"__group__" in name]
