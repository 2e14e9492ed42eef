"""When the queue gives a conversation back to the AI."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from livesupport.waiting import deadline, is_given_up

THEN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(("target", "seconds"), [(30, 120), (10, 120), (0, 120), (60, 240), (600, 2400)])
def test_the_wait_is_four_times_the_promise_and_at_least_two_minutes(target: int, seconds: int) -> None:
    assert deadline(THEN, target) == THEN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("waited", "somebody", "given_up"),
    [(0, True, False), (119, True, False), (120, True, True), (0, False, True), (500, False, True)],
)
def test_given_up_in_time_or_when_nobody_is_left(waited: int, somebody: bool, given_up: bool) -> None:
    now = THEN + timedelta(seconds=waited)
    assert is_given_up(since=THEN, now=now, target_seconds=30, somebody=somebody) is given_up
