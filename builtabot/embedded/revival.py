"""When a child that ended is started again, and when that has been tried often enough."""

from __future__ import annotations

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
MOST_DEATHS = 5
WITHIN_SECONDS = 60.0


class Revival:
    """The deaths of each child, on a monotonic clock that the caller reads."""

    def __init__(self) -> None:
        self._deaths: dict[str, list[float]] = {}
        self._due: dict[str, float] = {}
        self._pause: dict[str, float] = {}

    def died(self, name: str, now: float) -> float | None:
        """Seconds until it is to be started again: 1, 2, 4 ... 30, and 1 again after a quiet minute; None once it died
        5 times within a minute."""
        before = self._deaths.get(name, [])
        recent = [at for at in before if now - at < WITHIN_SECONDS]
        self._deaths[name] = [*recent, now]
        if len(self._deaths[name]) >= MOST_DEATHS:
            return None
        longer = min(2 * self._pause.get(name, 0), LONGEST_PAUSE_SECONDS)
        self._pause[name] = longer if recent else FIRST_PAUSE_SECONDS
        self._due[name] = now + self._pause[name]
        return self._pause[name]

    def take_due(self, now: float) -> list[str]:
        """Whom to start now; each is named once."""
        found = [name for name, at in self._due.items() if at <= now]
        for name in found:
            del self._due[name]
        return found

    def waits(self, name: str) -> bool:
        """Whether its death was seen, and its next start is still to come."""
        return name in self._due

    def seconds_to_next(self, now: float, most: float) -> float:
        """How long nothing has to be started, at most so long."""
        return max(0.0, min([most, *(at - now for at in self._due.values())]))
