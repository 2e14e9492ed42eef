"""A TCP fault proxy: one link is one listening port in front of one server.

`python -m tests.faults.proxy CONTROL-SOCKET LINKS-JSON` runs all links of a stack in one process. A mode holds for
a share of a link's connections, those that are open and those that come while it lasts; `heal` ends it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.control import serve

PASS = "pass"
CUT = "cut"  # reset, now; whoever comes meanwhile is reset too
DELAY = "delay"  # every piece comes late
BLACK_HOLE = "black-hole"  # nothing arrives, nobody is told, and what was sent is gone for good
HALF_OPEN = "half-open"  # the server's end is reset, the client's stays open and silent
DRIP = "drip"  # a few bytes at a time
STALL = "stall"  # nothing is read any more until it heals: buffers fill, then all arrives
MODES = (PASS, CUT, DELAY, BLACK_HOLE, HALF_OPEN, DRIP, STALL)
PIECE = 65536
DRIP_BYTES, DRIP_SECONDS = 48, 0.01


@dataclass(eq=False)
class Pipe:
    """One connection through a link. `mode` is its own: a fault may strike a share of them."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    mode: str = PASS
    seconds: float = 0.0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_dead(self) -> bool:
        """Whether bytes that come are thrown away, for good."""
        return self.mode in (BLACK_HOLE, HALF_OPEN)

    def turn(self, mode: str, seconds: float) -> None:
        """Begin or end a mode. A black hole and a half-open link never heal: their bytes are lost."""
        if self.is_dead:
            return
        self.mode, self.seconds = mode, seconds
        self.moved.set()
        self.moved = asyncio.Event()
        if mode == CUT:
            self.abort()
        elif mode == HALF_OPEN and self.server is not None:
            self.server.transport.abort()

    def abort(self) -> None:
        """Reset both ends."""
        for end in (self.client, self.server):
            if end is not None:
                end.transport.abort()

    async def open_again(self) -> None:
        """Wait while nothing may be read."""
        while self.mode == STALL:
            await self.moved.wait()


class Link:
    """A listening port and the server behind it: `(host, port)` or the path of a Unix socket."""

    def __init__(self, name: str, upstream: list[Any] | str, seed: int = 0) -> None:
        self.name = name
        self.upstream = upstream
        self.mode, self.share, self.seconds = PASS, 1.0, 0.0
        self.hits: Counter[str] = Counter()
        self.pipes: set[Pipe] = set()
        self._random = random.Random(f"{seed}/{name}")

    async def listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._take, "127.0.0.1", port, limit=PIECE)

    def set(self, mode: str, share: float = 1.0, seconds: float = 0.0) -> int:
        """Strike; how many open connections it hit."""
        if mode not in MODES:
            raise ValueError(mode)
        self.mode, self.share, self.seconds = mode, share, seconds
        struck = [pipe for pipe in self.pipes if not pipe.is_dead and self._random.random() < share]
        for pipe in struck:
            pipe.turn(mode, seconds)
        if mode != PASS:
            self.hits[mode] += len(struck)
        return len(struck)

    def heal(self, cut_dead: bool = False) -> int:
        """Let everything pass again; how often the fault hit since it began. With `cut_dead`, links that fell
        silent for good are reset, as a firewall between two machines does in the end."""
        hit = self.hits.pop(self.mode, 0)
        self.set(PASS)
        for pipe in list(self.pipes):
            if cut_dead and pipe.is_dead:
                pipe.abort()
        return hit

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = Pipe(writer)
        if self.mode != PASS and self._random.random() < self.share:
            self.hits[self.mode] += 1
            pipe.mode, pipe.seconds = self.mode, self.seconds
        if pipe.mode == CUT:
            pipe.abort()
            return
        self.pipes.add(pipe)
        try:
            await self._join(pipe, reader)
        except OSError:
            pipe.abort()
        finally:
            self.pipes.discard(pipe)

    async def _join(self, pipe: Pipe, reader: asyncio.StreamReader) -> None:
        await pipe.open_again()
        if isinstance(self.upstream, str):
            upstream, pipe.server = await asyncio.open_unix_connection(self.upstream, limit=PIECE)
        else:
            host, port = self.upstream
            upstream, pipe.server = await asyncio.open_connection(host, port, limit=PIECE)
        await asyncio.gather(
            self._pump(pipe, reader, pipe.server), self._pump(pipe, upstream, pipe.client), return_exceptions=True
        )
        if not pipe.is_dead:
            pipe.abort()

    async def _pump(self, pipe: Pipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                await pipe.open_again()
                data = await reader.read(PIECE)
                if not data:
                    break
                await pipe.open_again()
                if not pipe.is_dead:
                    await _pass_on(pipe, data, writer)
        if pipe.is_dead:
            return  # nobody is told that the other side has gone
        with suppress(OSError, RuntimeError):
            if writer.can_write_eof():
                writer.write_eof()


async def _pass_on(pipe: Pipe, data: bytes, writer: asyncio.StreamWriter) -> None:
    if pipe.mode == DELAY:
        await asyncio.sleep(pipe.seconds)
    while data and pipe.mode == DRIP:
        writer.write(data[:DRIP_BYTES])
        data = data[DRIP_BYTES:]
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)
    if data:
        writer.write(data)
        await writer.drain()


class Links:
    """All links of a stack, by name."""

    def __init__(self, links: dict[str, Link]) -> None:
        self._links = links

    def set(self, link: str, mode: str, share: float = 1.0, seconds: float = 0.0) -> int:
        return self._links[link].set(mode, share, seconds)

    def heal(self, link: str, cut_dead: bool = False) -> int:
        return self._links[link].heal(cut_dead)

    def reset(self) -> int:
        """Cut everything and let everything pass: between two runs."""
        for link in self._links.values():
            link.heal()
            for pipe in list(link.pipes):
                pipe.abort()
        return len(self._links)

    def hits(self) -> dict[str, int]:
        """How often each link's present fault has struck so far."""
        return {name: link.hits[link.mode] for name, link in self._links.items()}

    def count(self) -> dict[str, int]:
        """Open connections of each link."""
        return {name: len(link.pipes) for name, link in self._links.items()}


async def main(control: str, config: str) -> None:
    """`config` maps a link's name to `{"port": int, "upstream": [host, port] | path}`."""
    links = {}
    servers = []
    for name, given in json.loads(config).items():
        links[name] = Link(name, given["upstream"])
        servers.append(await links[name].listen(given["port"]))
    all_links = Links(links)
    handlers = {
        "ping": lambda: True,
        "set": all_links.set,
        "heal": all_links.heal,
        "reset": all_links.reset,
        "hits": all_links.hits,
        "count": all_links.count,
    }
    async with await serve(Path(control), handlers) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
