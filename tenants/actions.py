"""Writes of the shared schema: businesses and their people, which schemas have work waiting, signs of life."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tenants import provisioning
from tenants.errors import NameTaken, SchemaMissing
from tenants.models import Domain, Due, Heartbeat, Membership, Plan, Tenant, User
from tenants.schema import PUBLIC, current_schema, run_in
from tenants.workspace.models import AuditEntry, Project, Seat

log = logging.getLogger(__name__)

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


def due(kind: str, at: datetime) -> None:
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


@dataclass(frozen=True)
class Sweep:
    """What one sweep did: tasks sent, and notes of a kind that no task is bound to."""

    sent: int
    unknown: int


def sweep_due(*, send: Send, now: datetime | None = None) -> Sweep:
    """Send the task of every note that has come due, each note by one sweep only.

    `send(schema, kind, receipt_kind)` returns whether it knew a task for the kind. A note becomes a receipt
    when its task is sent, and the receipt goes when the task reports success (`settle`); until then it comes
    due itself after RESEND_SECONDS, so neither a broker that forgets nor a worker that dies loses work.
    """
    now = now or timezone.now()
    sent = unknown = 0
    with transaction.atomic():
        free = Due.objects.select_for_update(skip_locked=True).filter(at__lte=now)
        rows = list(free.order_by("at")[:SWEEP_ROWS])
        Due.objects.filter(pk__in=[row.pk for row in rows]).delete()
        receipts: dict[tuple[str, str], Due] = {}
        for row in rows:
            kind = row.kind.removesuffix(_SENT)
            receipts[row.schema, kind] = Due(
                schema=row.schema, kind=kind + _SENT, at=now + timedelta(seconds=RESEND_SECONDS)
            )
        Due.objects.bulk_create(
            [receipts[key] for key in sorted(receipts)],
            update_conflicts=True,
            unique_fields=["schema", "kind"],
            update_fields=["at"],
        )
        for schema, kind in receipts:
            known = send(schema, kind, kind + _SENT)
            sent, unknown = sent + known, unknown + (not known)
    overdue = Due.objects.filter(at__lte=now - timedelta(seconds=OVERDUE_SECONDS)).exclude(
        pk__in=[row.pk for row in rows]
    )
    for row in overdue[:SWEEP_ROWS]:
        kind = row.kind.removesuffix(_SENT)
        sent += send(row.schema, kind, kind + _SENT)
    return Sweep(sent, unknown)


def settle(*, schema: str, receipt_kind: str) -> None:
    """Drop the receipt of a task that succeeded. Work that remains has its own note: the task wrote it."""
    Due.objects.filter(schema=schema, kind=receipt_kind).delete()


def beat(name: str) -> None:
    """Note a sign of life of the workers of one queue."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now()})


@dataclass(frozen=True)
class Terms:
    """On what terms a business starts. Without `trial_days` it is never in trial."""

    plan: str = "professional"
    trial_days: int | None = 14
    project_key: str = "main"
    timezone: str = "UTC"


def sign_up(*, user: User, business: str, address: str, terms: Terms | None = None) -> Tenant:
    """Found a business: tenant, host name, schema, its founder's membership and owner's seat, first project.

    All in one transaction. `address` is the first part of the host name. Raises NameTaken.
    """
    terms = terms or Terms()
    host = f"{address}.{settings.BASE_DOMAIN}"
    with provisioning.fresh_schema() as schema:
        trial = timedelta(days=terms.trial_days) if terms.trial_days is not None else None
        tenant = Tenant.objects.create(
            schema_name=schema,
            name=business,
            plan=Plan.objects.get(key=terms.plan),
            trial_ends_at=timezone.now() + trial if trial else None,
        )
        try:
            with transaction.atomic():
                Domain.objects.create(domain=host, tenant=tenant, is_primary=True)
        except IntegrityError as error:
            raise NameTaken from error
        run_in(schema, _furnish, business=business, terms=terms)
        add_person(tenant=tenant, user=user, role=Seat.Role.OWNER)
    return tenant


def _furnish(*, business: str, terms: Terms) -> None:
    Project.objects.create(key=terms.project_key, name=business, timezone=terms.timezone)
    AuditEntry.objects.create(actor="sign-up", verb="business.founded", subject=business)


def add_person(*, tenant: Tenant, user: User, role: str) -> int:
    """Let a user into a tenant with a role, or give the one they have another; return the seat's id."""
    Membership.objects.get_or_create(user=user, tenant=tenant)
    return run_in(str(tenant.schema_name), _seat, user=user, role=role)


def _seat(*, user: User, role: str) -> int:
    values = {"name": user.get_full_name(), "email": user.email, "role": role, "is_active": True}
    seat, _ = Seat.objects.update_or_create(user_id=user.pk, defaults=values)
    return int(seat.pk)
