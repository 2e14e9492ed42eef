"""Edits and deletions between Live Support and Slack: each once, in its place, in order, and nobody's but one's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chat import actions as chat
from chat.changes import as_now
from chat.models import Attachment, Message
from livesupport import actions as live
from tenants.workspace.models import OutboxEntry, Seat
from tests.cast import PNG
from tests.fakes.slack_server import SlackFault
from tests.livesupport.slack.conftest import CHANNEL, Desk, deliver, hear, signed
from tests.livesupport.slack.test_delivery import words


def write(desk: Desk, text: str, *, note: bool = False) -> int:
    draft = chat.Draft(text, uuid4(), note)
    seat_id = desk.cast.agent.seat_id
    return chat.post_as_seat(conversation_id=desk.conversation.pk, seat_id=seat_id, draft=draft).seq


def change(desk: Desk, seq: int, text: str = "") -> None:
    given: dict[str, Any] = {"conversation_id": desk.conversation.pk, "seat_id": desk.cast.agent.seat_id}
    given["change"] = chat.Change(seq)
    chat.edit_message(**given, text=text) if text else chat.delete_message(**given)


def claim(desk: Desk) -> None:
    live.claim(seat=desk.cast.agent.seat, conversation_id=desk.conversation.pk)


def now(desk: Desk, *, kind: str = "text") -> list[str]:
    """What the agents' texts read now."""
    rows = Message.objects.filter(conversation=desk.conversation, sender="agent", kind=kind)
    return [row.now for row in as_now(rows).order_by("seq")]


def said_ts(desk: Desk) -> str:
    """The newest words of a person in the thread."""
    return str([message for message in desk.in_slack() if message["user"] != desk.fake.bot_user][-1]["ts"])


def hear_change(desk: Desk, event: dict[str, Any]) -> dict[str, Any]:
    body = desk.fake.event(event, CHANNEL)
    assert hear(body).status_code == 200
    return body


def test_an_edit_here_replaces_what_the_thread_shows_and_a_deletion_empties_it(desk: Desk) -> None:
    claim(desk)
    first, second = write(desk, "Thirteen days."), write(desk, "Bye")
    deliver()
    before = [message["ts"] for message in desk.in_slack()]
    change(desk, first, "Thirty <days>.")
    change(desk, second)
    deliver()
    shown = desk.in_slack()
    assert [message["ts"] for message in shown] == before
    assert "Thirty &lt;days&gt;." in shown[-2]["text"]
    assert "edited" in words(shown[-2]["blocks"])
    assert "Thirteen" not in str(shown)
    assert words(shown[-1]["blocks"]).endswith("_This message was deleted._")
    assert not desk.fake.calls_of("conversations.replies")
    assert not OutboxEntry.objects.exclude(state="sent").filter(kind__startswith="slack.").exists()


def test_a_change_before_the_words_left_is_all_that_slack_ever_sees(desk: Desk) -> None:
    claim(desk)
    deliver()
    count = len(desk.in_slack())
    first, second = write(desk, "wrong visitor"), write(desk, "wrong number")
    change(desk, first)
    change(desk, second, "right number")
    deliver()
    assert "wrong" not in str(desk.fake.messages)
    assert [message["text"].split(": ")[1] for message in desk.in_slack()[count:]] == ["right number"]


def test_a_change_that_slack_refuses_for_now_comes_later_and_in_order(desk: Desk) -> None:
    claim(desk)
    seq = write(desk, "one")
    deliver()
    desk.fake.fail("chat.update", SlackFault(status=500), SlackFault(status=429, retry_after_seconds=1))
    change(desk, seq, "two")
    write(desk, "after it")
    for _ in range(4):
        deliver()
    assert [message["text"].split(": ")[1] for message in desk.in_slack()[-2:]] == ["two", "after it"]


def test_a_reply_whose_place_was_not_noted_is_looked_for(desk: Desk) -> None:
    claim(desk)
    seq = write(desk, "one")
    deliver()
    OutboxEntry.objects.filter(kind="slack.reply").delete()  # as after their time in the outbox
    change(desk, seq, "two")
    deliver()
    assert desk.in_slack()[-1]["text"].endswith(": two")
    assert len(desk.fake.calls_of("conversations.replies")) == 1


def test_words_in_the_first_message_are_changed_there(desk: Desk) -> None:
    parent = desk.fake.messages[CHANNEL][0]
    claim(desk)
    seq = write(desk, "a secret")
    desk.thread.transcript_seq = seq
    desk.thread.save(update_fields=["transcript_seq"])
    deliver()
    assert "a secret" in words(parent["blocks"])
    change(desk, seq)
    deliver()
    assert "a secret" not in words(parent["blocks"])


def test_notes_and_their_changes_stay_here(desk: Desk) -> None:
    claim(desk)
    seq = write(desk, "between us", note=True)
    deliver()
    change(desk, seq, "still between us")
    change(desk, seq)
    assert not OutboxEntry.objects.filter(kind="slack.change").exists()


def test_what_was_written_in_slack_and_changed_here_is_told_in_the_thread(desk: Desk) -> None:
    desk.fake.users["U0ANA"]["email"] = desk.cast.agent.email
    desk.reply("Thirteen days.")
    seq = Message.objects.get(conversation=desk.conversation, text="Thirteen days.").seq
    change(desk, seq, "Thirty days.")
    deliver()
    deliver()
    told = desk.in_slack()[-1]
    assert "edited a message in Live Support" in words(told["blocks"])
    assert "Thirty days." in words(told["blocks"])
    change(desk, seq)
    deliver()
    assert "deleted a message in Live Support" in desk.in_slack()[-1]["text"]
    assert sum("in Live Support" in words(message["blocks"]) for message in desk.in_slack() if "blocks" in message) == 2


