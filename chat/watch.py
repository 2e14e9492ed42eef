"""Each process's clock for what was promised to visitors: it looks at a tenant's open turns at the very moment one
is overdue. So the promise holds without a worker, without the broker, and however a model or a thread hangs.

Turns are noted by the process that took the visitor's message, and by every one that re-reads a tenant's logs, so
another has the note when that process is gone. Two that look at the same time do no harm.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import close_old_connections
from django.utils import timezone

from chat.actions import overdue_turns
from tenants.schema import run_in

log = logging.getLogger(__name__)
SOONEST = timedelta(seconds=1)  # between two looks at a tenant
Look = Callable[[str], datetime | None]


class Watch:
    """Schemas and when to look at each. `look(schema)` returns when to look again, None for no more."""

    def __init__(self, look: Look, clock: Callable[[], datetime] = timezone.now) -> None:
        self._look = look
        self._clock = clock
        self._at: dict[str, datetime] = {}
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._told: list[Callable[[str], None]] = []

    def tell(self, listener: Callable[[str], None]) -> None:
        """Call `listener(schema)` after each look at a tenant, on the watch's thread."""
        self._told.append(listener)

    def note(self, schema: str, at: datetime) -> None:
        """Look at `schema` at that time, or earlier if that was noted. The thread starts with the first note and ends
        when none is left."""
        with self._news:
            if schema in self._at and self._at[schema] <= at:
                return
            self._at[schema] = at
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
            self._news.notify()

    def look_now(self) -> None:
        """Look at every schema whose time has come."""
        now = self._clock()
        with self._news:
            late = [schema for schema, at in self._at.items() if at <= now]
            for schema in late:
                del self._at[schema]
        for schema in late:
            try:
                again = self._look(schema)
                for listener in self._told:
                    listener(schema)
            except Exception:  # noqa: BLE001  the promises of other tenants must outlive any trouble with this one
                log.exception("could not look at the turns of %s", schema)
                again = now
            if again is not None:
                self._again(schema, max(again, now + SOONEST))

    def _again(self, schema: str, at: datetime) -> None:
        with self._news:
            self._at[schema] = min(at, self._at.get(schema, at))

    def _run(self) -> None:
        while True:
            with self._news:
                if not self._at:
                    self._thread = None
                    return
                self._news.wait(timeout=max(0.0, (min(self._at.values()) - self._clock()).total_seconds()))
            self.look_now()


def _look(schema: str) -> datetime | None:
    close_old_connections()
    try:
        return run_in(schema, overdue_turns)
    finally:
        close_old_connections()


watch = Watch(_look)
