"""No question is lost on the way between the AI and people: whoever has the word in the end, answers it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from chat import actions
from chat.models import FIRST_WORDS, Conversation, Handoff, Turn, Visitor
from livesupport.models import Availability, Lead
from tests.cast import Cast
from tests.conftest import Tenants


def _new(cast: Cast) -> Conversation:
    opened = actions.open_session(project=cast.project_key, token=None, language="en")
    return Conversation.objects.get(pk=opened.conversation_id)


def _say(conversation: Conversation, text: str) -> None:
    draft = actions.Draft(text, uuid4())
    actions.post_messages(conversation_id=conversation.pk, author=actions.VISITOR, drafts=[draft])


def _online(cast: Cast) -> None:
    fresh = {"state": "online", "capacity": 50, "seen_at": timezone.now()}
    Availability.objects.update_or_create(seat_id=cast.agent.seat_id, defaults=fresh)


def _open(conversation: Conversation) -> list[tuple[str, int]]:
    """(text, epoch) of the turns that wait for a worker."""
    rows = Turn.objects.filter(conversation=conversation, state=Turn.State.QUEUED).order_by("pk")
    return [(turn.message.text, turn.epoch) for turn in rows]


@pytest.mark.parametrize("running", [False, True], ids=["queued", "running"])
def test_a_question_outlives_the_button_where_nobody_is_there(tenants: Tenants, running: bool) -> None:
    with tenants.a.inside():
        Availability.objects.all().delete()
        conversation = _new(tenants.a)
        _say(conversation, "How long do refunds take?")
        turn = Turn.objects.get(conversation=conversation)
        if running:
            assert actions.begin_turn(turn_id=turn.pk) is not None
        actions.request_human(conversation_id=conversation.pk)
        conversation.refresh_from_db()
        assert (conversation.owner, conversation.epoch) == ("ai", turn.epoch + 1)
        assert _open(conversation) == [("How long do refunds take?", conversation.epoch)]
        job = actions.begin_turn(turn_id=turn.pk)
        assert job is not None
        assert job.hold.attempt == 1 + running  # who began before can write no more


def test_where_somebody_is_there_the_question_is_theirs(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "How long do refunds take?")
        actions.request_human(conversation_id=conversation.pk)
        assert _open(conversation) == []


def test_what_was_written_while_waiting_is_answered_when_nobody_came(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "Can I talk to a human?")
        for text in ("It is about a refund.", "How long does it take?"):
            _say(conversation, text)
        assert _open(conversation) == []
        actions.make_standing(handoff_id=Handoff.objects.get(conversation=conversation).pk)
        conversation.refresh_from_db()
        assert _open(conversation) == [("How long does it take?", conversation.epoch)]


def test_the_request_itself_is_no_question(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "Can I talk to a human?")
        actions.make_standing(handoff_id=Handoff.objects.get(conversation=conversation).pk)
        assert _open(conversation) == []


@pytest.mark.parametrize("answered", [False, True])
def test_handed_back_the_ai_answers_what_the_agent_did_not(tenants: Tenants, answered: bool) -> None:
    cast = tenants.a
    with cast.inside():
        _online(cast)
        conversation = _new(cast)
        _say(conversation, "Can I talk to a human?")
        actions.claim_conversation(conversation_id=conversation.pk, seat=cast.agent.seat)
        _say(conversation, "And how long do refunds take?")
        if answered:
            draft = actions.Draft("Five days.", uuid4())
            actions.post_as_seat(conversation_id=conversation.pk, seat_id=cast.agent.seat.pk, draft=draft)
        actions.hand_back_conversation(conversation_id=conversation.pk, seat=cast.agent.seat)
        conversation.refresh_from_db()
        expected = [] if answered else [("And how long do refunds take?", conversation.epoch)]
        assert _open(conversation) == expected


def test_who_keeps_writing_does_not_wait_longer(tenants: Tenants) -> None:
    """The words of an overtaken turn were promised by its time; the one that takes its place keeps it."""
    with tenants.a.inside():
        conversation = _new(tenants.a)
        _say(conversation, "How long do refunds take?")
        promised = timezone.now() + timedelta(seconds=4)
        Turn.objects.filter(conversation=conversation).update(overdue_at=promised)
        _say(conversation, "thanks in advance")
        assert Turn.objects.get(conversation=conversation, state=Turn.State.QUEUED).overdue_at == promised
        Turn.objects.filter(conversation=conversation).update(state=Turn.State.DONE)
        _say(conversation, "And returns?")
        newest = Turn.objects.get(conversation=conversation, state=Turn.State.QUEUED)
        assert newest.overdue_at == newest.queued_at + FIRST_WORDS


def test_whom_we_said_we_would_write_to_is_a_lead(tenants: Tenants) -> None:
    with tenants.a.inside():
        Availability.objects.all().delete()
        conversation = _new(tenants.a)
        Visitor.objects.filter(pk=conversation.visitor_id).update(email="vera@shop.example", name="Vera")
        _say(conversation, "Can I talk to a human?")
        lead = Lead.objects.get(conversation=conversation)
        assert (lead.email, lead.name, lead.state) == ("vera@shop.example", "Vera", Lead.State.OPEN)


def test_the_next_claim_is_measured_anew(tenants: Tenants) -> None:
    cast = tenants.a
    with cast.inside():
        _online(cast)
        conversation = _new(cast)
        _say(conversation, "Can I talk to a human?")
        for seat in (cast.agent.seat, cast.owner.seat):
            actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
            handoff = Handoff.objects.get(conversation=conversation)
            assert handoff.first_reply_at is None
            draft = actions.Draft("Hello!", uuid4())
            actions.post_as_seat(conversation_id=conversation.pk, seat_id=seat.pk, draft=draft)
            handoff.refresh_from_db()
            assert handoff.first_reply_at >= handoff.claimed_at
            if seat == cast.agent.seat:
                actions.release_conversation(conversation_id=conversation.pk, seat=seat)
