"""How long a conversation may wait in the queue before the AI goes on and people are asked to come later."""

from __future__ import annotations

from datetime import datetime, timedelta

LATE = 2  # times the claim target: then people who are away are told
PATIENCE = 4  # times the project's claim target
SHORTEST = timedelta(seconds=120)
LOOK_EVERY = timedelta(seconds=15)


def deadline(since: datetime, target_seconds: int) -> datetime:
    """When an unclaimed handoff, in the queue since `since`, becomes a standing request."""
    return since + max(SHORTEST, timedelta(seconds=target_seconds) * PATIENCE)


def is_given_up(*, since: datetime, now: datetime, target_seconds: int, somebody: bool) -> bool:
    """Whether waiting longer is pointless: its time is over, or nobody is there to see the queue.

    `somebody` comes from heartbeats that stay fresh for 45 s, so a reloaded page does not end the wait.
    """
    return not somebody or now >= deadline(since, target_seconds)


def is_late(*, since: datetime, now: datetime, target_seconds: int) -> bool:
    """Whether somebody in the queue since `since` waits longer than the promise can excuse."""
    return now >= since + timedelta(seconds=target_seconds) * LATE
