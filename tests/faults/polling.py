"""The link of a visitor whose network lets no WebSocket through: static/widget/polling.js, without a browser."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx

from tests.faults.client import Frame, Link

HELD_SECONDS, SENT_SECONDS, PAUSE_SECONDS = 30.0, 15.0, 0.4
MOST_FRAMES = 20


class PollingLink(Link):
    """One stretch of polling after the other. Each request goes to any of the web servers, as behind a load balancer
    that knows no tabs."""

    async def _connect(self) -> None:
        hello = self._party.hello()
        headers = {"Host": f"{self._place.host}:8000", "Authorization": f"Bearer {hello.pop('token')}"}
        self._out = asyncio.Queue()
        async with httpx.AsyncClient(headers=headers) as http:
            tasks = [asyncio.create_task(self._poll(http, hello)), asyncio.create_task(self._pour_out(http))]
            tasks.append(asyncio.create_task(self._pulse()))
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                self.is_open = False
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def await_answer(self) -> None:
        """Each request has a deadline of its own."""

    async def _poll(self, http: httpx.AsyncClient, hello: Frame) -> None:
        name = str(UUID(int=self._rng.getrandbits(128), version=4))
        while True:
            hello["seq"] = self._party.hello()["seq"]
            if await self._ask(http, "/widget/poll", {"link": name, "hello": hello}, HELD_SECONDS):
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _pour_out(self, http: httpx.AsyncClient) -> None:
        while True:
            frames = [await self._out.get()]
            while len(frames) < MOST_FRAMES and not self._out.empty():
                frames.append(self._out.get_nowait())
            if await self._ask(http, "/widget/send", {"frames": frames}, SENT_SECONDS):
                return

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(20)
            self._party.pulse()

    async def _ask(self, http: httpx.AsyncClient, path: str, body: dict[str, Any], seconds: float) -> bool:
        """Hear what a request brings; whether the stretch is over."""
        port = self._rng.choice(list(self._place.ports))
        try:
            answer = await http.post(f"http://127.0.0.1:{port}{path}", json=body, timeout=seconds)
            told = answer.json()
        except (httpx.HTTPError, ValueError):
            return True
        if answer.status_code != 200:
            return True
        for frame in told["frames"]:
            if frame["type"] == "hello":
                self.is_open, self._tries = True, 0
            self._party.heard(frame)
        return bool(told.get("closed"))
