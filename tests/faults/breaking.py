"""Everything that is broken on purpose: each kind strikes, lasts, heals, and says how often it really hit."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from tests.faults import proxy
from tests.faults.agent import Agent
from tests.faults.stack import WEBS, WORKERS, Stack
from tests.faults.visitor import Visitor

ORDER_SECONDS = 25.0  # how long to wait until a program comes to the point where it is to die
CALL_SECONDS = 60.0  # the same for a call of the model: people have the word for long stretches


@dataclass
class Site:
    """Where it happens."""

    stack: Stack
    rng: random.Random
    visitors: Sequence[Visitor] = ()
    agents: Sequence[Agent] = ()

    @property
    def world(self) -> Any:
        return self.stack.world


Strike = Callable[[Site], Awaitable[int]]


@dataclass(frozen=True)
class Kind:
    """`touches` says what stops working meanwhile; `lane` which of the concurrent lists of a plan it belongs to."""

    strike: Strike
    touches: tuple[str, ...]
    lane: str


async def born_again(site: Site, name: str, births: int) -> None:
    """Wait until the supervisor has started a program that died, and a web server answers."""
    while site.stack.births[name] == births:
        await asyncio.sleep(0.05)
    while name in WEBS and not await asyncio.to_thread(site.stack.answers, name):
        await asyncio.sleep(0.1)


def kill(names: tuple[str, ...]) -> Strike:
    """SIGKILL at any moment."""

    async def strike(site: Site) -> int:
        name = site.rng.choice(names)
        births = site.stack.births[name]
        site.stack.doomed.add(name)
        site.stack.children[name].process.kill()
        await born_again(site, name, births)
        return 1

    return strike


def ask_to_end(names: tuple[str, ...]) -> Strike:
    """SIGTERM, as a deploy does: it lets go of what it holds, and another takes over."""

    async def strike(site: Site) -> int:
        name = site.rng.choice(names)
        births = site.stack.births[name]
        site.stack.doomed.add(name)
        child = site.stack.children[name]
        child.ask_to_stop()
        deadline = time.monotonic() + ORDER_SECONDS
        while child.alive and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        ended = not child.alive
        child.process.kill()
        await born_again(site, name, births)
        return int(ended)

    return strike


def kill_at(point: str, names: tuple[str, ...]) -> Strike:
    """SIGKILL by the program itself, exactly at a point: whichever of them comes there first."""

    async def strike(site: Site) -> int:
        orders = {name: site.stack.orders / f"{name}.{point}" for name in names}
        births = dict(site.stack.births)
        site.stack.doomed.update(names)
        for order in orders.values():
            order.with_suffix(order.suffix + ".done").unlink(missing_ok=True)
            order.touch()
        deadline = time.monotonic() + ORDER_SECONDS
        while all(order.exists() for order in orders.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        obeyed = [name for name, order in orders.items() if order.with_suffix(order.suffix + ".done").exists()]
        for name, order in orders.items():
            order.unlink(missing_ok=True)
            if name not in obeyed:
                site.stack.doomed.discard(name)
        for name in obeyed:
            await born_again(site, name, births[name])
        return len(obeyed)

    return strike


def flush(service: str) -> Strike:
    async def strike(site: Site) -> int:
        site.world.valkey(service).flushall()
        return 1

    return strike


def restart(service: str, how: signal.Signals) -> Strike:
    async def strike(site: Site) -> int:
        await site.world.restart(service, how)
        return 1

    return strike


def fill(service: str) -> Strike:
    """No memory left: every write is refused."""

    async def strike(site: Site) -> int:
        client = site.world.valkey(service)
        client.config_set("maxmemory", "1")
        refused = 0
        try:
            client.set("one-more", "x")
        except redis.OutOfMemoryError:
            refused = 1
        await asyncio.sleep(1.5)
        client.config_set("maxmemory", "0")
        return refused

    return strike


def pause(service: str, seconds: float = 1.5) -> Strike:
    """The server takes commands and answers none."""

    async def strike(site: Site) -> int:
        site.world.valkey(service).execute_command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
        await asyncio.sleep(seconds)
        return 1

    return strike


def freeze(service: str, seconds: float = 1.5) -> Strike:
    """SIGSTOP: the process is there, and does nothing."""

    async def strike(site: Site) -> int:
        process = site.world.children[service].process
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        return 1

    return strike


def on_link(names: tuple[str, ...], mode: str, *, seconds: float = 1.5, share: float = 1.0, delay: float = 0.0,
            cut_dead: bool = False) -> Strike:  # fmt: skip
    """A mode of the proxy on one or several links for a while; longer, if nobody came by until then."""

    async def strike(site: Site) -> int:
        call = site.world.proxy.call
        for name in names:
            await call("set", link=name, mode=mode, share=share, seconds=delay)
        deadline = time.monotonic() + ORDER_SECONDS
        await asyncio.sleep(seconds)
        while not any([(await call("hits"))[name] for name in names]) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        return sum([await call("heal", link=name, cut_dead=cut_dead) for name in names])

    return strike


def hold_lock(query: str, seconds: float = 2.0) -> Strike:
    """Somebody's transaction sits on the rows that the next writers need."""

    async def strike(site: Site) -> int:
        held = 0
        with site.world.connect(site.stack.database) as session:
            session.execute("BEGIN")
            for tenant in site.world.tenants:
                held += len(session.execute(query.format(schema=tenant["schema"])).fetchall())
            await asyncio.sleep(seconds)
            session.execute("ROLLBACK")
        return held

    return strike


