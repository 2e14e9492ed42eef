"""How an episode that nobody ends ends by itself, and what is still written into it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from chat import actions
from chat.log import AI, Entry, append, lock
from chat.models import Conversation, Episode, Message
from livesupport.models import Availability
from tenants.models import Due
from tests.cast import Cast
from tests.conftest import Tenants


@pytest.fixture
def cast(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside():
        Availability.objects.all().delete()
        yield tenants.a


def _new(cast: Cast) -> Conversation:
    opened = actions.open_session(project=cast.project_key, token=None, language="en")
    return Conversation.objects.get(pk=opened.conversation_id)


def _say(conversation: Conversation, text: str) -> None:
    actions.post_as_visitor(conversation_id=conversation.pk, draft=actions.Draft(text, uuid4()))


def _called(cast: Cast) -> Conversation:
    """A conversation in which a person is asked for while one is there."""
    defaults = {"state": "online", "capacity": 50, "seen_at": timezone.now()}
    Availability.objects.update_or_create(seat_id=cast.agent.seat_id, defaults=defaults)
    conversation = _new(cast)
    _say(conversation, "I want to talk to a human")
    return conversation


def _answer(conversation: Conversation, outcome: str) -> None:
    with transaction.atomic():
        append(lock(conversation.pk), AI, Entry(text="In 14 days.", data={"outcome": outcome}))


def _grow_idle(conversation: Conversation) -> Episode:
    """Half an hour passes, and the sweep comes by."""
    Episode.objects.filter(conversation=conversation, ended_at=None).update(
        last_message_at=timezone.now() - timedelta(hours=1)
    )
    assert actions.end_idle_episodes() == 1
    return Episode.objects.get(conversation=conversation)


def _is_due(cast: Cast) -> bool:
    return Due.objects.filter(schema=cast.schema, kind="episodes").exists()


def test_a_note_after_the_end_joins_the_episode_that_ended_and_opens_none(cast: Cast) -> None:
    conversation, seat = _called(cast), cast.agent.seat
    actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
    actions.resolve_conversation(conversation_id=conversation.pk, seat=seat)
    conversation.refresh_from_db()
    before = (conversation.owner, conversation.epoch)
    draft = actions.Draft("Called them back.", uuid4(), note=True)
    actions.post_as_seat(conversation_id=conversation.pk, seat_id=seat.pk, draft=draft)
    conversation.refresh_from_db()
    assert (conversation.owner, conversation.epoch) == before
    episode = Episode.objects.get(conversation=conversation)
    assert episode.ended_at is not None
    assert Message.objects.get(conversation=conversation, kind="note").episode == episode


@pytest.mark.parametrize(
    ("said", "score", "outcome"),
    [
        ("reply", 5, "ai_confirmed"),
        ("reply", 3, "ai_assumed"),
        ("reply", 1, "unresolved"),
        ("unknown", 5, "unresolved"),
    ],
)
def test_a_rating_after_the_end_counts_in_how_it_ended(cast: Cast, said: str, score: int, outcome: str) -> None:
    conversation = _new(cast)
    _say(conversation, "How long do refunds take?")
    _answer(conversation, said)
    assert _grow_idle(conversation).outcome == ("ai_assumed" if said == "reply" else "unresolved")
    actions.rate_episode(conversation_id=conversation.pk, score=score, client_id=uuid4())
    assert Episode.objects.get(conversation=conversation).outcome == outcome


def test_a_rating_does_not_make_a_request_that_nobody_took_a_success(cast: Cast) -> None:
    conversation = _new(cast)
    _say(conversation, "I want to talk to a human")
    _answer(conversation, "reply")
    assert _grow_idle(conversation).outcome == "unresolved"
    actions.rate_episode(conversation_id=conversation.pk, score=5, client_id=uuid4())
    assert Episode.objects.get(conversation=conversation).outcome == "unresolved"


def test_a_rating_of_what_a_person_resolved_stays_theirs(cast: Cast) -> None:
    conversation, seat = _called(cast), cast.agent.seat
    actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
    actions.resolve_conversation(conversation_id=conversation.pk, seat=seat)
    assert Message.objects.get(conversation=conversation, event="resolved").data["ask_rating"] is True
    actions.rate_episode(conversation_id=conversation.pk, score=1, comment=" Slow. ", client_id=uuid4())
    episode = Episode.objects.get(conversation=conversation)
    assert (episode.rating, episode.rating_comment) == (1, "Slow.")
    assert (episode.outcome, episode.resolved_by) == ("people", seat.name)


def test_what_an_agent_answered_and_gave_back_was_resolved_by_people(cast: Cast) -> None:
    conversation, seat = _called(cast), cast.agent.seat
    actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
    actions.post_as_seat(conversation_id=conversation.pk, seat_id=seat.pk, draft=actions.Draft("Here you are."))
    actions.hand_back_conversation(conversation_id=conversation.pk, seat=seat)
    assert _grow_idle(conversation).outcome == "people"
    actions.rate_episode(conversation_id=conversation.pk, score=2, client_id=uuid4())
    assert Episode.objects.get(conversation=conversation).outcome == "people"


def test_who_asks_again_after_that_and_finds_nobody_is_not_resolved(cast: Cast) -> None:
    conversation, seat = _called(cast), cast.agent.seat
    actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
    actions.hand_back_conversation(conversation_id=conversation.pk, seat=seat)
    Availability.objects.all().delete()
    _say(conversation, "I want to talk to a human")
    assert _grow_idle(conversation).outcome == "unresolved"


def test_an_episode_that_no_answer_ends_is_looked_at_again(cast: Cast) -> None:
    """Nothing else may happen in a quiet tenant: whatever leaves the AI with the word asks for the sweep."""
    conversation, seat = _called(cast), cast.agent.seat
    Due.objects.filter(schema=cast.schema, kind="episodes").delete()
    actions.claim_conversation(conversation_id=conversation.pk, seat=seat)
    assert not _is_due(cast)  # people have it
    actions.hand_back_conversation(conversation_id=conversation.pk, seat=seat)
    assert _is_due(cast)
    Due.objects.filter(schema=cast.schema, kind="episodes").delete()
    Availability.objects.all().delete()
    _say(_new(cast), "I want to talk to a human")  # nobody is there: it stands
    assert _is_due(cast)
    at = Due.objects.get(schema=cast.schema, kind="episodes").at
    assert timedelta(minutes=29) < at - timezone.now() < timedelta(minutes=31)
