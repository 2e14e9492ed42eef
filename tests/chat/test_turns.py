"""One voice of the AI at a time: who holds a turn, what overtakes it, and who answers for what was overtaken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from chat import actions, turns
from chat.actions import Job, Word
from chat.events import TurnQueued
from chat.models import Conversation, Handoff, Message, Turn
from knowledge.answers import Outcome
from livesupport.models import Availability
from tenants import events
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants

SECOND = timedelta(seconds=1)


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    """Tenant a, with an agent who is there."""
    with tenants.a.inside():
        Availability.objects.update_or_create(
            seat_id=tenants.a.agent.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": timezone.now()}
        )
        yield tenants.a


@pytest.fixture
def conversation(shop: Cast) -> Conversation:
    return opened(shop)


def opened(cast: Cast) -> Conversation:
    session = actions.open_session(project=cast.project_key, token=None, language="en")
    return Conversation.objects.get(pk=session.conversation_id)


def say(conversation: Conversation, text: str) -> Turn:
    actions.post_as_visitor(conversation_id=conversation.pk, draft=actions.Draft(text, uuid4()))
    return Turn.objects.filter(conversation=conversation).order_by("-pk")[0]


def begin(turn: Turn) -> Job:
    job = actions.begin_turn(turn_id=turn.pk)
    assert job is not None
    return job


def states(conversation: Conversation) -> list[str]:
    return list(Turn.objects.filter(conversation=conversation).order_by("pk").values_list("state", flat=True))


def said(conversation: Conversation) -> list[str]:
    """What the AI said."""
    log = Message.objects.filter(conversation=conversation, sender="ai", kind="text").order_by("seq")
    return list(log.values_list("text", flat=True))


def answer(job: Job, text: str) -> Message | None:
    return actions.answer_turn(hold=job.hold, text=text, outcome="reply", citations=[])


def spoil_lease(turn: Turn) -> None:
    Turn.objects.filter(pk=turn.pk).update(lease_until=timezone.now() - SECOND)


def test_a_newer_message_overtakes_a_turn_that_runs_but_has_said_nothing(conversation: Conversation) -> None:
    first = begin(say(conversation, "Where is my parcel?"))
    second = begin(say(conversation, "It is number 4711"))
    assert actions.keep_turn(hold=first.hold, words=True) is Word.STOP
    assert answer(first, "It is on its way.") is None
    assert answer(second, "Number 4711 is on its way.") is not None
    assert said(conversation) == ["Number 4711 is on its way."]
    assert states(conversation) == ["dropped", "done"]


def test_the_newer_turn_answers_what_was_overtaken_too(conversation: Conversation) -> None:
    begin(say(conversation, "Where is my parcel?"))
    say(conversation, "It is number 4711")
    job = begin(say(conversation, "Hello?"))
    assert [(one.text, one.is_open) for one in job.earlier] == [
        ("Where is my parcel?", True),
        ("It is number 4711", True),
    ]
    assert turns.asked_of(job) == "Where is my parcel?\nIt is number 4711\nHello?"
    assert job.history == ()


def test_what_was_answered_is_history_and_not_asked_again(conversation: Conversation) -> None:
    answer(begin(say(conversation, "Where is my parcel?")), "On its way.")
    job = begin(say(conversation, "Since when?"))
    assert turns.asked_of(job) == "Since when?"
    assert job.history == (("visitor", "Where is my parcel?"), ("ai", "On its way."))


def test_an_answer_that_is_being_spoken_comes_to_its_end_first(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    first = begin(say(conversation, "Where is my parcel?"))
    assert actions.keep_turn(hold=first.hold, words=True) is Word.GO
    second = say(conversation, "And how long are returns possible?")
    assert actions.begin_turn(turn_id=second.pk) is None
    assert states(conversation) == ["running", "queued"]
    monkeypatch.setitem(events._within, TurnQueued, (lambda event: woken.append(event.turn_id),))
    assert answer(first, "It is on its way.") is not None
    assert woken == [second.pk]
    job = begin(second)
    assert turns.asked_of(job) == "And how long are returns possible?"
    assert job.history == (("visitor", "Where is my parcel?"), ("ai", "It is on its way."))


def test_a_long_answer_makes_room_when_the_visitor_waits(conversation: Conversation) -> None:
    job = begin(say(conversation, "Tell me everything"))
    assert actions.keep_turn(hold=job.hold, words=True) is Word.GO
    second = say(conversation, "Stop, only the price")
    assert actions.keep_turn(hold=job.hold) is Word.GO
    Turn.objects.filter(pk=second.pk).update(queued_at=timezone.now() - timedelta(seconds=9))
    pieces: Iterator[Any] = iter(["Once upon a time [2] ", "there ", "was"])
    turns.FLUSH_SECONDS, kept = 0.0, turns.FLUSH_SECONDS
    try:
        outcome = turns.Stream(job).follow(pieces)
    finally:
        turns.FLUSH_SECONDS = kept
    assert outcome == Outcome("reply", "Once upon a time [2] …", (2,))
    assert list(pieces) == ["there ", "was"]


def test_of_many_messages_in_a_burst_one_turn_answers(conversation: Conversation) -> None:
    for number in range(5):
        say(conversation, f"part {number}")
    assert states(conversation) == ["dropped"] * 4 + ["queued"]
    assert actions.begin_turn(turn_id=Turn.objects.filter(conversation=conversation).order_by("pk")[0].pk) is None


def test_a_hasty_second_message_does_not_hide_what_needs_a_person(shop: Cast, conversation: Conversation) -> None:
    say(conversation, "This is a scam, you are all thieves! Worst service ever!!")
    turns.run(say(conversation, "hello?").pk)
    found = Handoff.objects.get(conversation=conversation)
    assert found.trigger == Handoff.Trigger.MOOD


def test_a_worker_whose_lease_another_took_can_no_longer_write(conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    slow = begin(turn)
    spoil_lease(turn)
    quick = begin(turn)
    assert (slow.hold.attempt, quick.hold.attempt) == (1, 2)
    assert actions.keep_turn(hold=slow.hold, words=True) is Word.STOP
    assert answer(slow, "From the first.") is None
    assert actions.fail_turn(hold=slow.hold, reason="It broke") is None
    assert answer(quick, "From the second.") is not None
    assert said(conversation) == ["From the second."]


def test_a_turn_left_in_the_middle_is_answered_by_the_one_that_waits(conversation: Conversation) -> None:
    first = say(conversation, "Where is my parcel?")
    actions.keep_turn(hold=begin(first).hold, words=True)
    second = say(conversation, "It is number 4711")
    spoil_lease(first)
    assert actions.begin_turn(turn_id=first.pk) is None
    job = begin(second)
    assert states(conversation) == ["dropped", "running"]
    assert turns.asked_of(job) == "Where is my parcel?\nIt is number 4711"


def test_three_workers_that_die_are_enough(conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    for _ in range(3):
        begin(turn)
        spoil_lease(turn)
    assert actions.begin_turn(turn_id=turn.pk) is None
    conversation.refresh_from_db()
    assert conversation.owner == Conversation.Owner.QUEUE


def test_two_turns_of_a_conversation_never_run_at_once_even_by_mistake(conversation: Conversation) -> None:
    first = say(conversation, "one")
    actions.keep_turn(hold=begin(first).hold, words=True)
    second = say(conversation, "two")
    with pytest.raises(IntegrityError, match="one_turn_runs"), transaction.atomic():
        Turn.objects.filter(pk=second.pk).update(state=Turn.State.RUNNING)


def test_any_error_of_ours_calls_people(
    shop: Cast, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **named: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(turns, "search", broken)
    turns.run(say(conversation, "Where is my parcel?").pk)
    found = Handoff.objects.get(conversation=conversation)
    assert (found.trigger, found.state) == (Handoff.Trigger.FAILURE, Handoff.State.WAITING)
    assert "unforeseen" not in found.reason


def test_of_many_workers_one_gets_the_turn_and_of_two_turns_one_runs(fresh_tenant: Cast) -> None:
    def prepare() -> list[int]:
        Project.objects.update(request_enabled=False)
        found = []
        for _ in range(10):
            conversation = opened(fresh_tenant)
            first = say(conversation, "one")
            actions.keep_turn(hold=begin(first).hold, words=True)
            spoil_lease(first)
            found += [first.pk, say(conversation, "two").pk]
        return found

    ids = fresh_tenant.run(prepare)
    taken: list[int] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        try:
            for turn_id in ids:
                if fresh_tenant.run(actions.begin_turn, turn_id=turn_id) is not None:
                    taken.append(turn_id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids[1::2]
