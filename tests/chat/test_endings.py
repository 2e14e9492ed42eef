"""How an episode that nobody ends ends by itself, and what is still written into it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from chat import actions
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
