"""The log: gap-free, each client id once, nothing stored that Postgres could not hold."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import actions, delivery
from chat.errors import NotHolder, TextEmpty, TextTooLong
from chat.log import LONGEST_TEXT, clean_text
from chat.models import Conversation, Message, Turn
from tests.cast import Cast
from tests.conftest import Tenants


def _new(cast: Cast) -> Conversation:
    opened = actions.open_session(project=cast.project_key, token=None, language="en")
    return Conversation.objects.get(pk=opened.conversation_id)


def _say(conversation: Conversation, text: str, client_id: object = None) -> actions.Ack:
    drafts = [actions.Draft(text, client_id or uuid4())]
    return actions.post_messages(conversation_id=conversation.pk, author=actions.VISITOR, drafts=drafts)[0]


def test_a_repeated_client_id_gets_the_first_receipt_and_stores_nothing_more(tenants: Tenants) -> None:
    with tenants.a.inside():
        conversation, client_id = _new(tenants.a), uuid4()
        first = _say(conversation, "Where is my order?", client_id)
        second = _say(conversation, "Where is my order?", client_id)
        assert first == second
        assert Message.objects.filter(conversation=conversation).count() == 1
        assert Turn.objects.filter(conversation=conversation).count() == 1


def test_a_batch_is_stored_in_order_with_consecutive_seqs(tenants: Tenants) -> None:
    with tenants.a.inside():
        conversation = _new(tenants.a)
        drafts = [actions.Draft(text, uuid4()) for text in ("one", "two", "three")]
        acks = actions.post_messages(conversation_id=conversation.pk, author=actions.VISITOR, drafts=drafts)
        assert [ack.seq for ack in acks] == [1, 2, 3]
        texts = Message.objects.filter(conversation=conversation).order_by("seq").values_list("text", flat=True)
        assert list(texts) == ["one", "two", "three"]


def test_only_the_newest_waiting_turn_is_left_when_a_visitor_writes_on(tenants: Tenants) -> None:
    with tenants.a.inside():
        conversation = _new(tenants.a)
        _say(conversation, "How long"), _say(conversation, "do I have to return a lamp?")
        states = Turn.objects.filter(conversation=conversation).order_by("pk").values_list("state", flat=True)
        assert list(states) == [Turn.State.DROPPED, Turn.State.QUEUED]


def test_an_agent_who_does_not_hold_the_conversation_cannot_write_to_the_visitor(tenants: Tenants) -> None:
    with tenants.a.inside():
        conversation = _new(tenants.a)
        _say(conversation, "Hello")
        draft = actions.Draft("Hi, Ana here", uuid4())
        with pytest.raises(NotHolder):
            actions.post_as_seat(conversation_id=conversation.pk, seat_id=tenants.a.agent.seat_id, draft=draft)
        assert Message.objects.filter(conversation=conversation, sender="agent").count() == 0


def test_visitors_see_no_note_and_prev_skips_it(tenants: Tenants) -> None:
    with tenants.a.inside():
        conversation = _new(tenants.a)
        _say(conversation, "Hello")
        note = actions.Draft("cracked batch", uuid4(), note=True)
        actions.post_as_seat(conversation_id=conversation.pk, seat_id=tenants.a.agent.seat_id, draft=note)
        _say(conversation, "Anybody?")
        conversation.refresh_from_db()
        theirs = delivery.entries(conversation, audience="visitor")
        ours = delivery.entries(conversation, audience="team")
        assert [(entry["seq"], entry["prev"]) for entry in theirs] == [(1, 0), (3, 1)]
        assert [(entry["seq"], entry["prev"]) for entry in ours] == [(1, 0), (2, 1), (3, 2)]
        assert delivery.entries(conversation, audience="visitor", after=2)[0]["prev"] == 1
        assert "cracked batch" not in str(theirs)


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\ud800", "\n\t\x00 "])
def test_a_text_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(TextEmpty):
        clean_text(text)


def test_a_text_of_more_than_4000_characters_is_refused_and_4000_are_kept() -> None:
    assert len(clean_text("a" * LONGEST_TEXT)) == LONGEST_TEXT
    with pytest.raises(TextTooLong):
        clean_text("a" * (LONGEST_TEXT + 1))


@given(st.text(max_size=300))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_kept_can_be_stored(text: str) -> None:
    try:
        kept = clean_text(text)
    except TextEmpty:
        return
    assert "\x00" not in kept
    assert kept.encode("utf-8").decode("utf-8") == kept == kept.strip()


def test_twenty_writers_at_once_leave_no_hole_and_no_repeat(fresh_tenant: Cast) -> None:
    conversation = fresh_tenant.run(_new, fresh_tenant)
    problems: list[Exception] = []

    def write(number: int) -> None:
        from django.db import connection

        try:
            fresh_tenant.run(_say, conversation, f"message {number}")
        except Exception as error:  # noqa: BLE001  collected for the assertion
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seqs = fresh_tenant.run(
        lambda: list(Message.objects.filter(conversation=conversation).order_by("seq").values_list("seq", flat=True))
    )
    assert problems == []
    assert seqs == list(range(1, 21))


def test_how_an_episode_ended_is_the_teams_to_know(tenants: Tenants) -> None:
    cast = tenants.a
    with cast.inside():
        conversation = _new(cast)
        _say(conversation, "Where is my order?")
        actions.claim_conversation(conversation_id=conversation.pk, seat=cast.agent.seat)
        actions.resolve_conversation(conversation_id=conversation.pk, seat=cast.agent.seat)
        conversation.refresh_from_db()
        last = {party: delivery.entries(conversation, audience=party)[-1] for party in ("visitor", "team")}
    assert [last[party]["event"] for party in ("visitor", "team")] == ["resolved", "resolved"]
    assert last["team"]["data"]["outcome"] == "people"
    assert "outcome" not in last["visitor"]["data"]
