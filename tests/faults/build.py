"""The test build: `python -m tests.faults.build web ...` or `... celery ...` runs the product's own program after
patching named functions. The product has no hook for any of it.

FAULTS_NAME is the program's name, FAULTS_ORDERS a folder: a file `<name>.<point>` in it makes the program kill itself
the next time it comes to that point. FAULTS_MUTANT names one mechanism to break (tests/faults/mutants.py).
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

# The server's import installs its event loop, which has to come first.
import builtabot.web  # isort: skip
import django

# point -> (module, class or "", function, whether the function runs before we die there)
POINTS: dict[str, tuple[str, str, str, bool]] = {
    "commit-ack": ("chat.sockets", "LogSocket", "acknowledge", False),
    "insert-commit": ("chat.actions.messages", "", "_store", True),
    "begun-turn": ("chat.actions", "", "begin_turn", True),
    "said-unstored": ("chat.actions", "", "answer_turn", False),
    "posted-unsaved": ("livesupport.slack.client", "Slack", "post", True),
}


class Orders:
    """The folder in which the harness asks this program to die at a point."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder

    def obey(self, point: str) -> None:
        """Die now if it was ordered; the order is taken away, so that the next process lives."""
        order = self._folder / f"{self._name}.{point}"
        if not order.exists():
            return
        try:
            order.rename(order.with_suffix(order.suffix + ".done"))
        except FileNotFoundError:
            return  # another thread is already dying of it
        os.kill(os.getpid(), signal.SIGKILL)


def install_points(orders: Orders) -> None:
    """Wrap every point."""
    for point, (module, owner, function, runs_first) in POINTS.items():
        __import__(module)
        place: Any = sys.modules[module]
        place = getattr(place, owner) if owner else place
        setattr(place, function, _wrapped(getattr(place, function), orders, point, runs_first=runs_first))


def hasten() -> None:
    """What waits for minutes waits for seconds, so that a run of a minute sees its end: a model's circuit breaker, and
    the lease of what a dead worker was about to send."""
    from knowledge.answers import breaker
    from tenants.workspace import outbox

    shorter: list[tuple[Any, str, Any]] = [
        (breaker, "FIRST_PAUSE_SECONDS", 1.0),
        (breaker, "LONGEST_PAUSE_SECONDS", 2.0),
        (outbox, "LEASE", timedelta(seconds=20)),
    ]
    for module, name, value in shorter:
        if not hasattr(module, name):
            raise AttributeError(f"{module.__name__}.{name}: the test build has to follow the product")
        setattr(module, name, value)


def _wrapped(function: Callable[..., Any], orders: Orders, point: str, *, runs_first: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        if not runs_first:
            orders.obey(point)
            return function(*args, **kwargs)
        result = function(*args, **kwargs)
        orders.obey(point)
        return result

    return around


def main() -> None:
    program, *arguments = sys.argv[1:]
    django.setup()
    install_points(Orders(os.environ.get("FAULTS_NAME", ""), Path(os.environ.get("FAULTS_ORDERS", "/nowhere"))))
    hasten()
    if mutant := os.environ.get("FAULTS_MUTANT"):
        from tests.faults.mutants import MUTANTS

        MUTANTS[mutant]()
    sys.argv = [program, *arguments]
    if program == "web":
        builtabot.web.main()
    else:
        from celery.bin.celery import main as celery

        sys.exit(celery())


if __name__ == "__main__":
    main()
