"""Chat's work, by id. Safe to run twice: each begins with a compare-and-set."""

from __future__ import annotations

from celery import shared_task

from chat import actions, moods, turns
from tenants.schema import TenantTask, current_schema


@shared_task(base=TenantTask, name="chat.run_turn")
def run_turn(turn_id: int) -> None:
    """Answer one visitor message."""
    turns.run(turn_id)


@shared_task(base=TenantTask, name="chat.note_moods")
def note_moods(message_id: int) -> None:
    """Judge what a visitor wrote to people, up to this message."""
    moods.catch_up(message_id)


@shared_task(base=TenantTask, name="chat.sweep_turns")
def sweep_turns() -> None:
    """Wake workers for turns whose nudge or worker was lost."""
    for turn_id in actions.sweep_turns():
        run_turn.delay(current_schema(), turn_id)


@shared_task(base=TenantTask, name="chat.end_idle_episodes")
def end_idle_episodes() -> None:
    """End episodes in which nobody said anything for the idle time."""
    actions.end_idle_episodes()
