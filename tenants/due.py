"""Which Celery task takes up which kind of work. The composition root fills the table."""

from __future__ import annotations

from collections.abc import Mapping

_tasks: dict[str, str] = {}


def bind(table: Mapping[str, str]) -> None:
    """Fill the table: kind of work -> name of its TenantTask, e.g. `{"turns": "chat.answer"}`."""
    _tasks.clear()
    _tasks.update(table)


def task_for(kind: str) -> str | None:
    """The name of the task bound to a kind, or None."""
    return _tasks.get(kind)
