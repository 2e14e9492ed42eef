"""Staying away from a language model that fails, so that no visitor waits for what will not come.

One breaker for each endpoint and key, in each process. It opens after three failures in a row, or when half of the
answers of the last minute failed; at once for a refused key and for an endpoint that asks for a pause. While it is
open nothing is asked. Then one question tries; if that fails, the pause doubles.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from knowledge.answers.question import Model
from knowledge.errors import ModelError

IN_A_ROW = 3
WINDOW_SECONDS = 60.0
FEWEST_IN_WINDOW = 8
SHARE = 0.5
FIRST_PAUSE_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 300.0
MOST_KEPT = 1000
# Says nothing about whether the endpoint works.
_INNOCENT = frozenset({"model_filtered", "model_refused", "model_missing"})

Clock = Callable[[], float]


class Breaker:
    """Whether an endpoint may be asked now. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: deque[tuple[float, bool]] = deque()  # when an answer ended, and whether well
        self._in_a_row = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._open_until: float | None = None
        self._is_probed = False
        self._why = ""

    def admit(self) -> bool:
        """Ask for leave to ask. True for the one question that tries whether it works again; it should be quick.
        Raises ModelError while the endpoint rests."""
        with self._lock:
            if self._open_until is None:
                return False
            if self._clock() < self._open_until or self._is_probed:
                raise ModelError("model_resting", f"{self._why} It is not asked again for a while.", retryable=True)
            self._is_probed = True
            return True

    def spoke(self) -> None:
        """Words came: the endpoint works."""
        with self._lock:
            if self._open_until is not None:
                self._ends.clear()
            self._open_until, self._is_probed = None, False
            self._in_a_row, self._pause = 0, FIRST_PAUSE_SECONDS
            self._note(well=True)

    def failed(self, error: ModelError) -> None:
        """No usable answer came."""
        with self._lock:
            was_probe, self._is_probed = self._is_probed, False
            if error.code in _INNOCENT:
                return
            self._in_a_row += 1
            self._note(well=False)
            at_once = error.code == "model_key" or error.after_seconds is not None
            if was_probe or at_once or self._in_a_row >= IN_A_ROW or self._mostly_fails():
                self._open(error)

    def left(self) -> None:
        """Nobody waits for the answer any more; what came of it is unknown."""
        with self._lock:
            self._is_probed = False

    def _open(self, error: ModelError) -> None:
        pause = max(self._pause, min(error.after_seconds or 0.0, LONGEST_PAUSE_SECONDS))
        self._open_until, self._why = self._clock() + pause, error.sentence
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _note(self, *, well: bool) -> None:
        now = self._clock()
        self._ends.append((now, well))
        while self._ends and self._ends[0][0] < now - WINDOW_SECONDS:
            self._ends.popleft()

    def _mostly_fails(self) -> bool:
        failures = sum(not well for _, well in self._ends)
        return len(self._ends) >= FEWEST_IN_WINDOW and failures >= SHARE * len(self._ends)


_breakers: dict[tuple[str, str, str], Breaker] = {}
_table = threading.Lock()


def breaker_of(model: Model) -> Breaker:
    """The process's breaker of a model's endpoint and key. A new key begins afresh, and so does another model."""
    place = (model.base_url, model.key, model.name)
    with _table:
        if len(_breakers) >= MOST_KEPT and place not in _breakers:
            _breakers.clear()
        return _breakers.setdefault(place, Breaker())
