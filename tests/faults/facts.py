"""What the oracle judges: the parties' journals, the rows, what the fakes saw, and when what was broken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.journal import Row, of

OWNER_AFTER = {
    "handed_over": "queue", "left": "queue", "joined": "agent",
    "standing": "ai", "handed_back": "ai", "resolved": "none",
}  # fmt: skip


@dataclass
class Facts:
    """Rows are as in the tables, `schema` added, times as monotonic seconds. `probes` maps a question to the database
    to whether it gave the right answer."""

    journal: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    conversations: list[Row] = field(default_factory=list)
    turns: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    posts: list[Row] = field(default_factory=list)
    model: list[Row] = field(default_factory=list)
    schemas: dict[str, str] = field(default_factory=dict)  # party -> its tenant's schema
    probes: dict[str, bool] = field(default_factory=dict)
    ended: float = 0.0
    slowness: float = 1.0  # how many programs wanted each processor of the machine

    def logs(self) -> dict[str, list[Row]]:
        """Each conversation's rows, in the order of seq."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.messages, key=lambda row: row["seq"]):
            found[row["conversation"]].append(row)
        return found

    def sent(self) -> dict[str, Row]:
        """What went into an outbox, by client id."""
        return {row["client_id"]: row for row in of(self.journal, "sent")}

    def acked(self) -> dict[str, Row]:
        """Receipts, by client id."""
        return {row["client_id"]: row for row in of(self.journal, "acked")}

    def by_party(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.journal:
            found[row["party"]].append(row)
        return found

    def windows(self, touches: Collection[str], grace: float) -> list[tuple[float, float]]:
        """When anything of `touches` was broken, and for `grace` seconds after; joined where they overlap."""
        faults = [row for row in of(self.journal, "fault") if set(row["touches"]) & set(touches)]
        joined: list[tuple[float, float]] = []
        for start, end in sorted((row["t"], row["until"] + grace) for row in faults):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined


def calm_seconds(start: float, end: float, windows: Iterable[tuple[float, float]]) -> float:
    """How much of a stretch lies outside of all (disjoint) windows."""
    broken = sum(max(0.0, min(end, until) - max(start, since)) for since, until in windows)
    return max(0.0, end - start - broken)


def is_calm(start: float, end: float, windows: Iterable[tuple[float, float]]) -> bool:
    return not any(since < end and start < until for since, until in windows)


def owners(log: Iterable[Row]) -> Iterator[tuple[Row, str, str]]:
    """Each entry with who had the word before it, and the name of who held it."""
    owner, holder = "ai", ""
    for row in log:
        yield row, owner, holder
        if row["event"] in OWNER_AFTER:
            owner = OWNER_AFTER[row["event"]]
            holder = row["sender_name"] if owner == "agent" else ""
        elif owner == "none" and row["sender"] == "visitor":
            owner = "ai"


def visible(log: Iterable[Row], *, to_visitor: bool) -> list[Row]:
    """The entries that a party may see."""
    return [row for row in log if not (to_visitor and row["internal"])]


def screen(log: Iterable[Row]) -> list[tuple[int, str]]:
    """What a log shows at the end: (seq, words), changes applied."""
    texts: dict[int, str] = {}
    for row in log:
        if row["target"]:
            texts[row["target"]] = row["text"] if row["event"] == "edited" else ""
        else:
            texts[row["seq"]] = row["text"]
    return list(texts.items())


def said(value: Any, longest: int = 60) -> str:
    """A value, short enough for a complaint."""
    shown = str(value)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