def test_an_edit_in_the_thread_reaches_the_visitor_once(desk: Desk) -> None:
    desk.reply("Thirteen days.")
    body = hear_change(desk, desk.fake.edit(CHANNEL, said_ts(desk), "Thirty days &amp; no more."))
    assert now(desk) == ["Thirty days & no more."]
    signed(body)
    again = desk.fake.event(body["event"], CHANNEL)
    assert hear(again).status_code == 200
    changes = Message.objects.filter(conversation=desk.conversation, event="edited")
    assert [(one.data, one.sender_name) for one in changes] == [({"via": "slack"}, "Ana Ruiz")]
    deliver()
    assert not OutboxEntry.objects.filter(kind="slack.change").exists()


def test_a_deletion_in_the_thread_takes_the_words_from_the_visitor(desk: Desk) -> None:
    desk.reply("wrong thread")
    event = desk.fake.delete(CHANNEL, said_ts(desk))
    hear_change(desk, event)
    hear_change(desk, event)
    assert now(desk) == [""]
    assert Message.objects.filter(conversation=desk.conversation, event="deleted").count() == 1


def test_the_preview_of_a_link_is_no_edit(desk: Desk) -> None:
    desk.reply("See https://help.example/returns")
    hear_change(desk, desk.fake.edit(CHANNEL, said_ts(desk), "See <https://help.example/returns> now", by_person=False))
    assert now(desk) == ["See https://help.example/returns"]
    assert not Message.objects.filter(conversation=desk.conversation, target__isnull=False).exists()


def test_a_file_that_was_taken_back_is_named_no_more(desk: Desk) -> None:
    upload = chat.Upload("passport.png", PNG, uuid4())
    chat.send_file_as_visitor(conversation_id=desk.conversation.pk, upload=upload)
    deliver()
    assert "passport" in desk.in_slack()[-1]["text"]
    chat.remove_attachment(attachment_id=Attachment.objects.get(message__conversation=desk.conversation).pk)
    deliver()
    assert "passport" not in str(desk.in_slack())
    assert "This message was deleted." in desk.in_slack()[-1]["text"]


def test_our_own_changes_are_not_heard(desk: Desk) -> None:
    claim(desk)
    seq = write(desk, "one")
    deliver()
    change(desk, seq, "two")
    deliver()
    ours = desk.in_slack()[-1]
    last = Message.objects.filter(conversation=desk.conversation).count()
    hear_change(desk, desk.fake.edit(CHANNEL, ours["ts"], "two"))
    assert Message.objects.filter(conversation=desk.conversation).count() == last


def test_a_long_answer_may_get_shorter_and_not_longer(desk: Desk) -> None:
    desk.reply("long " * 1500)
    assert len(now(desk)) == 2
    hear_change(desk, desk.fake.edit(CHANNEL, said_ts(desk), "long " * 3000))
    assert [len(text) > 1000 for text in now(desk)] == [True, True]
    hear_change(desk, desk.fake.edit(CHANNEL, said_ts(desk), "short"))
    assert now(desk) == ["short", ""]
    deliver()
    assert [told["text"].count("Your edit did not reach the visitor.") for told in desk.fake.ephemeral] == [1]


def test_a_note_stays_a_note_and_an_answer_an_answer(desk: Desk) -> None:
    desk.reply("note: a regular")
    hear_change(desk, desk.fake.edit(CHANNEL, said_ts(desk), "a regular, and kind"))
    assert now(desk, kind="note") == ["a regular, and kind"]
    edited = Message.objects.get(conversation=desk.conversation, event="edited")
    assert edited.internal
    desk.reply("Hello")
    hear_change(desk, desk.fake.edit(CHANNEL, said_ts(desk), "note: hello"))
    assert now(desk) == ["Hello"]
    deliver()
    assert "cannot become a note" in desk.fake.ephemeral[-1]["text"]


def test_an_edit_that_comes_too_late_changes_nothing_and_says_so(desk: Desk) -> None:
    desk.reply("Hello")
    rows = Message.objects.filter(conversation=desk.conversation, sender="agent")
    rows.update(created_at=timezone.now() - timedelta(minutes=16))
    hear_change(desk, desk.fake.edit(CHANNEL, said_ts(desk), "Goodbye"))
    assert now(desk) == ["Hello"]
    deliver()
    assert "15 minutes" in desk.fake.ephemeral[-1]["text"]


def test_words_that_never_came_come_with_their_edit_and_no_second_time(desk: Desk) -> None:
    said = desk.fake.say(CHANNEL, "Helo", user="U0ANA", thread_ts=desk.thread.ts)
    late = desk.fake.event(dict(said), CHANNEL)
    hear_change(desk, desk.fake.edit(CHANNEL, said["ts"], "Hello"))
    assert hear(late).status_code == 200
    assert desk.texts() == ["Hello"]


@pytest.mark.parametrize("kind", ["tombstone", "channel_join"])
def test_other_changes_of_messages_concern_nobody(desk: Desk, kind: str) -> None:
    desk.reply("Hello")
    event = desk.fake.edit(CHANNEL, said_ts(desk), "gone")
    event["message"]["subtype"] = kind
    hear_change(desk, event)
    assert now(desk) == ["Hello"]


def test_a_seat_that_was_switched_off_changes_nothing_from_slack(desk: Desk) -> None:
    desk.reply("Hello")
    Seat.objects.filter(name="Ana Ruiz").update(is_active=False)
    hear_change(desk, desk.fake.delete(CHANNEL, said_ts(desk)))
    assert now(desk) == ["Hello"]
    deliver()
    assert "The visitor still sees it." in desk.fake.ephemeral[-1]["text"]
