"""What the list shows when there is more than it can show, and that it knows a word for everything."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from chat import actions as chat
from chat.models import Conversation, Handoff
from insights import queries
from livesupport import queue
from tests.cast import Cast
from tests.conftest import Tenants


def asked(cast: Cast, *, hours_ago: int, state: str = "waiting") -> str:
    """A conversation in which a person was asked for; its id."""
    opened = chat.open_session(project=cast.project_key, token=None, language="en")
    draft = chat.Draft("I want to talk to a human", uuid4())
    chat.post_as_visitor(conversation_id=opened.conversation_id, draft=draft)
    at = timezone.now() - timedelta(hours=hours_ago)
    Handoff.objects.filter(conversation=opened.conversation_id).update(state=state, requested_at=at, queued_at=at)
    owner = Conversation.Owner.QUEUE if state == "waiting" else Conversation.Owner.AI
    Conversation.objects.filter(pk=opened.conversation_id).update(owner=owner)
    return str(opened.conversation_id)


def test_of_too_many_who_waits_longest_is_shown_and_nobody_who_stands_takes_their_place(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MOST_ROWS", 2)
    with tenants.a.inside() as cast:
        Handoff.objects.all().delete()
        hours = {asked(cast, hours_ago=hours): hours for hours in (1, 3, 2, 5, 4)}
        asked(cast, hours_ago=48, state="standing")
        waiting = queue.now_groups(cast.agent.seat, timezone.now())[0]
        assert [hours[row.id] for row in waiting.rows] == [5, 4]


def test_every_reason_to_call_people_has_its_words(tenants: Tenants) -> None:
    assert set(queue.TRIGGER_PILLS) == set(Handoff.Trigger)
    counted = [trigger for _, _, triggers in queries._REASONS for trigger in triggers]
    assert sorted(counted) == sorted(Handoff.Trigger)
