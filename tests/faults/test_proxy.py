"""Each mode of the fault proxy does to a connection what its name says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import ClassVar

import pytest

from tests.faults import proxy


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[proxy.Link, int, list[str]]]:
    """A link before a server that echoes; `seen` tells how its connections ended."""
    seen: list[str] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        seen.append("gone")
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = proxy.Link("test", list(server.sockets[0].getsockname()[:2]))
    listener = await link.listen(0)
    try:
        yield link, listener.sockets[0].getsockname()[1], seen
    finally:
        link.heal(cut_dead=True)
        for pipe in list(link.pipes):
            pipe.abort()
        for client in Client.opened:
            client.writer.close()
        Client.opened.clear()
        listener.close()
        server.close()
        await asyncio.sleep(0.02)


class Client:
    opened: ClassVar[list[Client]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.opened.append(self)

    @classmethod
    async def connect(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def say(self, text: bytes, seconds: float = 0.3) -> bytes | None:
        """What comes back, b"" for the end of the connection, None for silence."""
        self.writer.write(text)
        try:
            return await asyncio.wait_for(self.reader.read(1000), seconds)
        except TimeoutError:
            return None
        except ConnectionError:
            return b""


async def test_a_healthy_link_passes_bytes_both_ways() -> None:
    async with echoing() as (_, port, _seen):
        client = await Client.connect(port)
        assert await client.say(b"hello") == b"hello"


async def test_a_cut_resets_whoever_is_there_and_whoever_comes() -> None:
    async with echoing() as (link, port, _):
        client = await Client.connect(port)
        assert await client.say(b"a") == b"a"
        assert link.set(proxy.CUT) == 1
        assert await client.say(b"b") == b""
        late = await Client.connect(port)
        assert await late.say(b"c") == b""
        assert link.heal() == 2
        assert await (await Client.connect(port)).say(b"d") == b"d"


async def test_a_stalled_link_loses_nothing() -> None:
    async with echoing() as (link, port, _):
        client = await Client.connect(port)
        assert await client.say(b"a") == b"a"
        link.set(proxy.STALL)
        assert await client.say(b"b") is None
        link.heal()
        assert await client.say(b"") == b"b"


async def test_a_black_hole_stays_one_after_healing_and_tells_nobody() -> None:
    async with echoing() as (link, port, seen):
        client = await Client.connect(port)
        assert await client.say(b"a") == b"a"
        link.set(proxy.BLACK_HOLE)
        assert await client.say(b"b") is None
        link.heal()
        assert await client.say(b"c") is None
        assert seen == []
        assert await (await Client.connect(port)).say(b"d") == b"d"


async def test_a_half_open_link_is_gone_for_the_server_alone() -> None:
    async with echoing() as (link, port, seen):
        client = await Client.connect(port)
        assert await client.say(b"a") == b"a"
        link.set(proxy.HALF_OPEN)
        assert await client.say(b"b") is None
        assert seen == ["gone"]


@pytest.mark.parametrize(("mode", "seconds"), [(proxy.DELAY, 0.05), (proxy.DRIP, 0.0)])
async def test_slow_links_deliver_everything(mode: str, seconds: float) -> None:
    async with echoing() as (link, port, _):
        client = await Client.connect(port)
        link.set(mode, seconds=seconds)
        text = bytes(range(200))
        got = b""
        began = asyncio.get_running_loop().time()
        client.writer.write(text)
        while len(got) < len(text):
            got += await asyncio.wait_for(client.reader.read(1000), 2)
        assert got == text
        assert asyncio.get_running_loop().time() - began >= 0.04


async def test_a_share_of_the_connections_may_be_struck() -> None:
    async with echoing() as (link, port, _):
        clients = [await Client.connect(port) for _ in range(20)]
        for client in clients:
            assert await client.say(b"a") == b"a"
        struck = link.set(proxy.CUT, share=0.5)
        assert 2 <= struck <= 18
        link.heal()
        ended = [await client.say(b"b") for client in clients]
        assert ended.count(b"") == struck
