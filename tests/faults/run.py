"""One run: drivers act, lanes break things, all heals, quiet comes, the oracle judges."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.agent import Agent
from tests.faults.breaking import Site, kind_of
from tests.faults.facts import Facts
from tests.faults.journal import Journal, of
from tests.faults.oracle import judge
from tests.faults.reading import read
from tests.faults.stack import WEBS, Stack, World
from tests.faults.visitor import QUESTIONS, Visitor, place

CALM_BEFORE, CALM_AFTER = 3.0, 3.0
QUIET_SECONDS = 75.0
STILL_SECONDS = 2.0
POLLERS = 4  # one visitor of so many has no WebSocket


@dataclass
class Script:
    """What happens in a run. `lanes` are kinds of fault, by lane; `least_seconds` how long the drivers act at least."""

    seed: int
    lanes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    visitors: int = 40
    least_seconds: float = 10.0
    pace: float = 3.0
    keen: float = 0.5
    takes_from_ai: float = 0.06
    model_gap: float = 0.04
    only_asks: bool = False
    quiet_seconds: float = QUIET_SECONDS
    build: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """What came of it."""

    script: Script
    complaints: dict[str, list[str]]
    hits: Counter[str]
    counts: Counter[str]
    recoveries: list[float]
    seconds: float
    quiet_seconds: float | None
    fell: Counter[str]

    @property
    def unhit(self) -> list[str]:
        """Planned, and never really happened."""
        return [name for lane in self.script.lanes.values() for name in lane if not self.hits[name]]

    @property
    def ok(self) -> bool:
        return not self.complaints and not self.unhit


class Run:
    """One script on a world."""

    def __init__(self, world: World, script: Script) -> None:
        self.world, self.script = world, script
        self.stack = Stack(world, script.build)
        self.journal = Journal(world.folder / "logs" / f"journal-{script.seed}.jsonl")
        self.hits: Counter[str] = Counter()
        self.visitors: list[Visitor] = []
        self.agents: list[Agent] = []
        self.schemas: dict[str, str] = {}
        self.acting_until = float("inf")
        self.loads = [os.getloadavg()[0]]

    async def play(self) -> Result:
        began = time.monotonic()
        await self.stack.start()
        await self.stack.fakes.call("model_gap", seconds=self.script.model_gap)
        try:
            self._cast()
            await self._warm_up()
            quiet = await self._act()
            facts = await read(self.stack, self.journal, self.schemas)
            facts.slowness = max(1.0, sum(self.loads) / len(self.loads) / (os.cpu_count() or 1))
        finally:
            for party in (*self.visitors, *self.agents):
                await party.link.stop()
            self.stack.stop()
            self.journal.close()
        took = time.monotonic() - began
        complaints = judge(facts)
        return Result(
            self.script, complaints, self.hits, counts(facts), recoveries(facts), took, quiet, self.stack.fell
        )

    def _cast(self) -> None:
        rng = random.Random(f"cast/{self.script.seed}")
        for number in range(self.script.visitors):
            tenant = self.world.tenants[number % len(self.world.tenants)]
            name, own = f"visitor{number}", random.Random(rng.random())
            where = place(self.world.links, WEBS, tenant["host"], "visitors")
            self.visitors.append(Visitor(name, where, self.journal, own, self.script.pace))
            self.visitors[-1].only_asks = self.script.only_asks
            if number % POLLERS == POLLERS - 1:
                self.visitors[-1].poll()
            self.schemas[name] = tenant["schema"]
        for tenant in self.world.tenants:
            for card in tenant["agents"]:
                name, own = f"agent{len(self.agents)}", random.Random(rng.random())
                where = place(self.world.links, WEBS, tenant["host"], "agents")
                agent = Agent(name, where, self.journal, own, card)
                agent.keen, agent.takes_from_ai = self.script.keen, self.script.takes_from_ai
                self.agents.append(agent)
                self.schemas[name] = tenant["schema"]

    async def _warm_up(self) -> None:
        """The first turn of a worker loads its models: some strangers ask before the run begins."""
        strangers = [
            Visitor(name, place(self.world.links, WEBS, tenant["host"], "visitors"), Journal(), random.Random(name))
            for tenant in self.world.tenants
            for name in (f"warm{tenant['name']}{n}" for n in range(4))
        ]
        for stranger in strangers:
            await stranger.open()
        await asyncio.sleep(0.5)
        for stranger in strangers:
            stranger.say(QUESTIONS[0])
        async with asyncio.timeout(60):
            while not all(stranger.logs[stranger.conversation].last > 1 for stranger in strangers):
                await asyncio.sleep(0.2)
        for stranger in strangers:
            await stranger.link.stop()

    async def _act(self) -> float | None:
        """Everything at once, until it is quiet; how long that took after healing, None if it never was."""
        parties = (*self.agents, *self.visitors)
        helpers = [asyncio.create_task(party.keep_flushing()) for party in parties]
        helpers.append(asyncio.create_task(self.stack.nurse()))
        acting = [asyncio.create_task(self._until_told(party)) for party in parties]
        least = time.monotonic() + self.script.least_seconds
        await asyncio.sleep(CALM_BEFORE)
        await asyncio.gather(*(self._lane(name, kinds) for name, kinds in self.script.lanes.items()))
        await asyncio.sleep(max(CALM_AFTER, least - time.monotonic()))
        for task in acting:
            task.cancel()
        await asyncio.gather(*acting, return_exceptions=True)
        quiet = await self._quiet()
        for task in helpers:
            task.cancel()
        for party in parties:
            party.finish()
        return quiet

    async def _until_told(self, party: Visitor | Agent) -> None:
        await party.live(self.acting_until)

    async def _lane(self, lane: str, kinds: Sequence[str]) -> None:
        rng = random.Random(f"{self.script.seed}/{lane}")
        for name in kinds:
            await asyncio.sleep(0.1 + rng.random() * 0.4)
            kind = kind_of(name)
            row = self.journal.write("harness", "fault", kind=name, touches=kind.touches, until=float("inf"))
            try:
                self.hits[name] += await kind.strike(Site(self.stack, rng, self.visitors, self.agents))
            finally:
                row["until"] = time.monotonic()

    async def _quiet(self) -> float | None:
        """Wait until nothing is left to do, for a while."""
        began = time.monotonic()
        still_since: float | None = None
        while time.monotonic() - began < self.script.quiet_seconds:
            await asyncio.sleep(0.4)
            self.loads.append(os.getloadavg()[0])
            if self._is_still():
                still_since = still_since or time.monotonic()
                if time.monotonic() - still_since > STILL_SECONDS:
                    return still_since - began
            else:
                still_since = None
        return None

    def _is_still(self) -> bool:
        if any(party.outbox.items for party in (*self.visitors, *self.agents)):
            return False
        ends: dict[tuple[str, bool], int] = {}
        with self.world.connect(self.stack.database) as session:
            for tenant in self.world.tenants:
                schema = f'"{tenant["schema"]}"'
                busy = session.execute(
                    f"SELECT (SELECT count(*) FROM {schema}.chat_turn WHERE state IN ('queued', 'running')) + "
                    f"(SELECT count(*) FROM {schema}.workspace_outboxentry WHERE state IN ('waiting', 'sending') "
                    "AND kind LIKE 'slack%') AS n"
                ).fetchone()
                if busy and busy["n"]:
                    return False
                for row in session.execute(
                    "SELECT conversation_id::text AS id, max(seq) AS last, "
                    f"max(seq) FILTER (WHERE NOT internal) AS seen FROM {schema}.chat_message GROUP BY 1"
                ).fetchall():
                    ends[row["id"], True], ends[row["id"], False] = row["last"], row["seen"]
        return all(
            log.last == ends.get((conversation, isinstance(party, Agent)), 0)
            for party in (*self.visitors, *self.agents)
            for conversation, log in party.logs.items()
        )


def counts(facts: Facts) -> Counter[str]:
    """How much there was to judge."""
    found: Counter[str] = Counter()
    found["sent"] = len(facts.sent())
    found["resent or late"] = sum(1 for row in of(facts.journal, "down"))
    found["entries"] = len(facts.messages)
    found["shown"] = len(of(facts.journal, "shown"))
    found["AI answers"] = sum(1 for row in facts.messages if row["sender"] == "ai" and row["kind"] == "text")
    found["handoffs"] = sum(1 for row in facts.messages if row["event"] in ("handed_over", "standing"))
    claims = of(facts.journal, "claim")
    found["claims won"] = sum(1 for row in claims if row["status"] == 200)
    found["claims lost"] = sum(1 for row in claims if row["status"] == 409)
    found["Slack posts"] = len(facts.posts)
    found["slowness"] = round(facts.slowness)
    return found


def recoveries(facts: Facts) -> list[float]:
    """Of every message that a fault held up: the seconds from the last healing on its way to its receipt."""
    acked, sent = facts.acked(), facts.sent()
    ends: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for fault in of(facts.journal, "fault"):
        for touched in fault["touches"]:
            ends[touched].append((fault["t"], fault["until"]))
    found = []
    for client_id, ack in acked.items():
        side = "agents" if ack["party"].startswith("agent") else "visitors"
        since = sent[client_id]["t"]
        on_its_way = [each for touched in ("web", "postgres", side) for each in ends[touched]]
        healed = [until for start, until in on_its_way if since < until and start < ack["t"] and until < ack["t"]]
        if healed:
            found.append(ack["t"] - max(healed))
    return sorted(found)
