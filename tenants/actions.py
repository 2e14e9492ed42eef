"""Writes of the shared schema: businesses, their people, signs of life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from tenants import provisioning
from tenants.errors import NameTaken
from tenants.models import Domain, Heartbeat, Membership, Plan, Tenant, User
from tenants.schema import run_in
from tenants.workspace.models import AuditEntry, Project, Seat


def beat(name: str) -> None:
    """Note a sign of life of the workers of one queue; one a second is enough."""
    now = timezone.now()
    if not Heartbeat.objects.filter(name=name, at__lt=now - timedelta(seconds=1)).update(at=now):
        Heartbeat.objects.get_or_create(name=name, defaults={"at": now})


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
        tenant: Tenant = Tenant.objects.create(
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
