"""Waking workers without waiting for the broker: a visitor's message is acknowledged however the broker is.

What is to be done is a row by then, and whoever sweeps finds it; so a nudge may be lost.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from celery import Task, current_app

log = logging.getLogger(__name__)
MOST_WAITING = 1000
_waiting: queue.Queue[tuple[str, tuple[Any, ...], dict[str, Any]]] = queue.Queue(MOST_WAITING)
_starting = threading.Lock()
_thread: threading.Thread | None = None
lost = 0  # nudges that failed in this process, for the metrics


def wake(task: Task[Any, Any], *args: Any, **options: Any) -> None:
    """Send a task soon, from this process's own thread for that; returns at once. `options` are Celery's."""
    global lost, _thread
    with _starting:
        if _thread is None:
            _thread = threading.Thread(target=_send, name="nudge", daemon=True)
            _thread.start()
    try:
        _waiting.put_nowait((task.name, args, options))
    except queue.Full:
        lost += 1


def _send() -> None:
    global lost
    while True:
        name, args, options = _waiting.get()
        try:
            current_app.send_task(name, args, **options)
        except Exception as error:  # noqa: BLE001  any trouble of the broker's means the same here
            lost += 1
            log.warning("nudge lost: %s (%s)", name, type(error).__name__)
        finally:
            _waiting.task_done()
