"""I10 in parts: what was promised to happen in time. Time counts only while nothing that it needs is broken."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from statistics import median

from tests.faults.facts import Facts, calm_seconds, is_calm, owners
from tests.faults.journal import Row, of

MARK = re.compile(r"#[a-z0-9-]+\.[0-9]+#")
FIRST_WORDS_SECONDS = 20.0
DELIVERY_SECONDS = 5.0  # a lost nudge costs one re-read
MARGIN_SECONDS, MOST_MARGIN = 1.5, 4.0  # what an idle machine may add to a promise; a busy one more, but not much
NUDGED_SECONDS, PROMPT_SECONDS = 1.5, 2.5  # half of all, where nothing is broken
FEW_A_SECOND = 1.0  # questions; more than that may keep the workers of a small machine busy
ENOUGH = 8  # fewer cases say nothing about a half
GRACE_SECONDS = 8.0  # until everybody is back after a fault
SPOKEN = frozenset({"handed_over", "standing", "contact_asked", "joined", "resolved"})
NEEDED_TO_ANSWER = ("postgres", "broker", "worker", "web")
NEEDED_TO_SHOW = ("postgres", "web")
ANYTHING = ("postgres", "broker", "worker", "web", "layer", "model", "visitors", "agents")


def marks(text: str) -> list[str]:
    """The marks in a text."""
    return MARK.findall(text)


def _margin(facts: Facts) -> float:
    return min(MOST_MARGIN, MARGIN_SECONDS * facts.slowness)


def nobody_is_left_in_silence(facts: Facts) -> Iterator[str]:
    """Every visitor's text to the AI is followed by its words, or by the human path."""
    for log in facts.logs().values():
        waiting: Row | None = None
        for row, owner, _ in owners(log):
            if row["sender"] == "visitor" and row["kind"] == "text" and owner in ("ai", "none"):
                waiting = waiting or row
            elif row["sender"] == "ai" or row["event"] in SPOKEN:
                waiting = None
        if waiting is not None:
            yield f"conversation {waiting['conversation']}: nothing followed {waiting['seq']} ({waiting['text'][-40:]})"


def nothing_is_left_open(facts: Facts) -> Iterator[str]:
    """When all is quiet, no turn waits and nothing stands in the outbox past its time."""
    for turn in facts.turns:
        if turn["state"] in ("queued", "running"):
            yield f"turn {turn['id']} is still {turn['state']}"
    for entry in facts.outbox:
        if entry["state"] in ("waiting", "sending") and entry["next_at"] < facts.ended - 15:
            yield f"outbox entry {entry['key']} has waited since {facts.ended - entry['next_at']:.0f} s"
    for conversation in facts.conversations:
        if conversation["owner"] == "queue" and not conversation["open_handoff"]:
            yield f"conversation {conversation['id']} waits in the queue and no handoff says so"


def first_words_come_in_time(facts: Facts) -> Iterator[str]:
    """20 s after a message to the AI its first words are there, or the human path."""
    windows = facts.windows(NEEDED_TO_ANSWER, GRACE_SECONDS)
    for row, at in _answered(facts):
        waited = calm_seconds(row["at"], at, windows)
        if waited > FIRST_WORDS_SECONDS + _margin(facts):
            yield f"{row['text'][-40:]} waited {waited:.0f} s for first words ({at - row['at']:.0f} s with faults)"


def _answered(facts: Facts) -> Iterator[tuple[Row, float]]:
    """Each visitor's text to the AI with the time of what was said next; a later text's answer is its own too."""
    spoke: dict[tuple[str, int], float] = {}
    for turn in facts.turns:
        if turn["first_words_at"] is not None:
            spoke[turn["schema"], turn["message_id"]] = turn["first_words_at"]
    for log in facts.logs().values():
        waiting: list[Row] = []
        for row, owner, _ in owners(log):
            if row["sender"] == "visitor" and row["kind"] == "text" and owner in ("ai", "none"):
                waiting.append(row)
            elif row["sender"] == "ai" or row["event"] in SPOKEN:
                words = [spoke.get((one["schema"], one["id"]), row["at"]) for one in waiting]
                for number, one in enumerate(waiting):
                    yield one, max(one["at"], min(row["at"], *words[number:]))
                waiting = []


