"""From the AI to people and back: who is called, what is said, and who may speak."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chat import actions, ports
from chat.errors import AlreadyTaken, NotHolder, UnknownConversation
from chat.models import Conversation, Episode, Handoff, Message, Turn
from livesupport.models import Availability
from tests.cast import Cast
from tests.conftest import Tenants


def _new(cast: Cast) -> Conversation:
    opened = actions.open_session(project=cast.project_key, token=None, language="en")
    return Conversation.objects.get(pk=opened.conversation_id)


def _say(conversation: Conversation, text: str) -> actions.Ack:
    drafts = [actions.Draft(text, uuid4())]
    return actions.post_messages(conversation_id=conversation.pk, author=actions.VISITOR, drafts=drafts)[0]


def _online(cast: Cast) -> None:
    Availability.objects.update_or_create(
        seat_id=cast.agent.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": timezone.now()}
    )


def _nobody() -> None:
    Availability.objects.all().delete()


def _last(conversation: Conversation) -> Message:
    return Message.objects.filter(conversation=conversation).order_by("-seq")[0]


def test_asking_for_a_person_joins_the_queue_in_the_same_transaction(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "Can I speak with a real person please?")
        conversation.refresh_from_db()
        handoff = Handoff.objects.get(conversation=conversation)
        assert (conversation.owner, conversation.epoch) == ("queue", 2)
        assert (handoff.state, handoff.trigger) == (Handoff.State.WAITING, Handoff.Trigger.REQUEST)
        assert _last(conversation).event == "handed_over"
        assert not Turn.objects.filter(conversation=conversation).exists()


def test_nobody_there_makes_a_standing_request_and_the_ai_goes_on(tenants: Tenants) -> None:
    with tenants.a.inside():
        _nobody()
        conversation = _new(tenants.a)
        _say(conversation, "I want to talk to a human")
        conversation.refresh_from_db()
        told = _last(conversation)
        assert conversation.owner == Conversation.Owner.AI
        assert Handoff.objects.get(conversation=conversation).state == Handoff.State.STANDING
        assert told.event == "standing"
        assert told.data["ask_email"] is True
        _say(conversation, "How long do I have to return a lamp?")
        assert Turn.objects.filter(conversation=conversation, state=Turn.State.QUEUED).count() == 1


def test_asking_again_makes_no_second_handoff_and_a_person_who_came_back_is_called(tenants: Tenants) -> None:
    with tenants.a.inside():
        _nobody()
        conversation = _new(tenants.a)
        _say(conversation, "I want to talk to a human")
        _say(conversation, "human please")
        assert Handoff.objects.filter(conversation=conversation).count() == 1
        _online(tenants.a)
        _say(conversation, "talk to a human!")
        conversation.refresh_from_db()
        assert Handoff.objects.get(conversation=conversation).state == Handoff.State.WAITING
        assert conversation.owner == Conversation.Owner.QUEUE


def test_a_project_that_switched_requests_off_answers_instead(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        conversation.project.request_enabled = False
        conversation.project.save(update_fields=["request_enabled"])
        _say(conversation, "I want to talk to a human")
        conversation.refresh_from_db()
        assert conversation.owner == Conversation.Owner.AI
        assert not Handoff.objects.filter(conversation=conversation).exists()


def test_the_button_hands_over_once(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation, client_id = _new(tenants.a), uuid4()
        first = actions.request_human(conversation_id=conversation.pk, client_id=client_id)
        again = actions.request_human(conversation_id=conversation.pk, client_id=client_id)
        other = actions.request_human(conversation_id=conversation.pk, client_id=uuid4())
        assert first == again
        assert other is None
        assert Handoff.objects.filter(conversation=conversation).count() == 1


def test_the_whole_way_to_a_resolved_episode(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation, seat = _new(tenants.a), tenants.a.agent.seat
        _say(conversation, "agent please")
        actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
        actions.post_as_seat(conversation_id=conversation.pk, seat_id=seat.pk, draft=actions.Draft("Hi", uuid4()))
        actions.resolve_conversation(conversation_id=conversation.pk, seat=seat)
        conversation.refresh_from_db()
        handoff = Handoff.objects.get(conversation=conversation)
        episode = Episode.objects.get(conversation=conversation)
        events = list(Message.objects.filter(conversation=conversation).order_by("seq").values_list("event", flat=True))
        assert events == ["", "handed_over", "joined", "", "resolved"]
        assert (conversation.owner, episode.outcome, episode.resolved_by) == ("none", "people", seat.name)
        assert handoff.state == Handoff.State.RESOLVED
        assert None not in (handoff.queued_at, handoff.claimed_at, handoff.first_reply_at, handoff.resolved_at)
        _say(conversation, "One more question: where is my invoice?")
        conversation.refresh_from_db()
        assert conversation.owner == Conversation.Owner.AI
        assert Episode.objects.filter(conversation=conversation).count() == 2


def test_only_the_holder_resolves_a_claimed_conversation(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "agent please")
        actions.claim_conversation(conversation_id=conversation.pk, seat=tenants.a.agent.seat)
        with pytest.raises(NotHolder):
            actions.resolve_conversation(conversation_id=conversation.pk, seat=tenants.a.admin.seat)
        with pytest.raises(AlreadyTaken, match=tenants.a.agent.name):
            actions.claim_conversation(conversation_id=conversation.pk, seat=tenants.a.admin.seat)
        conversation.refresh_from_db()
        assert (conversation.owner, conversation.holder_id) == ("agent", tenants.a.agent.seat_id)


def test_an_analyst_claims_nothing_and_a_rehearsal_seat_no_real_conversation(tenants: Tenants) -> None:
    with tenants.a.inside():
        conversation = _new(tenants.a)
        _say(conversation, "Hello")
        rehearsal = tenants.a.agent.seat
        rehearsal.is_rehearsal = True
        for seat in (tenants.a.analyst.seat, rehearsal):
            with pytest.raises((UnknownConversation, Exception)) as refused:
                actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
            assert refused.value.code in {"not_allowed", "unknown_conversation"}
        conversation.refresh_from_db()
        assert conversation.owner == Conversation.Owner.AI


def test_a_seat_of_another_project_does_not_see_the_conversation(tenants: Tenants) -> None:
    with tenants.a.inside():
        from tenants.workspace.models import Project

        conversation, seat = _new(tenants.a), tenants.a.agent.seat
        _say(conversation, "Hello")
        seat.projects.set([Project.objects.create(key="other", name="Other")])
        with pytest.raises(UnknownConversation):
            actions.claim_conversation(conversation_id=conversation.pk, seat=seat)


def test_giving_back_to_the_queue_and_to_the_ai(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation, seat = _new(tenants.a), tenants.a.agent.seat
        _say(conversation, "agent please")
        actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
        actions.release_conversation(conversation_id=conversation.pk, seat=seat)
        conversation.refresh_from_db()
        assert (conversation.owner, conversation.holder) == ("queue", None)
        actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
        actions.hand_back_conversation(conversation_id=conversation.pk, seat=seat)
        conversation.refresh_from_db()
        assert (conversation.owner, conversation.epoch) == ("ai", 6)


def test_a_handoff_that_nobody_claims_becomes_a_standing_request_once(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "agent please")
        handoff = Handoff.objects.get(conversation=conversation)
        assert actions.make_standing(handoff_id=handoff.pk) is True
        assert actions.make_standing(handoff_id=handoff.pk) is False
        conversation.refresh_from_db()
        assert conversation.owner == Conversation.Owner.AI
        assert _last(conversation).event == "standing"


def test_an_answer_begun_before_the_handoff_is_never_written(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "How long do I have to return a lamp?")
        turn = Turn.objects.get(conversation=conversation)
        job = actions.begin_turn(turn_id=turn.pk)
        assert job is not None
        assert actions.keep_turn(hold=job.hold) is actions.Word.GO
        actions.claim_conversation(conversation_id=conversation.pk, seat=tenants.a.agent.seat)
        assert actions.keep_turn(hold=job.hold) is actions.Word.STOP
        written = actions.answer_turn(hold=job.hold, text="30 days", outcome="reply", citations=[])
        turn.refresh_from_db()
        assert written is None
        assert turn.state == Turn.State.DROPPED
        assert not Message.objects.filter(conversation=conversation, sender="ai").exists()


def test_a_turn_is_held_by_one_worker_and_taken_over_when_its_lease_has_passed(tenants: Tenants) -> None:
    with tenants.a.inside():
        conversation = _new(tenants.a)
        _say(conversation, "How long do I have to return a lamp?")
        turn = Turn.objects.get(conversation=conversation)
        assert actions.begin_turn(turn_id=turn.pk) is not None
        assert actions.begin_turn(turn_id=turn.pk) is None
        Turn.objects.filter(pk=turn.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert actions.sweep_turns() == [turn.pk]
        assert actions.begin_turn(turn_id=turn.pk) is not None


def test_a_failed_turn_calls_a_person(tenants: Tenants) -> None:
    with tenants.a.inside():
        _online(tenants.a)
        conversation = _new(tenants.a)
        _say(conversation, "How long do I have to return a lamp?")
        turn = Turn.objects.get(conversation=conversation)
        job = actions.begin_turn(turn_id=turn.pk)
        assert job is not None
        actions.fail_turn(hold=job.hold, reason="The model did not answer")
        conversation.refresh_from_db()
        assert conversation.owner == Conversation.Owner.QUEUE
        assert Handoff.objects.get(conversation=conversation).trigger == Handoff.Trigger.FAILURE


def test_thirty_agents_race_for_one_conversation_and_one_wins(fresh_tenant: Cast) -> None:
    def begin() -> Conversation:
        _online(fresh_tenant)
        conversation = _new(fresh_tenant)
        _say(conversation, "agent please")
        return conversation

    conversation = fresh_tenant.run(begin)
    people = [fresh_tenant.agent, fresh_tenant.admin, fresh_tenant.owner]
    results: list[Any] = []

    def claim(number: int) -> None:
        from django.db import connection

        seat_id = people[number % 3].seat_id
        try:
            results.append(fresh_tenant.run(_claim, conversation, seat_id))
        except AlreadyTaken as error:
            results.append(error.sentence)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    joined = fresh_tenant.run(lambda: Message.objects.filter(conversation=conversation, event="joined").count())
    holder = fresh_tenant.run(lambda: Conversation.objects.get(pk=conversation.pk).holder)
    assert joined == 1
    assert len(results) == 30
    assert all(holder.name in result for result in results if isinstance(result, str))


def _claim(conversation: Conversation, seat_id: int) -> int | None:
    from tenants.workspace.models import Seat

    message = actions.claim_conversation(conversation_id=conversation.pk, seat=Seat.objects.get(pk=seat_id))
    return message.pk if message else None


def test_without_anybody_bound_nobody_is_reachable(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_reachability", None)
    with tenants.a.inside():
        conversation = _new(tenants.a)
        assert ports.reachability(conversation.project, timezone.now(), False).reachable is False


@pytest.mark.parametrize(
    ("rating", "standing", "last", "outcome"),
    [
        (None, False, "reply", "ai_assumed"),
        (5, False, "reply", "ai_confirmed"),
        (4, False, "reply", "ai_confirmed"),
        (3, False, "reply", "ai_assumed"),
        (1, False, "reply", "unresolved"),
        (5, True, "reply", "unresolved"),
        (None, False, "unknown", "unresolved"),
        (None, False, "", "unresolved"),
    ],
)
def test_how_an_episode_without_people_ended(rating: int | None, standing: bool, last: str, outcome: str) -> None:
    from chat.actions.episodes import outcome_of

    assert outcome_of(rating=rating, standing=standing, last_outcome=last) == outcome


def test_an_idle_episode_ends_by_itself_and_a_lively_one_does_not(tenants: Tenants) -> None:
    with tenants.a.inside():
        idle, lively = _new(tenants.a), _new(tenants.a)
        for conversation in (idle, lively):
            _say(conversation, "Hello")
        long_ago = timezone.now() - timedelta(minutes=31)
        Episode.objects.filter(conversation=idle).update(last_message_at=long_ago)
        actions.end_idle_episodes()
        assert Episode.objects.get(conversation=idle).outcome == Episode.Outcome.UNRESOLVED
        assert Episode.objects.get(conversation=lively).ended_at is None
