"""The turns that this worker process is answering, so that it can let go of them when it is asked to end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, close_old_connections

from chat import actions
from chat.actions import Hold
from tenants.schema import current_schema, run_in

log = logging.getLogger(__name__)
FINISH_SECONDS = 3.0  # most answers are done by then


class Running:
    """Holds by thread-safe bookkeeping; the rows themselves are fenced by the hold's attempt."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: dict[Hold, str] = {}

    @contextmanager
    def holding(self, hold: Hold) -> Iterator[None]:
        """While the block runs, the turn is this process's, in the schema that the caller is in."""
        with self._lock:
            self._holds[hold] = current_schema()
        try:
            yield
        finally:
            with self._lock:
                del self._holds[hold]

    def end_soon(self, seconds: float = FINISH_SECONDS) -> threading.Timer:
        """Called when the process is asked to end: what is not finished by then is given back. Returns at once."""
        timer = threading.Timer(seconds, self._let_go)
        timer.daemon = True
        timer.start()
        return timer

    def give_back(self) -> None:
        """Let go of every turn, so that another worker takes it now and not when its lease has run out."""
        with self._lock:
            holds = dict(self._holds)
        for hold, schema in holds.items():
            try:
                run_in(schema, actions.give_back_turn, hold=hold)
            except DatabaseError:
                log.warning("turn %s keeps its lease until it runs out", hold.turn_id)

    def _let_go(self) -> None:
        try:
            self.give_back()
        finally:
            close_old_connections()


running = Running()
