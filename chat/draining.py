"""Leaving gracefully: a process that was asked to end takes nothing new, lets what is in flight finish, and tells
each client to come back, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

log = logging.getLogger(__name__)
RESTART = 1012  # the close code that means: come back (RFC 6455's registry)
CLOSED_A_SECOND = 200
LAST_SECONDS = 4.0


class Leaver(Protocol):
    """A socket that can be sent away."""

    async def retire(self) -> None:
        """Finish the command that is under way, then close with 1012."""


class Drain:
    """What is open in this process, and whether it is still taking more."""

    def __init__(self) -> None:
        self.begun = False
        self._sockets: set[Leaver] = set()
        self._requests = 0

    def add(self, socket: Leaver) -> None:
        """A socket that opened."""
        self._sockets.add(socket)

    def remove(self, socket: Leaver) -> None:
        """A socket that has gone."""
        self._sockets.discard(socket)

    def request_began(self) -> None:
        """A request over HTTP has come in."""
        self._requests += 1

    def request_ended(self) -> None:
        """It was answered."""
        self._requests -= 1

    async def run(self, notice_seconds: float = 0.0) -> None:
        """From here on /readyz says no; after the notice, close every socket and wait, for at most a few seconds,
        until the last command and request are answered."""
        self.begun = True
        await asyncio.sleep(notice_seconds)
        leaving = []
        for socket in list(self._sockets):
            leaving.append(asyncio.ensure_future(socket.retire()))
            await asyncio.sleep(1 / CLOSED_A_SECOND)
        try:
            async with asyncio.timeout(LAST_SECONDS):
                ends = await asyncio.gather(*leaving, return_exceptions=True)
                for end in ends:
                    if isinstance(end, Exception):
                        log.warning("a socket could not be sent away", exc_info=end)
                while self._sockets or self._requests:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            log.warning("%d sockets and %d requests were cut", len(self._sockets), self._requests)


drain = Drain()