async def claim_at_once(site: Site) -> int:
    """Every agent of a tenant reaches for the same conversation in the same moment; how many raced."""
    await asyncio.sleep(0.5)
    free = [each for each in site.visitors if (log := each.logs.get(each.conversation)) and log.last]
    free = [each for each in free if each.logs[each.conversation].speaker != "agent"]
    if not free:
        return 0
    visitor = site.rng.choice(free)
    racing = [agent for agent in site.agents if agent.host == visitor.host]
    found = await asyncio.gather(*(agent.claim(visitor.conversation) for agent in racing))
    return len([status for status in found if status])


async def claim_while_the_ai_speaks(site: Site) -> int:
    """An agent takes a conversation in which words of the AI are being shown."""
    deadline = time.monotonic() + ORDER_SECONDS
    while time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        listening = [visitor for visitor in site.visitors if time.monotonic() - visitor.streamed_at < 0.3]
        if listening:
            visitor = site.rng.choice(listening)
            agent = site.rng.choice([agent for agent in site.agents if agent.host == visitor.host])
            return int(await agent.claim(visitor.conversation) == 200)
    return 0


async def slow_commits(site: Site) -> int:
    """Between a transaction's last word and the moment when others see it there is a while."""
    database = site.stack.database
    for setting in ("fsync = on", "commit_delay = 100000", "commit_siblings = 0"):
        site.world.sql(f"ALTER SYSTEM SET {setting}", database=database)
    site.world.sql("SELECT pg_reload_conf()", database=database)
    hits = await on_link(PG_WEB, proxy.DELAY, delay=0.03, seconds=35.0)(site)
    for setting in ("fsync = off", "commit_delay = 0"):
        site.world.sql(f"ALTER SYSTEM SET {setting}", database=database)
    site.world.sql("SELECT pg_reload_conf()", database=database)
    return hits


def model(name: str, times: int = 1) -> Strike:
    """The next calls of the model go wrong in one way."""

    async def strike(site: Site) -> int:
        call = site.stack.fakes.call
        before = (await call("model_played")).get(name, 0)
        await call("model_fail", names=[name] * times)
        deadline = time.monotonic() + CALL_SECONDS
        while (played := (await call("model_played")).get(name, 0) - before) < times and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        await call("model_unplayed")
        return int(played)

    return strike


def slack(name: str, times: int = 1) -> Strike:
    """The next posts to Slack go wrong in one way."""

    async def strike(site: Site) -> int:
        call = site.stack.fakes.call
        await call("slack_fail", names=[name] * times)
        deadline = time.monotonic() + ORDER_SECONDS
        while (left := await call("slack_waiting")) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        return times - int(left)

    return strike


PG_WEB, PG_WORKER = ("web->postgres",), ("worker->postgres",)
LAYER = ("web->layer", "worker->layer")
BROKER = ("web->broker", "worker->broker")
VISITORS = tuple(f"visitors->{web}" for web in WEBS)
AGENTS = tuple(f"agents->{web}" for web in WEBS)
CONVERSATIONS = 'SELECT id FROM "{schema}".chat_conversation ORDER BY updated_at DESC LIMIT 4 FOR UPDATE'
NOTES = "SELECT 1 FROM public.tenants_due WHERE schema = '{schema}' FOR UPDATE"
MODEL_FAULTS = (
    "401", "429", "500", "hang", "hang-after-first", "drip", "cut", "cut-at-once", "empty", "not-json", "html",
    "enormous",
)  # fmt: skip

