"""What agents do: each deed once, by those who may, with its trace; a refusal changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from builtabot import wiring
from chat import actions as chat
from chat.errors import AlreadyTaken, NotAllowed, NotHolder, UnknownConversation
from chat.models import Conversation, Episode, Handoff, Message
from livesupport import actions
from livesupport.availability import promise
from livesupport.errors import UnknownLead, UnknownState
from livesupport.listeners import WAITING, on_contact_left, on_seat_seen
from livesupport.models import Availability, Lead
from livesupport.tasks import watch_waiting
from tenants import due
from tenants.models import Due
from tenants.workspace.models import AuditEntry, Project, Seat
from tests.cast import Cast, Person
from tests.conftest import Tenants


@pytest.fixture
def cast(tenants: Tenants):
    with tenants.a.inside():
        yield tenants.a


def queue_up(cast: Cast, *, waited: int = 0) -> Conversation:
    """The cast's conversation as it stands in the queue, asked `waited` seconds ago."""
    conversation = Conversation.objects.get(pk=cast.thread.conversation_id)
    conversation.owner, conversation.holder = Conversation.Owner.QUEUE, None
    conversation.save(update_fields=["owner", "holder"])
    asked = timezone.now() - timedelta(seconds=waited)
    Handoff.objects.filter(pk=cast.thread.handoff_id).update(
        state=Handoff.State.WAITING, requested_at=asked, queued_at=asked, claimed_at=None, claimed_by=None
    )
    return conversation


def be_there(person: Person, *, seen_seconds_ago: int = 0, state: str = "online", capacity: int = 4) -> None:
    Availability.objects.update_or_create(
        seat_id=person.seat_id,
        defaults={
            "state": state,
            "capacity": capacity,
            "seen_at": timezone.now() - timedelta(seconds=seen_seconds_ago),
        },
    )


def snapshot(conversation: Conversation) -> tuple[object, ...]:
    conversation.refresh_from_db()
    return (
        conversation.owner,
        conversation.epoch,
        conversation.holder_id,
        conversation.last_seq,
        AuditEntry.objects.count(),
    )


@pytest.mark.parametrize("role", ["owner", "admin", "agent"])
def test_a_person_who_talks_can_claim_and_it_is_audited(cast: Cast, role: str) -> None:
    conversation = queue_up(cast)
    person: Person = getattr(cast, role)
    actions.claim(seat=person.seat, conversation_id=conversation.pk)
    conversation.refresh_from_db()
    assert (conversation.owner, conversation.holder_id) == (Conversation.Owner.AGENT, person.seat_id)
    entry = AuditEntry.objects.get(verb="claimed")
    assert entry.seat_id == person.seat_id
    assert str(conversation.pk) in entry.subject


def test_an_analyst_cannot_claim(cast: Cast) -> None:
    conversation = queue_up(cast)
    before = snapshot(conversation)
    with pytest.raises(NotAllowed):
        actions.claim(seat=cast.analyst.seat, conversation_id=conversation.pk)
    assert snapshot(conversation) == before


def test_an_agent_cannot_claim_a_taken_conversation(cast: Cast) -> None:
    conversation = queue_up(cast)
    actions.claim(seat=cast.owner.seat, conversation_id=conversation.pk)
    before = snapshot(conversation)
    with pytest.raises(AlreadyTaken) as lost:
        actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk)
    assert cast.owner.name in lost.value.sentence
    assert snapshot(conversation) == before


def test_claiming_what_one_holds_changes_nothing(cast: Cast) -> None:
    conversation = queue_up(cast)
    actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk)
    before = snapshot(conversation)
    actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk)
    assert snapshot(conversation) == before


def test_a_full_agent_may_reach_for_one_more(cast: Cast) -> None:
    conversation = queue_up(cast)
    be_there(cast.agent, capacity=0)
    actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk)
    assert snapshot(conversation)[2] == cast.agent.seat_id


def test_another_projects_conversation_is_not_there(cast: Cast) -> None:
    conversation = queue_up(cast)
    seat = cast.agent.seat
    seat.projects.add(Project.objects.create(key="other", name="Other"))
    before = snapshot(conversation)
    with pytest.raises(UnknownConversation):
        actions.claim(seat=seat, conversation_id=conversation.pk)
    assert snapshot(conversation) == before


def test_a_rehearsal_seat_claims_tests_only(cast: Cast) -> None:
    conversation = queue_up(cast)
    seat = Seat.objects.create(
        user_id=10**9, name="R", is_rehearsal=True, expires_at=timezone.now() + timedelta(minutes=5)
    )
    before = snapshot(conversation)
    with pytest.raises(UnknownConversation):
        actions.claim(seat=seat, conversation_id=conversation.pk)
    assert snapshot(conversation) == before


