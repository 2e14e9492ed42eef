"""Time against its promise: what the queue shows instead of a bare clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

FIRST_REPLY_SECONDS = 90  # from claim to the first words of substance
RESOLVE_SECONDS = 480  # from claim to the end
_SOON = 0.75


@dataclass(frozen=True)
class Clock:
    """`elapsed` of `target` seconds at the time of rendering; the page keeps it ticking from `since`.

    `what` says what the promise is about: `claim`, `first reply` or `resolve`.
    """

    since: datetime
    target: int
    elapsed: int
    what: str

    @classmethod
    def running(cls, since: datetime, target: int, now: datetime, what: str) -> Clock:
        """The clock that began at `since`, as it stands at `now`."""
        return cls(since, max(1, target), max(0, int((now - since).total_seconds())), what)

    @property
    def tone(self) -> str:
        """`ok`, `soon` in the last quarter, `over` beyond the promise."""
        share = self.elapsed / self.target
        return "over" if share > 1 else "soon" if share >= _SOON else "ok"

    @property
    def share(self) -> float:
        """How much of the promise is used up; beyond 1 it is broken. Sorts the queue."""
        return self.elapsed / self.target

    @property
    def words(self) -> str:
        """The time spent."""
        return span(self.elapsed)

    @property
    def of(self) -> str:
        """The time promised."""
        return span(self.target)


def span(seconds: int) -> str:
    """Seconds as `0:24`, from an hour on `1 h 04`, from a day on `2 d 5 h`."""
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d}"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"{hours} h {minutes:02d}" if hours < 24 else f"{hours // 24} d {hours % 24} h"