KINDS: dict[str, Kind] = {
    "kill a web server": Kind(kill(WEBS), ("web",), "programs"),
    "kill a web server between commit and ack": Kind(kill_at("commit-ack", WEBS), ("web",), "programs"),
    "kill a web server between insert and commit": Kind(kill_at("insert-commit", WEBS), ("web",), "programs"),
    "kill a worker": Kind(kill(WORKERS), ("worker",), "programs"),
    "kill a worker that has just taken a turn": Kind(kill_at("begun-turn", WORKERS), ("worker",), "programs"),
    "kill a worker before it stores its answer": Kind(kill_at("said-unstored", WORKERS), ("worker",), "programs"),
    "kill a worker after it posted to Slack": Kind(kill_at("posted-unsaved", WORKERS), ("worker",), "programs"),
    "ask a web server to end": Kind(ask_to_end(WEBS), ("web",), "programs"),
    "ask a worker to end": Kind(ask_to_end(WORKERS), ("worker",), "programs"),
    "restart Postgres": Kind(restart("postgres", signal.SIGINT), ("postgres",), "services"),
    "crash Postgres": Kind(restart("postgres", signal.SIGQUIT), ("postgres",), "services"),
    "hold row locks": Kind(hold_lock(CONVERSATIONS), ("postgres",), "services"),
    "hold the notes of due work": Kind(hold_lock(NOTES, 2.0), ("postgres",), "services"),
    "cut the web servers' Postgres": Kind(on_link(PG_WEB, proxy.CUT, seconds=1.5), ("postgres",), "services"),
    "cut the workers' Postgres": Kind(on_link(PG_WORKER, proxy.CUT, seconds=1.5), ("postgres", "worker"), "services"),
    "slow Postgres": Kind(on_link(PG_WEB + PG_WORKER, proxy.DELAY, delay=0.03), ("postgres",), "services"),
    "black-hole Postgres, then reset": Kind(
        on_link(PG_WEB + PG_WORKER, proxy.BLACK_HOLE, share=0.7, cut_dead=True), ("postgres", "worker"), "services"
    ),
    "flush the layer": Kind(flush("layer"), ("layer",), "services"),
    "kill the layer": Kind(restart("layer", signal.SIGKILL), ("layer",), "services"),
    "fill the layer": Kind(fill("layer"), ("layer",), "services"),
    "pause the layer": Kind(pause("layer"), ("layer",), "services"),
    "freeze the layer": Kind(freeze("layer"), ("layer",), "services"),
    "cut the layer's links": Kind(on_link(LAYER, proxy.CUT), ("layer",), "links"),
    "black-hole the layer, then reset": Kind(on_link(LAYER, proxy.BLACK_HOLE, cut_dead=True), ("layer",), "links"),
    "flush the broker": Kind(flush("broker"), ("broker",), "services"),
    "kill the broker": Kind(restart("broker", signal.SIGKILL), ("broker",), "services"),
    "fill the broker": Kind(fill("broker"), ("broker",), "services"),
    "pause the broker": Kind(pause("broker"), ("broker",), "services"),
    "freeze the broker": Kind(freeze("broker"), ("broker",), "services"),
    "cut the broker's links": Kind(on_link(BROKER, proxy.CUT), ("broker",), "links"),
    "stall the broker's links": Kind(on_link(BROKER, proxy.STALL), ("broker",), "links"),
    "cut visitors": Kind(on_link(VISITORS, proxy.CUT, seconds=1.0, share=0.7), ("visitors",), "links"),
    "delay visitors": Kind(on_link(VISITORS, proxy.DELAY, delay=0.4, seconds=3.0), ("visitors",), "links"),
    "black-hole visitors": Kind(on_link(VISITORS, proxy.BLACK_HOLE, share=0.3), ("visitors",), "links"),
    "half-open visitors": Kind(on_link(VISITORS, proxy.HALF_OPEN, share=0.3), ("visitors",), "links"),
    "drip visitors": Kind(on_link(VISITORS, proxy.DRIP, share=0.6), ("visitors",), "links"),
    "stall visitors": Kind(on_link(VISITORS, proxy.STALL, share=0.6), ("visitors",), "links"),
    "cut agents": Kind(on_link(AGENTS, proxy.CUT, seconds=1.0, share=0.8), ("agents",), "links"),
    "black-hole agents": Kind(on_link(AGENTS, proxy.BLACK_HOLE, share=0.5), ("agents",), "links"),
    "model refused": Kind(on_link(("worker->model",), proxy.CUT, seconds=2.5), ("model",), "model"),
    **{f"model {name}": Kind(model(name), ("model",), "model") for name in MODEL_FAULTS},
    "Slack cut": Kind(on_link(("worker->slack",), proxy.CUT, seconds=2.5), ("slack",), "slack"),
    **{f"Slack {name}": Kind(slack(name), ("slack",), "slack") for name in ("429", "500", "lost-answer")},
}

# What only the aimed runs of the mutants do.
AIMED_KINDS: dict[str, Kind] = {
    "no layer for a while": Kind(on_link(LAYER, proxy.CUT, seconds=14.0), ("layer",), "links"),
    "all agents claim at once": Kind(claim_at_once, (), "agents"),
    "claim while the AI speaks": Kind(claim_while_the_ai_speaks, (), "agents"),
    "slow commits": Kind(slow_commits, (), "links"),
}


def kind_of(name: str) -> Kind:
    """A kind by its name."""
    return KINDS.get(name) or AIMED_KINDS[name]


def plan(seed: int) -> dict[str, list[str]]:
    """What is broken in a run, by lane; the kinds of a lane follow each other, the lanes run side by side."""
    rng = random.Random(f"plan/{seed}")
    lanes: dict[str, list[str]] = {}
    for name, kind in KINDS.items():
        lanes.setdefault(kind.lane, []).append(name)
    for lane in lanes.values():
        rng.shuffle(lane)
    return lanes
