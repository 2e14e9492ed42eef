"""An agent: sees who waits, takes them (in races, sometimes), answers, notes, gives back, resolves."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any
from uuid import UUID

import httpx

from tests.faults.client import FLUSH_SECONDS, Frame, Link, Log, Party, Place
from tests.faults.journal import Journal

REPLIES = ("I look into it.", "It is on its way.", "You can keep the box.", "I have written it down for you.")
ENDINGS = ("resolve", "hand-back", "hand-back", "hand-back", "release")
CSRF = "c" * 32
MOST_TRIES = 60


class Agent(Party):
    """One dashboard. `keen` agents reach for everybody who waits, at once: so several race for one."""

    def __init__(self, name: str, place: Place, journal: Journal, rng: random.Random, card: dict[str, Any]) -> None:
        super().__init__(name, journal, rng)
        self._place, self.seat, self.seat_name, self._session = place, card["seat"], card["name"], card["session"]
        place.cookie = f"sessionid={self._session}"
        self.link = Link(self, place, rng)
        self.waiting: dict[str, float] = {}
        self.held: set[str] = set()
        self.keen = 0.5
        self.takes_from_ai = 0.15
        self._said = 0
        self._mine: list[tuple[str, int, str]] = []  # conversation, seq and mark of what stands under this name
        self._http: httpx.AsyncClient | None = None

    @property
    def host(self) -> str:
        return self._place.host

    async def open(self) -> None:
        headers = {"Host": f"{self._place.host}:8000", "Origin": self._place.origin, "X-CSRFToken": CSRF}
        cookies = {"sessionid": self._session, "csrftoken": CSRF}
        self._http = httpx.AsyncClient(timeout=8, headers=headers, cookies=cookies)
        self.link.start()

    async def close(self) -> None:
        await self.link.stop()
        if self._http:
            await self._http.aclose()

    async def live(self, until: float) -> None:
        """Act until the monotonic time `until`, then let go of nobody."""
        await self.open()
        while time.monotonic() < until:
            await self._act()
            await asyncio.sleep(0.15 + self.rng.random() * 0.6)

    async def keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.outbox.flush()

    async def _act(self) -> None:
        if self.waiting and self.rng.random() < 0.8:
            longest = min(self.waiting, key=lambda key: self.waiting[key])
            await self.claim(longest if self.rng.random() < self.keen else self.rng.choice(sorted(self.waiting)))
        elif self.held:
            await self._serve(self.rng.choice(sorted(self.held)))
        elif self.logs and self.rng.random() < self.takes_from_ai:
            await self.claim(self.rng.choice(sorted(self.logs)))

    async def claim(self, conversation: str) -> int:
        """Take it; who loses is told who won."""
        status, said = await self.post(conversation, "claim")
        self.note("claim", conversation=conversation, status=status, sentence=said.get("sentence", ""),
                  code=said.get("code", ""), seat=self.seat_name)  # fmt: skip
        if status:
            self.waiting.pop(conversation, None)
        if status == 200:
            self.held.add(conversation)
        if status in (200, 409):
            self.open_conversation(conversation)
        return status

    def open_conversation(self, conversation: str) -> None:
        """Follow it on the screen."""
        self.logs.setdefault(conversation, Log())
        if self.link.send(self.resume(conversation)):
            self.link.await_answer()

    async def _serve(self, conversation: str) -> None:
        dice = self.rng.random()
        if dice < 0.4:
            self.say(conversation, self.rng.choice(REPLIES))
        elif dice < 0.5:
            self.say(conversation, "Between us: a regular.", note=True)
        elif dice < 0.6 and self._mine:
            await self._change(*self.rng.choice(self._mine[-8:]))
        elif dice < 0.63:
            self.link.send({"type": "typing.set", "conversation": conversation, "on": True})
        else:
            ending = self.rng.choice(ENDINGS)
            status, _ = await self.post(conversation, ending)
            self.note("ended", conversation=conversation, how=ending, status=status)
            if status in (200, 409):
                self.held.discard(conversation)

    async def _change(self, conversation: str, seq: int, mark: str) -> None:
        """Write it anew, or take it back, asking again until somebody answers."""
        is_edit = self.rng.random() < 0.75
        client_id = str(UUID(int=self.rng.getrandbits(128), version=4))
        given = {"client_id": client_id} | ({"text": f"To be exact: {client_id[:8]} {mark}"} if is_edit else {})
        for _ in range(MOST_TRIES):
            status, said = await self.post(conversation, f"message/{seq}/{'edit' if is_edit else 'delete'}", given)
            if status not in (0, 500, 502, 503):
                break
            await asyncio.sleep(0.5)
        self.note("changed", conversation=conversation, seq=seq, edit=is_edit, status=status, client_id=client_id,
                  code=said.get("code", ""))  # fmt: skip

    def _confirm(self, client_id: str, seq: int) -> None:
        item = self.outbox.items.get(client_id)
        if item is not None and item.frame["type"] == "message.send":
            self._mine.append((item.frame["conversation"], seq, item.frame["text"].rpartition(" ")[2]))
        super()._confirm(client_id, seq)

    def say(self, conversation: str, words: str, *, note: bool = False) -> str:
        self._said += 1
        mark = f"#{self.name}.{self._said}#"
        fields = {"conversation": conversation, "text": f"{words} {mark}", "note": note}
        return self.submit("message.send", conversation, mark=mark, fields=fields)

    async def post(
        self, conversation: str, deed: str, given: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One of the dashboard's posts: status (0: nobody answered) and body."""
        assert self._http is not None
        port = self.rng.choice(list(self._place.ports))
        try:
            answer = await self._http.post(f"http://127.0.0.1:{port}/live/c/{conversation}/{deed}/", data=given)
            return answer.status_code, answer.json() if "json" in answer.headers.get("content-type", "") else {}
        except (httpx.HTTPError, ValueError):
            return 0, {}

    def hello(self) -> Frame:
        return {"type": "hello", "v": 1}

    def welcomed(self, frame: Frame) -> None:
        for conversation in self.logs:
            self.open_conversation(conversation)
        super().welcomed(frame)

    def resume(self, conversation: str) -> Frame:
        return {"type": "resume", "conversation": conversation, "seq": self.logs[conversation].last}

    def pulse(self) -> None:
        """A sign of life; with something on the screen, the question what is new in it."""
        if self.link.send({"type": "resume"}):
            self.link.await_answer()
        for conversation in self.logs:
            self.link.send(self.resume(conversation))

    def told(self, state: Frame) -> None:
        conversation = state["conversation"]
        if state["owner"] == "queue":
            self.waiting.setdefault(conversation, time.monotonic())
        else:
            self.waiting.pop(conversation, None)
        if state["owner"] != "agent" or (state["agent"] or {}).get("name") != self.seat_name:
            self.held.discard(conversation)
        else:
            self.held.add(conversation)
            if conversation not in self.logs:
                self.open_conversation(conversation)
