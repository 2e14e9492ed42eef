"""Who may change what in a tenant's settings, and which chatbots are somebody's. Pure predicates, but for
the last three."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from tenants.models import Plan
from tenants.workspace.models import Project, Seat

CONFIGURERS = frozenset({Seat.Role.OWNER, Seat.Role.ADMIN})


def may_configure(seat: Seat) -> bool:
    """Owners and admins look after the settings. A rehearsal seat never does."""
    return seat.is_active and not seat.is_rehearsal and seat.role in CONFIGURERS


def may_change_plan(seat: Seat) -> bool:
    """Owners alone start, cancel and keep the plan."""
    return seat.is_active and not seat.is_rehearsal and seat.role == Seat.Role.OWNER


def may_change_seat(by: Seat, seat: Seat, role: str) -> bool:
    """Whether `by` may edit `seat` and leave it with `role`: owners are made and changed by owners only."""
    touches_owner = Seat.Role.OWNER in (seat.role, role)
    return may_configure(by) and (by.role == Seat.Role.OWNER or not touches_owner)


def may_invite(by: Seat, role: str) -> bool:
    """Whether `by` may make somebody a `role`, or take such an offer back: owners are made by owners only."""
    return may_configure(by) and (by.role == Seat.Role.OWNER or role != Seat.Role.OWNER)


def keeps_an_owner(seat: Seat, *, role: str, is_active: bool, other_owners: int) -> bool:
    """Whether somebody still owns the tenant after `seat` got this role and state."""
    return other_owners > 0 or (role == Seat.Role.OWNER and is_active)


def may_add_project(seat: Seat, *, plan: Plan | None, projects: int) -> bool:
    """Whether the plan has room for one more chatbot. Without a plan, or a limit in it, there always is."""
    limit = plan.projects if plan else None
    return may_configure(seat) and (limit is None or projects < limit)


def of_projects(seat: Seat, path: str = "pk") -> Q:
    """Narrows rows whose `path` leads to a project to the chatbots that a seat works for; none chosen means all."""
    chosen = list(seat.projects.values_list("pk", flat=True))
    return Q((f"{path}__in", chosen)) if chosen else Q()


def working_for(project: Project) -> Q:
    """Narrows seats to those that work for a chatbot: the same, seen from the other side."""
    chosen = Seat.projects.through.objects.all()
    return ~Q(pk__in=chosen.values("seat")) | Q(pk__in=chosen.filter(project=project).values("seat"))


def projects_of(seat: Seat) -> QuerySet[Project]:
    """The chatbots that a seat works for."""
    return Project.objects.filter(of_projects(seat))
