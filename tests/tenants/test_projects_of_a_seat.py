"""Which chatbots are whose: chosen ones, or all of them; asked from either side, the same."""

from __future__ import annotations

import pytest

from chat.models import Handoff
from tenants.workspace.models import Project, Seat
from tenants.workspace.policies import of_projects, projects_of, working_for
from tests.cast import Cast
from tests.conftest import Tenants


@pytest.mark.parametrize("chosen", [(), ("first",), ("second",), ("first", "second")])
def test_none_chosen_means_all_from_either_side(tenants: Tenants, chosen: tuple[str, ...]) -> None:
    tenants.a.run(_check, tenants.a, chosen)


def _check(cast: Cast, chosen: tuple[str, ...]) -> None:
    assert cast.agent.seat is not None
    seat = cast.agent.seat
    projects = {key: Project.objects.create(key=key, name=key) for key in ("first", "second")}
    seat.projects.set(projects[key] for key in chosen)
    expected = {projects[key].pk for key in chosen} or set(Project.objects.values_list("pk", flat=True))
    assert set(projects_of(seat).values_list("pk", flat=True)) == expected
    assert {pk for pk in Project.objects.values_list("pk", flat=True) if _works_for(seat, pk)} == expected
    mine = Project.objects.filter(of_projects(seat, "pk"), key__in=projects)
    assert {project.key for project in mine} == set(chosen or projects)


def _works_for(seat: Seat, project_id: int) -> bool:
    return Seat.objects.filter(working_for(Project.objects.get(pk=project_id)), pk=seat.pk).exists()


def test_a_handoff_is_open_while_it_can_still_move() -> None:
    assert set(Handoff.OPEN) == {state for state in Handoff.State if Handoff.MOVES[state]}
