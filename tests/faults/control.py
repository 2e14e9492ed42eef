"""How the harness talks to its own children: JSON lines over a Unix socket, one call a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LARGEST_LINE = 64 * 1024 * 1024
Handlers = Mapping[str, Callable[..., Any]]


async def serve(path: Path, handlers: Handlers) -> asyncio.Server:
    """Answer `{"do": name, ...arguments}` with what the handler of that name returns."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readline())
        result = handlers[asked.pop("do")](**asked)
        if asyncio.iscoroutine(result):
            result = await result
        writer.write(json.dumps(result).encode() + b"\n")
        await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(answer, path, limit=LARGEST_LINE)


class Remote:
    """The other end: `await remote.call("name", argument=1)`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def call(self, do: str, **arguments: Any) -> Any:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=LARGEST_LINE)
        writer.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        await writer.drain()
        answer = await reader.readline()
        writer.close()
        return json.loads(answer)

    async def wait(self, seconds: float = 20.0) -> None:
        """Until the child answers at all."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.call("ping")
                    return
                except (OSError, ValueError):
                    await asyncio.sleep(0.05)
