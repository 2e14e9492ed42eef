"""`python -m tests.faults.races`: RACES= races of 50 agents for one conversation, and as many of the AI's reply against
a claim, with the product's own actions in threads against a real Postgres."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import django

from tests.faults.facts import owners
from tests.faults.stack import World

AGENTS = 50
PIECES = 6
LEAST_SHARE = 0.05  # of each outcome: else it was no race


@dataclass
class Tally:
    """What came of the races of one kind."""

    races: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def complain(self, sentence: str) -> None:
        self.complaints.append(sentence)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    races = int(os.environ.get("RACES", "500"))
    began = time.monotonic()
    world = World()
    try:
        asyncio.run(world.start())
        _enter(world)
        schema = world.tenants[0]["schema"]
        with ThreadPoolExecutor(AGENTS) as pool:
            tallies = {"50 agents": _claims(pool, schema, races), "AI against claim": _replies(pool, schema, races)}
    finally:
        world.stop()
    for name, tally in tallies.items():
        told = ", ".join(f"{count} {what}" for what, count in sorted(tally.outcomes.items()))
        print(f"{name}: {tally.races} races; {told}; {len(tally.complaints)} violations")
        for complaint in tally.complaints[:6]:
            print(f"   {complaint}")
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    return 1 if any(tally.complaints for tally in tallies.values()) else 0


def _enter(world: World) -> None:
    """Become a process of the product, with a connection for each racer."""
    os.environ.update(world.environment("web", world.postgres.url()))
    django.setup()
    from django.conf import settings

    settings.DATABASES["default"]["OPTIONS"]["pool"].update(max_size=AGENTS + 10, timeout=60)


def _inside(schema: str, deed: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    from django.db import close_old_connections

    from tenants.schema import run_in

    try:
        return run_in(schema, deed, *args, **kwargs)
    finally:
        close_old_connections()


def _at_once(pool: ThreadPoolExecutor, schema: str, deeds: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do all of them in the same moment; their results, or the errors that they ended with."""
    gate = threading.Barrier(len(deeds))

    def one(deed: Callable[[], Any]) -> Any:
        gate.wait(30)
        try:
            return _inside(schema, deed)
        except Exception as error:  # noqa: BLE001  whatever it ends with is the result
            return error

    return list(pool.map(one, deeds))


def _claims(pool: ThreadPoolExecutor, schema: str, races: int) -> Tally:
    tally = Tally(races)
    seats = _inside(schema, _seats)
    for _ in range(races):
        conversation = _inside(schema, _queued)
        results = _at_once(pool, schema, [partial(_claim, seat, conversation) for seat in seats])
        _inside(schema, _judge_claims, tally, conversation, seats, results)
    if not tally.outcomes["won"]:
        tally.complain("nobody ever won")
    return tally


def _seats() -> list[Any]:
    from tenants.workspace.models import Seat

    rows = [Seat(name=f"Racer {n}", email=f"r{n}@x.example", role=Seat.Role.AGENT) for n in range(AGENTS)]
    return list(Seat.objects.bulk_create(rows))


def _asked(text: str) -> str:
    """A new conversation with one text of its visitor."""
    from chat import actions

    conversation = actions.open_session(project="shop", token=None, language="en").conversation_id
    actions.post_as_visitor(conversation_id=conversation, draft=actions.Draft(text))
    return conversation


def _queued() -> str:
    return _asked("I want to talk to a human")


def _claim(seat: Any, conversation: str) -> None:
    from livesupport import actions

    actions.claim(seat=seat, conversation_id=conversation)


def _judge_claims(tally: Tally, conversation: str, seats: list[Any], results: list[Any]) -> None:
    from chat.errors import AlreadyTaken
    from chat.models import Conversation, Message

    winners = [seat for seat, result in zip(seats, results, strict=True) if result is None]
    tally.outcomes["won"] += len(winners)
    if len(winners) != 1:
        tally.complain(f"{len(winners)} winners in {conversation}")
        return
    for result in results:
        if result is None:
            continue
        told = isinstance(result, AlreadyTaken) and winners[0].name in result.sentence
        tally.outcomes["told who won" if told else "not told"] += 1
        if not told:
            tally.complain(f"a loser met {type(result).__name__}: {result}")
    held = Conversation.objects.get(pk=conversation)
    joined = Message.objects.filter(conversation=held, event="joined").count()
    if held.holder_id != winners[0].pk or joined != 1:
        tally.complain(f"{conversation} is held by {held.holder_id}, with {joined} entries that say so")