@pytest.mark.parametrize("deed", [actions.release, actions.hand_back])
def test_only_the_holder_gives_a_conversation_away(cast: Cast, deed) -> None:
    conversation = queue_up(cast)
    actions.claim(seat=cast.owner.seat, conversation_id=conversation.pk)
    before = snapshot(conversation)
    with pytest.raises(NotHolder):
        deed(seat=cast.agent.seat, conversation_id=conversation.pk)
    assert snapshot(conversation) == before
    deed(seat=cast.owner.seat, conversation_id=conversation.pk)
    assert snapshot(conversation)[0] in {Conversation.Owner.QUEUE, Conversation.Owner.AI}


def test_resolving_keeps_the_note_among_the_team_and_ends_the_episode(cast: Cast) -> None:
    conversation = queue_up(cast)
    actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk)
    actions.resolve(seat=cast.agent.seat, conversation_id=conversation.pk, note="  Sent a new shade. ")
    note = Message.objects.get(conversation=conversation, text="Sent a new shade.")
    assert (note.kind, note.internal, note.seat_id) == ("note", True, cast.agent.seat_id)
    assert Episode.objects.filter(conversation=conversation, outcome=Episode.Outcome.PEOPLE).exists()
    assert snapshot(conversation)[0] == Conversation.Owner.NONE
    assert AuditEntry.objects.filter(verb="resolved", seat=cast.agent.seat_id).count() == 1


def test_a_refused_resolve_keeps_no_note(cast: Cast) -> None:
    conversation = queue_up(cast)
    actions.claim(seat=cast.owner.seat, conversation_id=conversation.pk)
    before = snapshot(conversation)
    with pytest.raises(NotHolder):
        actions.resolve(seat=cast.agent.seat, conversation_id=conversation.pk, note="mine now")
    assert snapshot(conversation) == before
    assert not Message.objects.filter(text="mine now").exists()


# -- who is there ----------------------------------------------------------------------------------------------------


def reach(cast: Cast, *, is_test: bool = False):
    return promise(Project.objects.get(pk=cast.project_id), timezone.now(), is_test)


def test_a_fresh_dashboard_is_somebody(cast: Cast) -> None:
    assert not reach(cast).reachable
    be_there(cast.agent)
    found = reach(cast)
    assert (found.reachable, found.within_seconds, found.names) == (True, 30, (cast.agent.name.split()[0],))


@pytest.mark.parametrize(
    "how", [{"seen_seconds_ago": 46}, {"state": "away"}, {"capacity": 0}], ids=["stale", "away", "full"]
)
def test_nobody_is_there(cast: Cast, how: dict) -> None:
    be_there(cast.agent, **how)
    assert not reach(cast).reachable


def test_analysts_the_switched_off_and_other_projects_people_are_not_there(cast: Cast) -> None:
    be_there(cast.analyst)
    be_there(cast.agent)
    be_there(cast.admin)
    Seat.objects.filter(pk=cast.agent.seat_id).update(is_active=False)
    cast.admin.seat.projects.add(Project.objects.create(key="other", name="Other"))
    assert not reach(cast).reachable


def test_a_held_conversation_uses_capacity_and_a_test_does_not(cast: Cast) -> None:
    be_there(cast.agent, capacity=1)
    conversation = queue_up(cast)
    actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk)
    assert not reach(cast).reachable
    Conversation.objects.filter(pk=conversation.pk).update(is_test=True)
    assert reach(cast).reachable


def test_tests_are_answered_by_a_living_rehearsal_seat_alone(cast: Cast) -> None:
    be_there(cast.agent)
    assert not reach(cast, is_test=True).reachable
    seat = Seat.objects.create(
        user_id=10**9, name="R", is_rehearsal=True, expires_at=timezone.now() + timedelta(minutes=5)
    )
    Availability.objects.create(seat=seat, seen_at=timezone.now())
    assert reach(cast, is_test=True).reachable
    Availability.objects.filter(seat=cast.agent.seat_id).delete()
    assert not reach(cast).reachable
    Seat.objects.filter(pk=seat.pk).update(expires_at=timezone.now())
    assert not reach(cast, is_test=True).reachable


