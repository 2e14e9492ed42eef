"""Whoever reads what was said reads it as it is now: the list, the search, letters, the model, the watch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat import actions as chat
from chat.models import Conversation, Turn
from livesupport import notify
from livesupport.away import held_conversations
from livesupport.queue import listing
from tests.cast import Cast
from tests.chat.test_edits import delete, edit, held, write
from tests.conftest import Tenants


@pytest.fixture
def cast(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside():
        yield tenants.a


@pytest.fixture
def conversation(cast: Cast) -> Conversation:
    """One in which the agent wrote two texts and a note; the first was edited, the others deleted."""
    found = held(cast)
    first, second = write(cast, found, "Thirteen violet days."), write(cast, found, "violet number 555")
    note = write(cast, found, "violet note", note=True)
    edit(cast.agent, found, first, "Thirty orange days.")
    delete(cast.agent, found, second)
    delete(cast.agent, found, note)
    found.refresh_from_db()
    return found


def test_the_list_shows_the_last_words_that_are_left(cast: Cast, conversation: Conversation) -> None:
    groups = listing(cast.agent.seat, tab="now", query="").groups
    row = next(row for group in groups for row in group.rows if row.id == str(conversation.pk))
    assert (row.last, row.last_by) == ("Thirty orange days.", "You")


@pytest.mark.parametrize(("query", "found"), [("violet", []), ("orange", ["Thirty orange days."])])
def test_the_search_finds_what_is_said_now(
    cast: Cast, conversation: Conversation, query: str, found: list[str]
) -> None:
    rows = [row for group in listing(cast.agent.seat, tab="now", query=query).groups for row in group.rows]
    assert [row.last for row in rows] == found


def test_a_letter_quotes_what_is_said_now(conversation: Conversation) -> None:
    lines = [line.text for line in notify._lines(conversation)]
    assert lines == ["How long may I keep a lamp?", "Thirty orange days."]


def test_the_model_is_told_what_is_said_now(cast: Cast, conversation: Conversation) -> None:
    chat.hand_back_conversation(conversation_id=conversation.pk, seat=cast.agent.seat)
    chat.post_as_visitor(conversation_id=conversation.pk, draft=chat.Draft("And a hub?"))
    turn = Turn.objects.filter(conversation=conversation, state=Turn.State.QUEUED).get()
    job = chat.begin_turn(turn_id=turn.pk)
    assert job is not None
    assert [text for sender, text in job.history if sender == "agent"] == ["Thirty orange days."]
    assert "violet" not in str(job)


def test_an_answer_that_was_taken_back_answers_nobody(cast: Cast) -> None:
    conversation = held(cast)
    row = held_conversations().filter(pk=conversation.pk)
    assert (row.get().is_answered, row.get().last_sender) == (False, "visitor")
    seq = write(cast, conversation, "one")
    assert (row.get().is_answered, row.get().last_sender) == (True, "agent")
    delete(cast.agent, conversation, seq)
    assert (row.get().is_answered, row.get().last_sender) == (False, "visitor")
