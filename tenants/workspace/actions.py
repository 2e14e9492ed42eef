"""What is written about a tenant's people, and the record of who changed what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from tenants import billing
from tenants.workspace.errors import KeyRefused, LastOwner, NoAccount, NoSeatLeft, SeatNotYours
from tenants.workspace.models import AuditEntry, Project, Seat
from tenants.workspace.policies import keeps_an_owner, may_change_seat
from tenants.workspace.team import hold_team, room


@dataclass(frozen=True)
class SeatChange:
    """How a seat shall be. No project chosen means all of them."""

    name: str
    role: str
    is_active: bool
    projects: Collection[Project] = ()


def change_seat(*, by: Seat, seat_id: int, change: SeatChange) -> Seat:
    """Give a seat a name, a role, projects, or take its access away. Raises SeatNotYours, NoAccount, LastOwner,
    NoSeatLeft.

    The team is held first: two owners who demote each other at the same time cannot both succeed.
    """
    with transaction.atomic():
        others = [owner.pk for owner in hold_team() if owner.pk != seat_id]
        seat = Seat.objects.select_for_update().get(pk=seat_id)
        if not may_change_seat(by, seat, change.role):
            raise SeatNotYours
        if change.role == Seat.Role.OWNER and seat.user_id is None:
            raise NoAccount
        if not keeps_an_owner(seat, role=change.role, is_active=change.is_active, other_owners=len(others)):
            raise LastOwner
        if change.is_active and not seat.is_active and room().is_full:
            raise NoSeatLeft
        seat.name, seat.role, seat.is_active = change.name, change.role, change.is_active
        seat.save(update_fields=["name", "role", "is_active"])
        seat.projects.set(change.projects)
        return seat


def record(*, seat: Seat, verb: str, subject: str, data: dict[str, Any]) -> AuditEntry:
    """Note what a person did. Belongs into the transaction of the deed. Never hand over a secret's value."""
    return AuditEntry.objects.create(seat=seat, actor=seat.name, verb=verb[:60], subject=subject[:200], data=data)


def add_project(*, key: str, name: str, actor: str) -> Project:
    """Add a chatbot to the present tenant, noted as `actor`'s deed. Raises KeyRefused, LimitReached."""
    try:
        Project(key=key, name=name).clean_fields()
    except ValidationError as error:
        raise KeyRefused from error
    with transaction.atomic():
        billing.require_room(billing.Kind.PROJECTS)
        if Project.objects.filter(key=key).exists():
            raise KeyRefused
        project = Project.objects.create(key=key, name=name)
        AuditEntry.objects.create(actor=actor, verb="project.added", subject=name)
        return project


def note_model_problem(*, project_id: int, sentence: str) -> None:
    """Keep why a chatbot's model does not answer, for its team to read; an empty sentence says that it does."""
    Project.objects.filter(pk=project_id).exclude(model_problem=sentence).update(model_problem=sentence)
