"""The team page: roles, access, and the owner that must remain."""

import threading
from typing import Any

import pytest

from tenants.errors import ProductError
from tenants.schema import run_in
from tenants.workspace.actions import SeatChange, change_seat
from tenants.workspace.errors import LastOwner
from tenants.workspace.models import AuditEntry, Seat
from tests.admin.forms import filled
from tests.cast import Cast, Person
from tests.conftest import Tenants


def page(person: Person) -> str:
    return f"/admin/workspace/seat/{person.seat_id}/change/"


def seat(cast: Cast, person: Person) -> Seat:
    return cast.run(Seat.objects.get, pk=person.seat_id)


def test_an_owner_changes_a_role_and_projects(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    data = filled(client, page(a.agent), role="analyst", projects=[str(a.project_id)])
    assert client.post(page(a.agent), data).status_code == 302
    with a.inside():
        changed = Seat.objects.get(pk=a.agent.seat_id)
        assert (changed.role, [project.pk for project in changed.projects.all()]) == ("analyst", [a.project_id])
        entry = AuditEntry.objects.get(data__model="workspace.seat")
        assert (entry.actor, entry.data["text"]) == (a.owner.name, "Changed Role from Agent to Analyst and Projects.")


@pytest.mark.parametrize("change", [{"role": "agent"}, {"is_active": None}])
def test_the_last_owner_can_be_neither_demoted_nor_shut_out(tenants: Tenants, change: dict[str, str]) -> None:
    a = tenants.a
    client = a.client(a.owner)
    before = a.run(AuditEntry.objects.count)
    answer = client.post(page(a.owner), filled(client, page(a.owner), **change), follow=True)
    assert "This is the only owner." in answer.content.decode()
    assert (seat(a, a.owner).role, seat(a, a.owner).is_active) == ("owner", True)
    assert a.run(AuditEntry.objects.count) == before


def test_an_owner_may_go_when_another_stays(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    assert client.post(page(a.admin), filled(client, page(a.admin), role="owner")).status_code == 302
    assert client.post(page(a.owner), filled(client, page(a.owner), role="agent")).status_code == 302
    assert (seat(a, a.owner).role, seat(a, a.admin).role) == ("agent", "owner")
    assert client.get("/admin/").status_code == 403


def test_an_inactive_owner_is_no_owner_that_stays(tenants: Tenants) -> None:
    a = tenants.a
    a.run(Seat.objects.filter(pk=a.admin.seat_id).update, role="owner", is_active=False)
    client = a.client(a.owner)
    client.post(page(a.owner), filled(client, page(a.owner), role="agent"))
    assert seat(a, a.owner).role == "owner"


@pytest.mark.parametrize("who", [{"user_id": None}, {"user_id": 99_000_001, "is_rehearsal": True}])
def test_an_owner_who_cannot_sign_in_is_no_owner_that_stays(tenants: Tenants, who: dict[str, Any]) -> None:
    a = tenants.a
    a.run(Seat.objects.create, name="Slack Sam", role="owner", **who)
    client = a.client(a.owner)
    client.post(page(a.owner), filled(client, page(a.owner), role="agent"))
    assert seat(a, a.owner).role == "owner"


def test_who_cannot_sign_in_is_made_no_owner(tenants: Tenants) -> None:
    a = tenants.a
    sam = a.run(Seat.objects.create, user_id=None, name="Slack Sam", email="sam@x.example")
    client, own = a.client(a.owner), f"/admin/workspace/seat/{sam.pk}/change/"
    answer = client.post(own, filled(client, own, role="owner"), follow=True)
    assert "Invite them first" in answer.content.decode()
    assert a.run(Seat.objects.get, pk=sam.pk).role == "agent"
    assert client.post(own, filled(client, own, role="analyst")).status_code == 302
    assert a.run(Seat.objects.get, pk=sam.pk).role == "analyst"


def test_an_admin_neither_makes_nor_changes_an_owner(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.admin)
    answer = client.post(page(a.agent), filled(client, page(a.agent), role="owner"), follow=True)
    assert "Only an owner can make or change an owner." in answer.content.decode()
    assert seat(a, a.agent).role == "agent"
    assert client.post(page(a.owner), {"name": "Nobody", "role": "agent"}).status_code == 403
    assert seat(a, a.owner).name == a.owner.name


def test_whose_seat_it_is_cannot_be_changed(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    data = filled(client, page(a.agent), user_id=str(a.owner.user_id), email="x@y.example", is_rehearsal="on")
    assert client.post(page(a.agent), data).status_code == 302
    after = seat(a, a.agent)
    assert (after.user_id, after.email, after.is_rehearsal) == (a.agent.user_id, a.agent.email, False)


def test_nobody_is_added_or_deleted_here(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    assert client.get("/admin/workspace/seat/add/").status_code == 403
    assert client.post(f"/admin/workspace/seat/{a.agent.seat_id}/delete/", {"post": "yes"}).status_code == 403
    assert seat(a, a.agent).is_active
    assert "Invite somebody" in client.get("/admin/workspace/seat/").content.decode()


def test_rehearsal_seats_are_not_people(tenants: Tenants) -> None:
    a = tenants.a
    a.run(Seat.objects.create, user_id=99_000_001, name="Rehearsal zz", is_rehearsal=True)
    assert "Rehearsal zz" not in a.client(a.owner).get("/admin/workspace/seat/").content.decode()


def test_two_owners_who_demote_each_other_at_once_leave_one(fresh_tenant: Cast) -> None:
    cast = fresh_tenant
    cast.run(Seat.objects.filter(pk=cast.admin.seat_id).update, role="owner")
    owners = [seat(cast, cast.owner), seat(cast, cast.admin)]
    outcome: list[str] = []
    start = threading.Barrier(2)

    def demote(by: Seat, other: Seat) -> None:
        from django.db import connection

        start.wait()
        try:
            run_in(
                cast.schema,
                change_seat,
                by=by,
                seat_id=other.pk,
                change=SeatChange(other.name, "agent", True),
            )
            outcome.append("done")
        except ProductError as refusal:
            outcome.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in (owners, owners[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcome) == ["done", LastOwner.code]
    assert cast.run(Seat.objects.filter(role="owner").count) == 1
