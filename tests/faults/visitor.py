"""A visitor: asks, asks for a person, answers people, goes on and on, through whatever breaks."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import httpx

from tests.faults.client import FLUSH_SECONDS, Frame, Link, Log, Party, Place
from tests.faults.journal import Journal
from tests.faults.polling import PollingLink

QUESTIONS = (
    "How long can I return a lamp?", "When will my sofa be delivered?", "Can I wash the cushion covers?",
    "How do I assemble the bed?", "How long is the guarantee on the frame?", "When is the Vienna showroom open?",
    "Do the fitters bring their own tools?", "May I choose an afternoon for the delivery?", "Is parking free there?",
    "Are wool covers cleaned by hand?", "Does the courier collect the lamp?", "How long do chairs take to arrive?",
    "Where is the number for the guarantee?", "Do I need two people for the bed?", "Does the return cost anything?",
    "At how many degrees do I wash cotton?", "Are tables made to order?", "What does it cost to have it assembled?",
    "Is the box needed for a return?", "May I use a tumble dryer?", "Until what time is Hamburg open?",
    "How long is fabric covered?", "Are electric parts covered as well?", "Which tools are in the box?",
)  # fmt: skip
PATIENCE = 15.0
ASK_FOR_PEOPLE = ("I want to talk to a human", "Please let me speak to a real person", "Can I talk to an agent?")
CHAT = ("Thank you, that helps.", "And what about the other one?", "I see.", "It is the blue one.", "Yes, please do.")


class Visitor(Party):
    """One browser with one conversation. `pace` is the mean pause between two things it does, in seconds."""

    def __init__(self, name: str, place: Place, journal: Journal, rng: random.Random, pace: float = 3.0) -> None:
        super().__init__(name, journal, rng)
        self._place, self.pace = place, pace
        self.link: Link = Link(self, place, rng)
        self.token = self.conversation = ""
        self.only_asks = False  # one question at a time, and never for a person
        self._said = 0
        self._said_at = 0.0
        self._questions: list[str] = []

    @property
    def host(self) -> str:
        return self._place.host

    def poll(self) -> None:
        """Do without a WebSocket from now on."""
        self.link = PollingLink(self, self._place, self.rng)

    async def open(self) -> None:
        """Get a token, however long it takes."""
        async with httpx.AsyncClient(timeout=5, headers={"Host": f"{self._place.host}:8000"}) as http:
            while not self.token:
                port = self.rng.choice(list(self._place.ports))
                body = {"project": "shop", "token": None, "language": "en"}
                try:
                    answer = await http.post(f"http://127.0.0.1:{port}/widget/session", json=body)
                    found = answer.raise_for_status().json()
                except (httpx.HTTPError, ValueError):
                    await asyncio.sleep(0.5)
                    continue
                self.token, self.conversation = found["token"], found["conversation"]
        self.logs[self.conversation] = Log()
        self.note("opened", conversation=self.conversation)
        self.link.start()

    async def live(self, until: float) -> None:
        """Act until the monotonic time `until`."""
        await self.open()
        await asyncio.sleep(self.rng.random() * self.pace)
        while time.monotonic() < until:
            self._act()
            await asyncio.sleep(self.rng.expovariate(1 / self.pace) + 0.05)

    async def keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.outbox.flush()

    def _act(self) -> None:
        if self.only_asks:
            self.say(self._next_question())
            return
        dice = self.rng.random()
        speaker = self.logs[self.conversation].speaker
        if dice < 0.07:
            self.say(self.rng.choice(ASK_FOR_PEOPLE))
        elif dice < 0.1:
            self.submit("human.request", self.conversation)
        elif dice < 0.15:
            self.link.send({"type": "seen.set", "seq": self.logs[self.conversation].last})
        elif speaker == "ai" and self._is_waiting() and self.rng.random() < 0.8:
            return  # most people wait for an answer, if it does not take for ever
        elif speaker == "ai":
            for _ in range(self.rng.choice((1, 1, 1, 2, 3))):  # some send several lines at once
                self.say(self._next_question())
        else:
            self.link.send({"type": "typing.set", "on": True})
            self.say(self.rng.choice(CHAT))

    def _is_waiting(self) -> bool:
        """Whether the last words are one's own, and not long ago."""
        return bool(self.outbox.items) or self.has_the_last_word and time.monotonic() - self._said_at < PATIENCE

    def _next_question(self) -> str:
        """Another one than before: whoever asks the same again is taken for cross."""
        if not self._questions:
            self._questions = self.rng.sample(QUESTIONS, len(QUESTIONS))
        return self._questions.pop()

    def say(self, words: str) -> str:
        """Send a text; its mark tells it from every other one."""
        self._said += 1
        self._said_at = time.monotonic()
        mark = f"#{self.name}.{self._said}#"
        return self.submit("message.send", self.conversation, mark=mark, fields={"text": f"{words} {mark}"})

    def hello(self) -> Frame:
        return {"type": "hello", "v": 1, "token": self.token, "seq": self.logs[self.conversation].last}

    def resume(self, conversation: str) -> Frame:
        return {"type": "resume", "seq": self.logs[conversation].last}

    def pulse(self) -> None:
        if self.link.send(self.resume(self.conversation)):
            self.link.await_answer()


def place(world_links: dict[str, int], webs: tuple[str, ...], host: str, kind: str, **more: Any) -> Place:
    """Where a party of a kind (`visitors`, `agents`) comes in."""
    path = "/ws/visitor/" if kind == "visitors" else "/ws/desk/"
    return Place([world_links[f"{kind}->{web}"] for web in webs], host, path, **more)
