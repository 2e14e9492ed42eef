"""Writes of the shared schema: businesses, their people and plans, signs of life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from tenants import billing, due, provisioning
from tenants.errors import NameTaken, PlanMoveRefused
from tenants.events import PlanMoved, publish
from tenants.models import Domain, Heartbeat, Membership, Plan, Tenant, User
from tenants.schema import current_schema, run_in
from tenants.workspace import outbox
from tenants.workspace.models import AuditEntry, Project, Seat
from tenants.workspace.policies import may_change_plan

PLANS = "plan"  # the kind of work in the public Due table
LETTERS = "email"  # the kind of entry in the outbox
State = Tenant.Subscription


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
            subscription=State.TRIAL if trial else State.ACTIVE,
            trial_ends_at=timezone.now() + trial if trial else None,
        )
        try:
            with transaction.atomic():
                Domain.objects.create(domain=host, tenant=tenant, is_primary=True)
        except IntegrityError as error:
            raise NameTaken from error
        run_in(schema, _furnish, business=business, terms=terms)
        run_in(schema, _note_watch, tenant)
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


def cancel_plan(*, by: Seat) -> Tenant:
    """Let the present tenant's plan run out: a trial at its end, a paid one at the end of its month. Until then
    nothing changes, and `keep_plan` takes it back. Owners only. Raises PlanMoveRefused."""
    now = timezone.now()
    with transaction.atomic():
        tenant = _locked(by)
        if tenant.plan is not None and not tenant.plan.price_cents:
            raise PlanMoveRefused("This plan costs nothing and has no end: there is nothing to cancel.")
        in_trial = tenant.subscription == State.TRIAL
        until = tenant.trial_ends_at if in_trial else billing.month_of(tenant, now).end
        _move(tenant, State.CANCELLED, now=now, cancelled_at=now, ends_at=until)
        _record(by, "plan.cancelled", tenant)
    return tenant


def keep_plan(*, by: Seat) -> Tenant:
    """Take a cancellation back while the plan still runs. Owners only. Raises PlanMoveRefused."""
    with transaction.atomic():
        tenant = _locked(by)
        if tenant.standing() != State.CANCELLED:
            raise PlanMoveRefused
        is_trial = tenant.billed_from is None and tenant.trial_ends_at is not None
        _move(tenant, State.TRIAL if is_trial else State.ACTIVE, cancelled_at=None, ends_at=None)
        _record(by, "plan.kept", tenant)
    return tenant


def activate_plan(*, plan_key: str) -> Tenant:
    """Start a plan for the present tenant, from a trial, a cancellation or an end: said by a payment provider, or
    by the platform's staff. What is left of a trial is not lost: the first month begins after it."""
    now = timezone.now()
    with transaction.atomic():
        tenant = _locked()
        trial_end = tenant.trial_ends_at
        runs_in_trial = tenant.billed_from is None and trial_end is not None and trial_end > now
        ended = tenant.standing(now) == State.ENDED
        begins = trial_end if runs_in_trial else now if ended or tenant.billed_from is None else tenant.billed_from
        tenant.plan = Plan.objects.get(key=plan_key)
        tenant.save(update_fields=["plan"])
        if tenant.subscription != State.ACTIVE:
            _move(tenant, State.ACTIVE, now=now, billed_from=begins, cancelled_at=None, ends_at=None)
        AuditEntry.objects.create(actor="BuiltABot", verb="plan.started", subject=tenant.plan.name)
    return tenant


def extend_trial(*, until: datetime) -> Tenant:
    """Let the present tenant's trial run until then, also one that has ended: said by the platform's staff. Raises
    PlanMoveRefused for a date that is past, and where there is more than a trial."""
    with transaction.atomic():
        tenant = _locked()
        if not tenant.has_only_tried or until <= timezone.now():
            raise PlanMoveRefused
        if tenant.subscription == State.ENDED:
            _write(tenant, State.TRIAL, trial_ends_at=until, cancelled_at=None, ends_at=None)
        else:
            tenant.trial_ends_at = until
            tenant.save(update_fields=["trial_ends_at"])
            _note_watch(tenant)
        AuditEntry.objects.create(actor="BuiltABot", verb="plan.trial_extended", subject=f"{until:%Y-%m-%d}")
    return tenant


def watch_plan() -> None:
    """Write down that the present tenant's plan has ended, once it has, and tell the owners; before a trial's end
    tell them that it comes."""
    now = timezone.now()
    with transaction.atomic():
        tenant = _locked()
        if tenant.standing(now) == State.ENDED and tenant.subscription != State.ENDED:
            _move(tenant, State.ENDED, now=now, ends_at=tenant.stops_at)
            tell_owners(about="ended", key=f"ended:{tenant.ends_at:%Y-%m-%d}")
        elif tenant.standing(now) == State.TRIAL and _warn_at(tenant) <= now:
            tell_owners(about="trial_ending", key=f"trial_ending:{tenant.trial_ends_at:%Y-%m-%d}")
        _note_watch(tenant)


def tell_owners(*, about: str, key: str) -> None:
    """A letter about the plan to every owner, once for each `key`; tenants.letters says what it may be about."""
    for seat in Seat.objects.filter(role=Seat.Role.OWNER, is_active=True).exclude(email="").order_by("pk"):
        payload = {"letter": "plan", "about": about, "seat": seat.pk}
        outbox.post(kind=LETTERS, lane="plan", key=f"plan:{key}:{seat.pk}", payload=payload)


def _locked(by: Seat | None = None) -> Tenant:
    """The present tenant, its row locked. Raises PlanMoveRefused for a seat that may not decide."""
    if by is not None and not may_change_plan(by):
        raise PlanMoveRefused("Only an owner decides about the plan.")
    rows = Tenant.objects.select_for_update(of=("self",)).select_related("plan")
    tenant: Tenant = rows.get(schema_name=current_schema())
    return tenant


def _move(tenant: Tenant, to: str, *, now: datetime | None = None, **dates: datetime | None) -> None:
    """`_write`, where the plan's time allows it: from what has run out, only a start or the written end may follow."""
    if tenant.standing(now) == State.ENDED and to not in (State.ACTIVE, State.ENDED):
        raise PlanMoveRefused
    _write(tenant, to, **dates)


def _write(tenant: Tenant, to: str, **dates: datetime | None) -> None:
    """Write a legal move of a locked tenant's plan and publish it."""
    if to not in Tenant.MOVES[tenant.subscription]:
        raise PlanMoveRefused
    tenant.subscription = to
    for name, at in dates.items():
        setattr(tenant, name, at)
    tenant.save(update_fields=["subscription", *dates])
    _note_watch(tenant)
    publish(PlanMoved(tenant.pk, to))


def _warn_at(tenant: Tenant) -> datetime:
    assert tenant.trial_ends_at is not None  # noqa: S101  a constraint of the table says so
    return tenant.trial_ends_at - timedelta(days=billing.WARN_DAYS)


def _note_watch(tenant: Tenant) -> None:
    """Have `watch_plan` run when there will be something to write down or to tell."""
    stops = tenant.stops_at
    if stops is None:
        return
    in_time = tenant.subscription == State.TRIAL and _warn_at(tenant) > timezone.now()
    due.note(PLANS, _warn_at(tenant) if in_time else stops)


def _record(by: Seat, verb: str, tenant: Tenant) -> None:
    AuditEntry.objects.create(seat=by, actor=by.name, verb=verb, subject=tenant.plan.name if tenant.plan else "")
