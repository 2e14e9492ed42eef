"""Where each mark of a chart stands. Plain numbers for SVG; the drawing is the template's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from insights.queries import Outcomes, Timing

TOP, BOTTOM, LEFT, RIGHT = 14.0, 250.0, 34.0, 704.0


@dataclass(frozen=True)
class Block:
    """A rectangle of one series in one day's column; `kind` is ai, people, none or open."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Label:
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Columns:
    """A stacked column a day, with the axis. `finding` says in a sentence what the picture shows."""

    blocks: tuple[Block, ...]
    rows: tuple[Label, ...]
    days: tuple[Label, ...]
    finding: str
    left: float = LEFT
    right: float = RIGHT
    bottom: float = BOTTOM


@dataclass(frozen=True)
class Bullet:
    """A timing against its target: percents of the bar's length."""

    median: float
    p90: float
    target: float

    @property
    def tail(self) -> float:
        return max(0.0, round(self.p90 - self.median, 2))


def ceiling(most: int) -> int:
    """The axis' end: a number of 4, 8, 12, 20, 40... that four grid lines divide evenly."""
    step = 4
    while step < most:
        step = next(step * factor for factor in (2, 3, 5, 10) if step * factor >= most or factor == 10)
    return step


def columns(by_day: Sequence[tuple[date, Outcomes]]) -> Columns:
    """Conversations by day: the AI's at the bottom, then people's, the unresolved, and the open ones."""
    top = ceiling(max((day.total for _, day in by_day), default=0))
    slot = (RIGHT - LEFT) / max(len(by_day), 1)
    width, scale = slot * (0.7 if len(by_day) < 60 else 0.82), (BOTTOM - TOP) / top
    blocks: list[Block] = []
    for n, (_, day) in enumerate(by_day):
        x, y = LEFT + n * slot + (slot - width) / 2, BOTTOM
        for kind, count in (
            ("ai", day.ai),
            ("people", day.people),
            ("none", day.unresolved),
            ("open", day.open),
        ):
            if count:
                y -= count * scale
                blocks.append(Block(kind, round(x, 2), round(y, 2), round(width, 2), round(count * scale, 2)))
    every = max(1, round(len(by_day) / 8))
    return Columns(
        blocks=tuple(blocks),
        rows=tuple(
            Label(LEFT - 8, round(BOTTOM - part * top * scale / 4, 2), str(part * top // 4)) for part in range(5)
        ),
        days=tuple(
            Label(round(LEFT + (n + 0.5) * slot, 2), BOTTOM + 17, f"{day.day} {day:%b}")
            for n, (day, _) in enumerate(by_day)
            if n % every == 0
        ),
        finding=_finding(by_day),
    )


def _finding(by_day: Sequence[tuple[date, Outcomes]]) -> str:
    """The chart in a sentence, for those who do not see it."""
    total = sum(day.total for _, day in by_day)
    busiest, most = max(by_day, key=lambda entry: entry[1].total)
    parts = {
        "by the AI": sum(day.ai for _, day in by_day),
        "by people": sum(day.people for _, day in by_day),
        "not resolved": sum(day.unresolved for _, day in by_day),
        "still open": sum(day.open for _, day in by_day),
    }
    told = ", ".join(f"{count} {words}" for words, count in parts.items() if count)
    peak = f"The busiest day was {busiest.day} {busiest:%B} with {most.total}."
    return f"{total} conversations in {len(by_day)} days: {told}. {peak}"


def bullet(timing: Timing) -> Bullet:
    """The bar ends a little beyond the largest of median, p90 and target."""
    median, p90 = timing.median or 0.0, timing.p90 or 0.0
    longest = max(median, p90, float(timing.target)) * 1.15
    return Bullet(*(round(100 * value / longest, 2) for value in (median, p90, float(timing.target))))
