"""Agents who vanish: what goes back to the queue, what stays theirs, and who is told. No clock is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import actions as chat
from chat.errors import NotHolder
from chat.models import Conversation, Handoff, Message
from livesupport import actions, queue, tasks
from livesupport.away import KEPT_FOR, SLACK_ANSWERS_WITHIN, Held
from livesupport.listeners import HOLDERS
from livesupport.models import Availability
from tenants.models import Due
from tenants.workspace.models import AuditEntry, Seat
from tests.cast import Cast, Person
from tests.conftest import Tenants

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def held(**more: object) -> Held:
    defaults = {"claimed_at": START, "seen_at": START, "via": "dashboard", "is_answered": False, "visitor_waits": True}
    return Held(**{**defaults, **more})


@pytest.mark.parametrize(
    ("found", "seconds", "away", "lost"),
    [
        (held(), 60, False, False),
        (held(), 61, True, True),
        (held(seen_at=None), 60, False, False),
        (held(seen_at=None), 61, True, True),
        (held(seen_at=START + 30 * SECOND), 61, False, False),
        (held(is_answered=True), 61, True, False),
        (held(is_answered=True), KEPT_FOR.total_seconds() + 1, True, True),
        (held(is_answered=True, visitor_waits=False), 9000, True, False),
        (held(via="slack"), 120, False, False),
        (held(via="slack"), SLACK_ANSWERS_WITHIN.total_seconds() + 1, False, True),
        (held(via="slack", is_answered=True), 9000, False, False),
    ],
)
def test_who_is_away_and_what_is_lost(found: Held, seconds: float, away: bool, lost: bool) -> None:
    now = START + seconds * SECOND
    assert (found.is_away(now), found.is_lost(now)) == (away, lost)
    assert SECOND < found.look_at(now) - now <= 60 * SECOND


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    """Tenant a; the agent and the admin have Live Support open."""
    with tenants.a.inside():
        Conversation.objects.filter(owner="agent").update(owner="none", holder=None)
        Availability.objects.all().delete()
        for person in (tenants.a.agent, tenants.a.admin):
            seen(person, 0)
        yield tenants.a


def seen(person: Person, seconds_ago: float) -> None:
    at = timezone.now() - seconds_ago * SECOND
    Availability.objects.update_or_create(
        seat_id=person.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": at}
    )


def claimed(cast: Cast, *, asked: bool = True, via: str = "dashboard", language: str = "en") -> Conversation:
    session = chat.open_session(project=cast.project_key, token=None, language=language)
    text = "Can I speak with a real person please?" if asked else "Where is my parcel?"
    chat.post_as_visitor(conversation_id=session.conversation_id, draft=chat.Draft(text, uuid4()))
    actions.claim(seat=cast.agent.seat, conversation_id=session.conversation_id, via=via)
    Message.objects.filter(conversation=session.conversation_id).update(
        created_at=timezone.now() - timedelta(minutes=30)
    )
    Handoff.objects.filter(conversation=session.conversation_id).update(
        claimed_at=timezone.now() - timedelta(minutes=30)
    )
    return Conversation.objects.get(pk=session.conversation_id)


def reply(cast: Cast, conversation: Conversation) -> None:
    chat.post_as_seat(conversation_id=conversation.pk, seat_id=cast.agent.seat_id, draft=chat.Draft("Hello!"))


def events(conversation: Conversation) -> list[str]:
    log = Message.objects.filter(conversation=conversation, kind="event").order_by("seq")
    return list(log.values_list("event", flat=True))


def test_an_unanswered_claim_of_who_vanished_goes_back_and_the_visitor_is_told(shop: Cast) -> None:
    conversation = claimed(shop)
    seen(shop.agent, 61)
    actions.take_back_from_absent()
    conversation.refresh_from_db()
    told = Message.objects.filter(conversation=conversation).order_by("-seq")[0]
    handoff = Handoff.objects.get(conversation=conversation)
    assert (conversation.owner, conversation.holder_id) == ("queue", None)
    assert (handoff.state, handoff.claimed_by) == (Handoff.State.WAITING, None)
    assert (told.event, told.data) == ("left", {"name": shop.agent.name, "away": True})
    assert told.text == f"{shop.agent.name} had to step away. I'm bringing in a teammate."
    assert AuditEntry.objects.filter(verb="lost by being away", seat_id=shop.agent.seat_id).count() == 1
    actions.claim(seat=shop.admin.seat, conversation_id=conversation.pk)


def test_the_visitor_is_told_in_their_language(shop: Cast) -> None:
    conversation = claimed(shop, language="de")
    seen(shop.agent, 61)
    actions.take_back_from_absent()
    told = Message.objects.filter(conversation=conversation, event="left").get()
    assert told.text.endswith("musste weg. Ich hole jemand anderen aus dem Team dazu.")


def test_with_nobody_else_there_it_becomes_a_standing_request(shop: Cast) -> None:
    conversation = claimed(shop)
    seen(shop.agent, 61)
    seen(shop.admin, 90)
    actions.take_back_from_absent()
    conversation.refresh_from_db()
    assert conversation.owner == Conversation.Owner.AI
    assert Handoff.objects.get(conversation=conversation).state == Handoff.State.STANDING
    assert events(conversation)[-2:] == ["left", "standing"]


def test_who_is_there_keeps_what_they_hold(shop: Cast) -> None:
    conversation = claimed(shop)
    seen(shop.agent, 40)
    again = actions.take_back_from_absent()
    conversation.refresh_from_db()
    assert conversation.holder_id == shop.agent.seat_id
    assert again is not None
    assert 15 * SECOND < again - timezone.now() < 25 * SECOND


def test_an_answered_conversation_stays_theirs_and_is_shown_as_away(shop: Cast) -> None:
    conversation = claimed(shop)
    reply(shop, conversation)
    seen(shop.agent, 300)
    actions.take_back_from_absent()
    conversation.refresh_from_db()
    assert conversation.holder_id == shop.agent.seat_id
    rows = queue.team_groups(shop.admin.seat, timezone.now())[0].rows
    assert [row.is_holder_away for row in rows if row.id == str(conversation.pk)] == [True]
    page = shop.client(shop.admin).get("/live/queue/?tab=team").content.decode()
    assert f"{shop.agent.name}</span> <span>away</span>" in page
    seen(shop.agent, 0)
    page = shop.client(shop.admin).get("/live/queue/?tab=team").content.decode()
    assert "<span>away</span>" not in page


def test_an_answered_conversation_in_which_the_visitor_waits_goes_back_after_ten_minutes(shop: Cast) -> None:
    conversation, quiet = claimed(shop), claimed(shop)
    reply(shop, conversation)
    reply(shop, quiet)
    chat.post_as_visitor(conversation_id=conversation.pk, draft=chat.Draft("Are you there?"))
    seen(shop.agent, KEPT_FOR.total_seconds() + 1)
    Message.objects.update(created_at=timezone.now() - timedelta(hours=1))
    actions.take_back_from_absent()
    conversation.refresh_from_db(), quiet.refresh_from_db()
    assert (conversation.owner, quiet.owner) == ("queue", "agent")


def test_what_was_taken_from_the_ai_waits_in_the_queue_where_the_team_sees_it(shop: Cast) -> None:
    conversation = claimed(shop, asked=False)
    seen(shop.agent, 61)
    actions.take_back_from_absent()
    handoff = Handoff.objects.get(conversation=conversation)
    assert (handoff.trigger, handoff.state) == (Handoff.Trigger.COLLEAGUE, Handoff.State.WAITING)
    shown = queue.now_groups(shop.admin.seat, timezone.now())[0].rows
    assert str(conversation.pk) in [row.id for row in shown]


def test_giving_back_what_was_taken_from_the_ai_leaves_it_in_sight(shop: Cast) -> None:
    conversation = claimed(shop, asked=False)
    actions.release(seat=shop.agent.seat, conversation_id=conversation.pk)
    shown = queue.now_groups(shop.admin.seat, timezone.now())[0].rows
    assert str(conversation.pk) in [row.id for row in shown]


def test_who_claimed_in_slack_needs_no_dashboard_but_has_to_answer(shop: Cast) -> None:
    conversation = claimed(shop, via="slack")
    Availability.objects.filter(seat_id=shop.agent.seat_id).delete()
    Message.objects.filter(conversation=conversation, event="joined").update(created_at=timezone.now())
    actions.take_back_from_absent()
    conversation.refresh_from_db()
    assert conversation.owner == "agent"
    actions.take_back_from_absent(now=timezone.now() + SLACK_ANSWERS_WITHIN + SECOND)
    conversation.refresh_from_db()
    assert conversation.owner == "queue"


def test_words_that_were_said_meanwhile_keep_it(shop: Cast) -> None:
    conversation = claimed(shop)
    reply(shop, conversation)
    given = {"conversation_id": conversation.pk, "seat": shop.agent.seat, "last_seq": conversation.last_seq}
    assert chat.take_back_conversation(**given) is False
    conversation.refresh_from_db()
    assert conversation.owner == "agent"


def test_who_lost_it_can_no_longer_write_and_is_told_when_back(shop: Cast) -> None:
    conversation = claimed(shop)
    seen(shop.agent, 61)
    actions.take_back_from_absent()
    with pytest.raises(NotHolder):
        reply(shop, conversation)
    client = shop.client(shop.agent)
    assert "You were away, so 1 went back to the queue" in client.get("/live/queue/").content.decode()
    assert client.post("/live/missed/").status_code == 200
    assert "You were away" not in client.get("/live/queue/").content.decode()


def test_a_seat_that_was_closed_holds_nothing(shop: Cast) -> None:
    conversation = claimed(shop)
    reply(shop, conversation)
    Seat.objects.filter(pk=shop.agent.seat_id).update(is_active=False)
    actions.take_back_from_absent()
    conversation.refresh_from_db()
    assert conversation.owner == "queue"


def test_a_rehearsals_holder_has_no_dashboard_and_keeps_it(shop: Cast) -> None:
    conversation = claimed(shop)
    Conversation.objects.filter(pk=conversation.pk).update(is_test=True)
    seen(shop.agent, 600)
    assert actions.take_back_from_absent() is None
    conversation.refresh_from_db()
    assert conversation.owner == "agent"


def test_the_watch_begins_with_a_claim_and_ends_when_nobody_holds_anything(shop: Cast) -> None:
    notes = Due.objects.filter(schema=shop.schema, kind=HOLDERS)
    notes.delete()
    conversation = claimed(shop)
    assert notes.count() == 1
    notes.delete()
    tasks.watch_holders.run()
    assert notes.count() == 1
    notes.delete()
    actions.resolve(seat=shop.agent.seat, conversation_id=conversation.pk)
    tasks.watch_holders.run()
    assert not notes.exists()


def test_looking_costs_one_query_however_many_are_held(shop: Cast) -> None:
    for _ in range(4):
        claimed(shop)
    with CaptureQueriesContext(connection) as queries:
        actions.take_back_from_absent()
    assert len([one for one in queries if "search_path" not in one["sql"]]) == 1