def _replies(pool: ThreadPoolExecutor, schema: str, races: int) -> Tally:
    tally = Tally(races)
    rng = random.Random(1)
    seat = _inside(schema, _seats)[0]
    heard: dict[str, list[dict[str, Any]]] = {}
    _listen(heard)
    for _ in range(races):
        conversation = _inside(schema, _asked, "How long can I return a lamp?")
        job = _inside(schema, _begin, conversation)
        pauses = rng.random() * 0.03, rng.random() * 0.03
        said, claimed = _at_once(
            pool, schema, [partial(_speak, job, pauses[0]), partial(_claim_later, seat, conversation, pauses[1])]
        )
        for result in (said, claimed):
            if isinstance(result, Exception):
                tally.complain(f"{type(result).__name__}: {result}")
        tally.outcomes["answered first" if said is True else "claimed first"] += 1
        _inside(schema, _judge_reply, tally, conversation, heard.pop(conversation, []))
    for outcome in ("answered first", "claimed first"):
        if races >= 20 and tally.outcomes[outcome] < races * LEAST_SHARE:
            tally.complain(f"only {tally.outcomes[outcome]} times {outcome}: that is no race")
    return tally


def _listen(heard: dict[str, list[dict[str, Any]]]) -> None:
    """Note every piece of an answer that leaves for the sockets."""
    from chat import turns

    send = turns.push.send

    def noted(group: str, message: dict[str, Any]) -> None:
        frame = message.get("frame", {})
        if frame.get("type") == "delta":
            heard.setdefault(frame["conversation"], []).append(frame)
        send(group, message)

    turns.push.send = noted


def _begin(conversation: str) -> Any:
    from chat import actions
    from chat.models import Turn

    job = actions.begin_turn(turn_id=Turn.objects.get(conversation=conversation).pk)
    assert job is not None
    return job


def _speak(job: Any, pause: float) -> bool:
    """What a worker does with an answer; whether it was stored."""
    from chat import actions, turns
    from knowledge.answers import Outcome

    def pieces() -> Any:
        for n in range(PIECES):
            time.sleep(pause / PIECES)
            yield f"piece {n} "
        yield Outcome("reply", "The whole answer.")

    outcome = turns.Stream(job).follow(pieces())
    if outcome is None:
        actions.drop_turn(turn_id=job.hold.turn_id)
        return False
    given = {"text": outcome.text, "outcome": outcome.kind, "citations": []}
    return actions.answer_turn(hold=job.hold, **given) is not None


def _claim_later(seat: Any, conversation: str, pause: float) -> None:
    time.sleep(pause)
    _claim(seat, conversation)


def _judge_reply(tally: Tally, conversation: str, deltas: list[dict[str, Any]]) -> None:
    from chat.models import Conversation, Message

    log = list(Message.objects.filter(conversation=conversation).order_by("seq").values())
    for row, owner, _ in owners(log):
        if row["sender"] == "ai" and owner != "ai":
            tally.complain(f"{conversation}: the AI wrote {row['seq']} while the word was with {owner}")
    held = Conversation.objects.get(pk=conversation)
    if held.owner != Conversation.Owner.AGENT:
        tally.complain(f"{conversation}: claimed, and with {held.owner}")
    tally.outcomes["pieces streamed"] += len(deltas)
    # A client drops what carries an older epoch than the claim that it was shown.
    late = [delta for delta in deltas if delta["epoch"] >= held.epoch]
    if late:
        tally.complain(f"{conversation}: {len(late)} pieces of the AI carry the agent's epoch")


if __name__ == "__main__":
    sys.exit(main())
