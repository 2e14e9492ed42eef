"""Which schemas have work waiting: notes in the public table `Due`, and the sweep that serves them.

Celery carries only hints. A note is written in the transaction that makes the work, so nothing is lost
whatever happens to the broker, and nothing ever loops over all tenants.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from tenants.errors import SchemaMissing
from tenants.models import Due
from tenants.schema import PUBLIC, current_schema, run_in

RESEND_SECONDS = 30  # a sent task that did not report success by then is sent again
OVERDUE_SECONDS = 6  # two sweeps: a row that somebody still holds locked is served without being taken
SWEEP_ROWS = 200
_SENT = "~sent"
Send = Callable[[str, str, str], bool]

# A writer never waits for another one: two that wait for each other, because they note two kinds in opposite order,
# are a deadlock. So each looks for a note that it may rely on, else for one that it may move, and passes over what
# another transaction holds. Only one may be about to write the first row of a kind, whose uncommitted twin the
# unique index would wait for; who comes meanwhile writes a row of its own, `kind#1a2b3c4d`, and the sweep folds them.
# KEY SHARE: the sweep, which deletes, leaves the row alone until those who rely on it have committed.
_HOLD = """
    SELECT 1 FROM public.tenants_due
    WHERE schema = %(schema)s AND split_part(kind, '#', 1) = %(kind)s AND at <= %(at)s
    LIMIT 1 FOR KEY SHARE SKIP LOCKED
"""
_MOVE = """
    UPDATE public.tenants_due SET at = %(at)s WHERE id = (
        SELECT id FROM public.tenants_due WHERE schema = %(schema)s AND kind = %(kind)s AND at > %(at)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""
_ADD = """
    INSERT INTO public.tenants_due AS due (schema, kind, at)
    SELECT %(schema)s, CASE
        WHEN EXISTS (SELECT 1 FROM public.tenants_due WHERE schema = %(schema)s AND kind = %(kind)s)
            OR NOT pg_try_advisory_xact_lock(hashtext('due ' || %(schema)s), hashtext(%(kind)s))
        THEN %(own)s ELSE %(kind)s END, %(at)s
    ON CONFLICT (schema, kind) DO UPDATE SET at = LEAST(due.at, excluded.at)
"""
# Two sweeps that renew each other's receipts would wait for each other as well: one takes, the other sends nothing.
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('due'), hashtext('sweep'))"
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

    Belongs into the transaction that makes the work. It waits for nobody, whatever else has been noted.
    """
    schema = current_schema()
    if schema == PUBLIC:
        raise SchemaMissing
    words: dict[str, Any] = {"schema": schema, "kind": kind, "at": at, "own": f"{kind}#{secrets.token_hex(4)}"}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_HOLD, words)
        if cursor.fetchone() is not None:
            return
        cursor.execute(_MOVE, words)
        if not cursor.rowcount:
            cursor.execute(_ADD, words)


def kind_of(row_kind: str) -> str:
    """The kind of work that a row of `Due` speaks of, be it a note, one of several, or a receipt."""
    return row_kind.removesuffix(_SENT).split("#")[0]


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
        kind = kind_of(row.kind)
        sent += send(row.schema, kind, kind + _SENT)
    return Sweep(sent, unknown)


def _take(now: datetime) -> tuple[list[Due], dict[tuple[str, str], datetime]]:
    """Turn what is due into receipts: the rows, and when each kind of a schema was due."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ALONE)
        if cursor.fetchone() != (True,):
            return [], {}
        free = Due.objects.select_for_update(skip_locked=True).filter(at__lte=now)
        rows = list(free.order_by("at")[:SWEEP_ROWS])
        Due.objects.filter(pk__in=[row.pk for row in rows]).delete()
        due_at: dict[tuple[str, str], datetime] = {}
        for row in rows:
            due_at.setdefault((row.schema, kind_of(row.kind)), row.at)
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
    for (schema, kind), at in unsent.items():
        # One transaction each: what it holds, nobody who notes two kinds waits for.
        with transaction.atomic():
            again_at = sent_at + timedelta(seconds=RESEND_SECONDS)
            Due.objects.filter(schema=schema, kind=kind + _SENT, at=again_at).delete()
            run_in(schema, note, kind, at)


def settle(*, schema: str, receipt_kind: str) -> None:
    """Drop the receipt of a task that succeeded. Work that remains has its own note: the task wrote it."""
    Due.objects.filter(schema=schema, kind=receipt_kind).delete()
