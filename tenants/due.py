"""Which schemas have work waiting: notes in the public table `Due`, and the sweep that serves them.

Celery carries only hints. A note is written in the transaction that makes the work, so nothing is lost
whatever happens to the broker, and nothing ever loops over all tenants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from tenants.errors import SchemaMissing
from tenants.models import Due
from tenants.schema import PUBLIC, current_schema

RESEND_SECONDS = 30  # a sent task that did not report success by then is sent again
OVERDUE_SECONDS = 6  # two sweeps: a row that somebody still holds locked is served without being taken
SWEEP_ROWS = 200
_SENT = "~sent"
Send = Callable[[str, str, str], bool]

# KEY SHARE: those who write work of one kind at the same time do not wait for each other, and the sweep,
# which deletes, leaves the row alone until they have committed.
_HOLD = "SELECT 1 FROM public.tenants_due WHERE schema = %s AND kind = %s AND at <= %s FOR KEY SHARE"
_UPSERT = """
    INSERT INTO public.tenants_due AS due (schema, kind, at) VALUES (%s, %s, %s)
    ON CONFLICT (schema, kind) DO UPDATE SET at = LEAST(due.at, excluded.at)
"""
_UPSERT_ALL = """
    INSERT INTO public.tenants_due AS due (schema, kind, at)
    SELECT schema_name, %s, %s FROM public.tenants_tenant WHERE schema_name <> %s ORDER BY schema_name
    ON CONFLICT (schema, kind) DO UPDATE SET at = LEAST(due.at, excluded.at)
"""


_tasks: dict[str, str] = {}


def bind(table: Mapping[str, str]) -> None:
    """Fill the table: kind of work -> name of its TenantTask, e.g. `{"turns": "chat.answer"}`."""
    _tasks.clear()
    _tasks.update(table)


def task_for(kind: str) -> str | None:
    """The name of the task bound to a kind, or None."""
    return _tasks.get(kind)


def note(kind: str, at: datetime) -> None:
    """Note that the present tenant has work of `kind` no earlier than `at`; an earlier note stays.

    Belongs into the transaction that makes the work, near its end: it may lock the note until commit.
    """
    schema = current_schema()
    if schema == PUBLIC:
        raise SchemaMissing
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_HOLD, [schema, kind, at])
        if cursor.fetchone() is None:
            cursor.execute(_UPSERT, [schema, kind, at])


def note_everywhere(kind: str, at: datetime) -> None:
    """The same for every tenant, in one statement: for what a new version of the code makes due."""
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT_ALL, [kind, at, PUBLIC])


@dataclass(frozen=True)
class Sweep:
    """What one sweep did: tasks sent, and notes of a kind that no task is bound to."""

    sent: int
    unknown: int


def sweep(*, send: Send, now: datetime | None = None) -> Sweep:
    """Send the task of every note that has come due, each note by one sweep only.

    `send(schema, kind, receipt_kind)` returns whether it knew a task for the kind. A note becomes a receipt
    when its task is sent, and the receipt goes when the task reports success (`settle`); until then it comes
    due itself after RESEND_SECONDS, so neither a broker that forgets nor a worker that dies loses work.
    """
    now = now or timezone.now()
    sent = unknown = 0
    rows, receipts = _take(now)
    waiting = list(receipts)
    try:
        # With no lock held: whoever takes in a visitor's message must not wait for a broker that hangs.
        while waiting:
            schema, kind = waiting[0]
            known = send(schema, kind, kind + _SENT)
            sent, unknown = sent + known, unknown + (not known)
            waiting.pop(0)
    finally:
        if waiting:
            _put_back({key: receipts[key] for key in waiting}, sent_at=now)
    overdue = Due.objects.filter(at__lte=now - timedelta(seconds=OVERDUE_SECONDS)).exclude(
        pk__in=[row.pk for row in rows]
    )
    for row in overdue[:SWEEP_ROWS]:
        kind = row.kind.removesuffix(_SENT)
        sent += send(row.schema, kind, kind + _SENT)
    return Sweep(sent, unknown)


def _take(now: datetime) -> tuple[list[Due], dict[tuple[str, str], datetime]]:
    """Turn what is due into receipts: the rows, and when each kind of a schema was due."""
    with transaction.atomic():
        free = Due.objects.select_for_update(skip_locked=True).filter(at__lte=now)
        rows = list(free.order_by("at")[:SWEEP_ROWS])
        Due.objects.filter(pk__in=[row.pk for row in rows]).delete()
        due_at: dict[tuple[str, str], datetime] = {}
        for row in rows:
            due_at.setdefault((row.schema, row.kind.removesuffix(_SENT)), row.at)
        again_at = now + timedelta(seconds=RESEND_SECONDS)
        Due.objects.bulk_create(
            [Due(schema=schema, kind=kind + _SENT, at=again_at) for schema, kind in sorted(due_at)],
            update_conflicts=True,
            unique_fields=["schema", "kind"],
            update_fields=["at"],
        )
    return rows, due_at


def _put_back(unsent: Mapping[tuple[str, str], datetime], *, sent_at: datetime) -> None:
    """The notes of tasks that could not be sent, as they were; their receipts go."""
    with transaction.atomic(), connection.cursor() as cursor:
        for (schema, kind), at in sorted(unsent.items()):
            again_at = sent_at + timedelta(seconds=RESEND_SECONDS)
            Due.objects.filter(schema=schema, kind=kind + _SENT, at=again_at).delete()
            cursor.execute(_UPSERT, [schema, kind, at])


def settle(*, schema: str, receipt_kind: str) -> None:
    """Drop the receipt of a task that succeeded. Work that remains has its own note: the task wrote it."""
    Due.objects.filter(schema=schema, kind=receipt_kind).delete()
