"""Celery's side of the sweep and the heartbeat. All run in the public schema and may run twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec

from celery import current_app, shared_task
from django.db import close_old_connections

from tenants import actions, due, external
from tenants.schema import PUBLIC, run_in

P = ParamSpec("P")
log = logging.getLogger(__name__)


@shared_task(name="tenants.sweep_due")
def sweep_due() -> None:
    """Send the tasks of all notes, and of all events from outside, that have come due."""
    _in_public(due.sweep, send=_send)
    _in_public(_resend_external)


@shared_task(name="tenants.handle_external")
def handle_external(event_id: int) -> None:
    """Handle one call from outside; its handler finds the tenant."""
    _in_public(external.handle, event_id=event_id)


def _resend_external() -> None:
    for event_id in external.waiting():
        handle_external.apply_async((event_id,), expires=due.RESEND_SECONDS)


@shared_task(name="tenants.settle_due")
def settle_due(schema: str, receipt_kind: str) -> None:
    """Runs after a swept task has succeeded."""
    _in_public(due.settle, schema=schema, receipt_kind=receipt_kind)


@shared_task(name="tenants.beat")
def beat(name: str) -> None:
    """Runs on the queue whose sign of life it is."""
    _in_public(actions.beat, name)


def _send(schema: str, kind: str, receipt_kind: str) -> bool:
    name = due.task_for(kind)
    task = current_app.tasks.get(name) if name else None
    if task is None:
        log.error("no task is bound to work of kind %s", kind)
        return False
    # Copies that a stuck queue holds back turn stale: the receipt sends a new one by then.
    task.apply_async((schema,), link=settle_due.si(schema, receipt_kind), expires=due.RESEND_SECONDS)
    return True


def _in_public(fn: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
    close_old_connections()
    try:
        run_in(PUBLIC, fn, *args, **kwargs)
    finally:
        close_old_connections()