def test_a_sign_of_life_does_not_bring_back_who_is_away(cast: Cast) -> None:
    be_there(cast.agent, state="away", seen_seconds_ago=500)
    actions.note_seen(seat_id=cast.agent.seat_id)
    row = Availability.objects.get(seat=cast.agent.seat_id)
    assert row.state == Availability.State.AWAY
    assert timezone.now() - row.seen_at < timedelta(seconds=5)


def test_the_first_sign_of_life_makes_available(cast: Cast) -> None:
    from chat.events import SeatSeen

    Availability.objects.all().delete()
    on_seat_seen(SeatSeen(cast.agent.seat_id))
    on_seat_seen(SeatSeen(cast.analyst.seat_id))
    assert list(Availability.objects.values_list("seat", "state")) == [(cast.agent.seat_id, "online")]


def test_availability_has_two_states(cast: Cast) -> None:
    with pytest.raises(UnknownState):
        actions.set_availability(seat=cast.agent.seat, state="busy")
    with pytest.raises(NotAllowed):
        actions.set_availability(seat=cast.analyst.seat, state="online")
    assert actions.set_availability(seat=cast.agent.seat, state="away").state == "away"


# -- waiting ---------------------------------------------------------------------------------------------------------


def test_a_watched_queue_keeps_waiting(cast: Cast) -> None:
    queue_up(cast, waited=100)
    be_there(cast.agent)
    assert actions.give_up_waiting() is True
    assert Handoff.objects.get(pk=cast.thread.handoff_id).state == Handoff.State.WAITING


@pytest.mark.parametrize(("waited", "there"), [(121, True), (5, False)], ids=["too long", "nobody left"])
def test_waiting_ends_as_a_standing_request(cast: Cast, waited: int, there: bool) -> None:
    conversation = queue_up(cast, waited=waited)
    if there:
        be_there(cast.agent, capacity=0)  # full, but watching
    actions.give_up_waiting()
    assert Handoff.objects.get(pk=cast.thread.handoff_id).state == Handoff.State.STANDING
    assert snapshot(conversation)[0] == Conversation.Owner.AI
    told = Message.objects.filter(conversation=conversation, event="standing").count()
    actions.give_up_waiting()
    assert Message.objects.filter(conversation=conversation, event="standing").count() == told


def test_who_waits_is_looked_after_every_few_seconds_until_nobody_waits(cast: Cast) -> None:
    """Nothing else watches the queue: without the note in the table of due work a handoff would rot in it."""
    be_there(cast.agent)

    def noted() -> float | None:
        at = Due.objects.filter(schema=cast.schema, kind=WAITING).values_list("at", flat=True).first()
        return (at - timezone.now()).total_seconds() if at else None

    Due.objects.filter(schema=cast.schema).delete()
    opened = chat.open_session(project=cast.project_key, token=None, language="en")
    chat.request_human(conversation_id=opened.conversation_id)
    assert 0 < noted() <= 15
    for state, waits in ((Handoff.State.WAITING, True), (Handoff.State.CLOSED, False)):
        Due.objects.filter(schema=cast.schema).delete()
        Handoff.objects.update(state=state)
        watch_waiting.run()
        assert (noted() is not None) == waits
    wiring.bind()
    assert due.task_for(WAITING) == watch_waiting.name


# -- leads -----------------------------------------------------------------------------------------------------------


def test_the_same_address_again_renews_its_open_lead(cast: Cast) -> None:
    from chat.events import ContactLeft

    Lead.objects.all().delete()
    for name in ("", "Maya"):
        on_contact_left(ContactLeft(str(cast.thread.conversation_id), name, "maya@x.example", "A refund?"))
    lead = Lead.objects.get()
    assert (lead.name, lead.email, lead.question, lead.state) == ("Maya", "maya@x.example", "A refund?", "open")


def test_a_lead_is_closed_once(cast: Cast) -> None:
    for _ in range(2):
        actions.close_lead(seat=cast.agent.seat, lead_id=cast.thread.lead_id)
    assert Lead.objects.get(pk=cast.thread.lead_id).state == Lead.State.DONE
    assert AuditEntry.objects.filter(verb="closed lead").count() == 1


def test_a_lead_of_another_project_is_not_there(cast: Cast) -> None:
    seat = cast.agent.seat
    seat.projects.add(Project.objects.create(key="other", name="Other"))
    with pytest.raises(UnknownLead):
        actions.close_lead(seat=seat, lead_id=cast.thread.lead_id)
    with pytest.raises(NotAllowed):
        actions.close_lead(seat=cast.analyst.seat, lead_id=cast.thread.lead_id)
    assert Lead.objects.get(pk=cast.thread.lead_id).state == Lead.State.OPEN
