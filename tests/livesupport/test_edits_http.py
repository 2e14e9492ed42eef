"""The two posts of the dashboard, and what its page offers to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chat.models import Conversation, Message
from livesupport.transcript import Line, transcript
from tests.cast import Cast, Person
from tests.chat.test_edits import delete, edit, held, write
from tests.conftest import Tenants

Given = tuple[Cast, Conversation, int]


@pytest.fixture
def given(tenants: Tenants) -> Given:
    """An agent's conversation, with one text of theirs."""
    cast = tenants.a
    conversation = cast.run(held, cast)
    return cast, conversation, cast.run(write, cast, conversation, "one")


def post(given: Given, deed: str, person: Person, seq: int | None = None, **form: Any) -> tuple[int, dict[str, Any]]:
    cast, conversation, own = given
    answer = cast.client(person).post(f"/live/c/{conversation.pk}/message/{seq or own}/{deed}/", form)
    return answer.status_code, answer.json()


def test_the_answer_is_a_receipt_and_may_be_asked_for_again(given: Given) -> None:
    cast, _, seq = given
    again = {"client_id": str(uuid4())}
    first = post(given, "edit", cast.agent, text="two", **again)
    assert (first[0], first[1]["seq"], first[1]["client_id"]) == (200, seq + 1, again["client_id"])
    third = post(given, "edit", cast.agent, text="three")[1]
    assert third == {"client_id": None, "seq": seq + 2, "at": _at(given, seq + 2)}
    assert post(given, "edit", cast.agent, text="two", **again) == first
    gone = post(given, "delete", cast.agent)
    assert (gone[0], gone[1]["seq"]) == (200, seq + 3)
    assert post(given, "delete", cast.owner) == gone


def _at(given: Given, seq: int) -> str:
    cast, conversation, _ = given
    row = cast.run(Message.objects.get, conversation=conversation, seq=seq)
    return str(row.created_at.isoformat())


def test_refusals_have_codes_and_sentences(given: Given) -> None:
    cast, conversation, seq = given
    rows = cast.run(lambda: Message.objects.filter(conversation=conversation, seq=seq))
    long_ago = timezone.now() - timedelta(minutes=20)
    wanted = [
        (post(given, "edit", cast.agent), 400, "text_empty"),
        (post(given, "edit", cast.agent, text="x" * 4001), 400, "text_too_long"),
        (post(given, "edit", cast.agent, text="two", client_id="7"), 400, "bad_frame"),
        (post(given, "edit", cast.owner, text="two"), 403, "not_allowed"),
        (post(given, "delete", cast.analyst), 403, "not_allowed"),
        (post(given, "delete", cast.agent, 999), 404, "unknown_message"),
        (post(given, "delete", cast.agent, 99999999999), 404, "unknown_message"),
    ]
    cast.run(rows.update, created_at=long_ago)
    wanted.append((post(given, "edit", cast.agent, text="two"), 409, "too_late"))
    post(given, "delete", cast.agent)
    wanted.append((post(given, "edit", cast.agent, text="two"), 409, "message_deleted"))
    for (status, body), expected, code in wanted:
        assert (status, body["code"]) == (expected, code)
        assert body["sentence"]
    changes = cast.run(lambda: list(Message.objects.filter(conversation=conversation, target=seq)))
    assert [one.event for one in changes] == ["deleted"]


def _line(given: Given, person: Person) -> Line:
    cast, conversation, seq = given
    conversation = cast.run(Conversation.objects.get, pk=conversation.pk)
    lines = cast.run(lambda: transcript(conversation, person.seat).lines)
    return next(line for line in lines if line.seq == seq)


def test_the_page_offers_what_the_server_allows(given: Given) -> None:
    cast, conversation, seq = given
    offered = {role: _line(given, getattr(cast, role)) for role in ("owner", "admin", "agent", "analyst")}
    assert {role: (line.may_edit, line.may_delete) for role, line in offered.items()} == {
        "owner": (False, True),
        "admin": (False, True),
        "agent": (True, True),
        "analyst": (False, False),
    }
    assert [line.text for line in offered.values()] == ["", "", "one", ""]
    cast.run(Message.objects.filter(seq=seq).update, created_at=timezone.now() - timedelta(minutes=15))
    late = _line(given, cast.agent)
    assert (late.may_edit, late.may_delete, late.text) == (False, True, "")


def test_the_transcript_says_what_was_edited_and_who_deleted(given: Given) -> None:
    cast, conversation, seq = given
    cast.run(edit, cast.agent, conversation, seq, "<b>two</b>")
    line = _line(given, cast.agent)
    assert (line.edited, line.deleted, line.text) == (True, False, "<b>two</b>")
    assert line.html == "<p>&lt;b&gt;two&lt;/b&gt;</p>"
    cast.run(delete, cast.owner, conversation, seq)
    gone = _line(given, cast.agent)
    assert (gone.edited, gone.deleted, gone.deleted_by) == (False, True, cast.owner.name)
    assert (gone.may_edit, gone.may_delete, gone.text) == (False, False, "")
    page = cast.client(cast.agent).get(f"/live/c/{conversation.pk}/").content.decode()
    assert "This message was deleted by" in page
    assert "two" not in page
