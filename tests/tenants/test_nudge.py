"""Whoever wakes a worker does not wait for the broker."""

from __future__ import annotations

import threading
import time

import pytest
from celery import current_app

from chat import tasks
from tenants import nudge


def test_a_broker_that_hangs_holds_up_nobody_and_one_that_refuses_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    sent: list[tuple[object, ...]] = []

    def send(name: str, args: tuple[object, ...], **options: object) -> None:
        if not sent:
            assert released.wait(10)
        sent.append((name, *args, options.get("priority")))
        if len(sent) == 2:
            raise ConnectionError

    nudge._waiting.join()
    monkeypatch.setattr(current_app._get_current_object(), "send_task", send)
    before, started = nudge.lost, time.monotonic()
    nudge.wake(tasks.run_turn, "t_a", 1)
    nudge.wake(tasks.run_turn, "t_a", 2)
    nudge.wake(tasks.note_moods, "t_a", 3, priority=9)
    assert time.monotonic() - started < 1
    released.set()
    nudge._waiting.join()
    assert sent == [
        ("chat.run_turn", "t_a", 1, None),
        ("chat.run_turn", "t_a", 2, None),
        ("chat.note_moods", "t_a", 3, 9),
    ]
    assert nudge.lost == before + 1


def test_a_nudge_reaches_the_queue_of_its_task() -> None:
    def waiting() -> int:
        with current_app.connection_for_read() as broker:
            return int(broker.default_channel.client.llen("chat"))

    before = waiting()
    nudge.wake(tasks.run_turn, "t_nobody", 1)
    nudge._waiting.join()
    assert waiting() == before + 1