def entries_are_shown_in_time(facts: Facts) -> Iterator[str]:
    """Whoever is connected sees a new entry within one re-read, also when every nudge was lost."""
    for party, entry, base, shown_at in _deliveries(facts):
        own_link = "agents" if party.startswith("agent") else "visitors"
        waited = calm_seconds(base, shown_at, facts.windows((*NEEDED_TO_SHOW, own_link), GRACE_SECONDS))
        if waited > DELIVERY_SECONDS + _margin(facts):
            yield f"{party} saw {entry['seq']} of {entry['conversation'][:8]} after {waited:.1f} s"


def nudges_work(facts: Facts) -> Iterator[str]:
    """Where nothing is broken, half of all words are seen by the others at once."""
    windows = facts.windows(ANYTHING, GRACE_SECONDS)
    waits = [at - base for _, _, base, at in _deliveries(facts) if is_calm(base, at, windows)]
    if len(waits) >= ENOUGH and median(waits) > NUDGED_SECONDS * facts.slowness:
        yield f"half of {len(waits)} entries took longer than {median(waits):.1f} s to be seen"


def turns_are_woken(facts: Facts) -> Iterator[str]:
    """Where nothing that it needs is broken, and few questions come, half of them are answered at once."""
    windows = facts.windows(("broker", "worker", "model", "postgres"), GRACE_SECONDS)
    sent = facts.sent()
    acked = {sent[key]["mark"]: row["t"] for key, row in facts.acked().items() if key in sent}
    waits, asked_at = [], []
    for row, at in _answered(facts):
        stored = max([row["at"], *(acked[mark] for mark in marks(row["text"]) if mark in acked)])
        asked_at.append(stored)
        if is_calm(row["at"], at, windows):
            waits.append(at - stored)
    if len(waits) < ENOUGH or len(asked_at) / (max(asked_at) - min(asked_at)) > FEW_A_SECOND:
        return
    if median(waits) > PROMPT_SECONDS:
        yield f"half of {len(waits)} questions waited longer than {median(waits):.1f} s for a worker"


def _deliveries(facts: Facts) -> Iterator[tuple[str, Row, float, float]]:
    """(party, entry, when it was surely stored, when it was shown) of what others wrote while the party was
    connected and followed the conversation."""
    acked = {key: row["t"] for key, row in facts.acked().items()}
    stored = {(row["conversation"], row["seq"]): row for row in facts.messages}
    for party, rows in facts.by_party().items():
        up_since = None
        first: dict[str, float] = defaultdict(lambda: float("inf"))
        for row in of(rows, "up", "down", "shown"):
            if row["what"] != "shown":
                up_since = row["t"] if row["what"] == "up" else None
                continue
            entry = stored.get((row["conversation"], row["seq"]))
            first[row["conversation"]] = min(first[row["conversation"]], row["t"])
            if entry is None or up_since is None or row["client_id"] and party in _writers(row, party):
                continue
            base = max(entry["at"], acked.get(entry["client_id"] or "", 0.0))
            if up_since < entry["at"] and first[row["conversation"]] < entry["at"]:
                yield party, entry, min(base, row["t"]), row["t"]


def _writers(row: Row, party: str) -> tuple[str, ...]:
    """The party itself, where the entry carries its own client id: it sees its words before they are stored."""
    return (party,) if row["sender"] == "visitor" and not party.startswith("agent") else ()


CHECKS: tuple[Callable[[Facts], Iterator[str]], ...] = (
    nobody_is_left_in_silence,
    nothing_is_left_open,
    first_words_come_in_time,
    entries_are_shown_in_time,
    nudges_work,
    turns_are_woken,
)
