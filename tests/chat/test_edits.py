"""What agents wrote, put right and taken back: who may, until when, what stays, and what each party reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat import actions, delivery
from chat.actions import Change
from chat.changes import as_now, saying
from chat.errors import (
    ChatError,
    MessageDeleted,
    NotAllowed,
    TextEmpty,
    TooLate,
    UnknownConversation,
    UnknownMessage,
)
from chat.models import Conversation, Episode, Message
from tenants.workspace.models import Seat
from tests.cast import Cast, Person
from tests.conftest import Tenants

NOTHING = UUID(int=7)


@pytest.fixture
def cast(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside():
        yield tenants.a


def held(cast: Cast) -> Conversation:
    """A visitor's question, and the agent who took it."""
    opened = actions.open_session(project=cast.project_key, token=None, language="en")
    draft = actions.Draft("How long may I keep a lamp?", uuid4())
    actions.post_as_visitor(conversation_id=opened.conversation_id, draft=draft)
    actions.claim_conversation(conversation_id=opened.conversation_id, seat=cast.agent.seat)
    return Conversation.objects.get(pk=opened.conversation_id)


def write(cast: Cast, conversation: Conversation, text: str, *, note: bool = False) -> int:
    draft = actions.Draft(text, uuid4(), note)
    return actions.post_as_seat(conversation_id=conversation.pk, seat_id=cast.agent.seat_id, draft=draft).seq


def edit(person: Person, conversation: Conversation, seq: int, text: str, client_id: UUID | None = None) -> actions.Ack:
    change = Change(seq, client_id)
    return actions.edit_message(conversation_id=conversation.pk, seat_id=person.seat_id, change=change, text=text)


def delete(person: Person, conversation: Conversation, seq: int, client_id: UUID | None = None) -> actions.Ack:
    change = Change(seq, client_id)
    return actions.delete_message(conversation_id=conversation.pk, seat_id=person.seat_id, change=change)


def read(conversation: Conversation, audience: Any, after: int = 0) -> list[dict[str, Any]]:
    conversation.refresh_from_db()
    return delivery.entries(conversation, audience=audience, after=after)


def shown(frames: list[dict[str, Any]]) -> dict[int, str]:
    """What a client shows in the end that knows no more than docs/protocol.md."""
    texts: dict[int, str] = {}
    for frame in frames:
        if frame["target"] is None:
            texts[frame["seq"]] = frame["text"]
        elif frame["target"] in texts and frame["event"] in ("edited", "deleted", "erased"):
            texts[frame["target"]] = frame["text"]
    return texts


def refused(error: type[ChatError], conversation: Conversation, deed: Any, *given: Any) -> None:
    """The deed raises, and not a row of the log is other than before."""
    log = Message.objects.filter(conversation=conversation)
    before = list(log.order_by("seq").values())
    with pytest.raises(error):
        deed(*given)
    assert list(log.order_by("seq").values()) == before


def test_an_edit_is_an_entry_of_its_own_and_the_row_keeps_its_first_words(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "Thirteen days.")
    ack = edit(cast.agent, conversation, seq, "Thirty days.")
    first, change = Message.objects.filter(conversation=conversation, seq__in=[seq, ack.seq]).order_by("seq")
    assert first.text == "Thirteen days."
    assert (change.kind, change.event, change.target, change.text) == ("event", "edited", seq, "Thirty days.")
    assert (change.sender, change.seat_id, change.internal) == ("agent", cast.agent.seat_id, False)
    assert ack.seq == seq + 1


def test_of_two_edits_the_later_one_counts_and_both_are_kept(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "one")
    edit(cast.agent, conversation, seq, "two")
    edit(cast.agent, conversation, seq, "three")
    changes = Message.objects.filter(conversation=conversation, target=seq).order_by("seq")
    assert list(changes.values_list("text", flat=True)) == ["two", "three"]
    assert as_now(Message.objects.filter(conversation=conversation, seq=seq)).get().now == "three"


@pytest.mark.parametrize("audience", ["visitor", "team"])
def test_whoever_comes_later_reads_no_word_that_was_taken_back(cast: Cast, audience: str) -> None:
    conversation = held(cast)
    seq, other = write(cast, conversation, "the neighbour's number is 555"), write(cast, conversation, "Bye")
    edit(cast.agent, conversation, seq, "still the number 555")
    edit(cast.agent, conversation, seq, "It is on its way.")
    delete(cast.agent, conversation, other)
    frames = read(conversation, audience)
    assert "555" not in str(frames)
    assert (shown(frames)[seq], shown(frames)[other]) == ("It is on its way.", "")
    assert [frame["prev"] for frame in frames] == [0, *(frame["seq"] for frame in frames[:-1])]


@pytest.mark.parametrize("most", [1, 2, 3, 5, 200])
def test_in_portions_of_any_size_the_words_are_those_of_now(
    cast: Cast, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = held(cast)
    seqs = [write(cast, conversation, text) for text in ("one", "two", "three")]
    for text in ("old", "older", "newest"):
        edit(cast.agent, conversation, seqs[0], text)
    delete(cast.agent, conversation, seqs[1])
    edit(cast.agent, conversation, seqs[2], "four")
    monkeypatch.setattr(delivery, "MOST_ENTRIES", most)
    rows = as_now(Message.objects.filter(conversation=conversation)).order_by("seq")
    frames: list[dict[str, Any]] = []
    while page := read(conversation, "team", frames[-1]["seq"] if frames else 0):
        assert len(page) <= most
        frames += page
    assert [(frame["seq"], frame["text"]) for frame in frames] == [(row.seq, row.now) for row in rows]
    assert [shown(frames)[seq] for seq in seqs] == ["newest", "", "four"]


def test_a_client_that_was_there_all_along_ends_with_the_same(cast: Cast) -> None:
    conversation = held(cast)
    frames: list[dict[str, Any]] = []
    seq = write(cast, conversation, "one")
    edits = partial(edit, cast.agent, conversation, seq, "two"), partial(delete, cast.agent, conversation, seq)
    for step in edits:
        frames += read(conversation, "visitor", frames[-1]["seq"] if frames else 0)
        assert shown(frames)[seq] in ("one", "two")
        step()
    frames += read(conversation, "visitor", frames[-1]["seq"])
    assert shown(frames) == shown(read(conversation, "visitor"))
    assert shown(frames)[seq] == ""


def test_a_change_of_a_note_is_the_teams_alone_and_no_hole_to_the_visitor(cast: Cast) -> None:
    conversation = held(cast)
    note, text = write(cast, conversation, "cracked batch", note=True), write(cast, conversation, "Hello")
    edited, gone = edit(cast.agent, conversation, note, "cracked"), delete(cast.agent, conversation, note)
    last = write(cast, conversation, "Bye")
    theirs = read(conversation, "visitor")
    assert not {note, edited.seq, gone.seq} & {frame["seq"] for frame in theirs}
    assert next(frame for frame in theirs if frame["seq"] == last)["prev"] == text
    assert [frame["event"] for frame in read(conversation, "team", text)] == ["edited", "deleted", ""]


def test_deleted_words_are_gone_from_the_first_to_the_last_edit(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "secret one")
    edit(cast.agent, conversation, seq, "secret two")
    ack = delete(cast.agent, conversation, seq)
    assert not Message.objects.filter(conversation=conversation, text__contains="secret").exists()
    entry = Message.objects.get(conversation=conversation, seq=ack.seq)
    assert (entry.event, entry.target, entry.sender_name) == ("deleted", seq, cast.agent.name)


def test_a_repeat_changes_nothing_and_gets_its_receipt(cast: Cast) -> None:
    conversation = held(cast)
    seq, edited, gone = write(cast, conversation, "one"), uuid4(), uuid4()
    first = edit(cast.agent, conversation, seq, "two", edited)
    assert edit(cast.agent, conversation, seq, "two") == first
    third = edit(cast.agent, conversation, seq, "three")
    assert edit(cast.agent, conversation, seq, "two", edited) == first
    away = delete(cast.agent, conversation, seq, gone)
    assert delete(cast.agent, conversation, seq, gone) == delete(cast.agent, conversation, seq) == away
    assert edit(cast.agent, conversation, seq, "two", edited) == first
    assert [first.seq, third.seq, away.seq] == [seq + 1, seq + 2, seq + 3]
    conversation.refresh_from_db()
    assert conversation.last_seq == seq + 3


def test_a_text_can_be_edited_for_a_quarter_of_an_hour_and_deleted_for_good(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "one")
    row = Message.objects.filter(conversation=conversation, seq=seq)
    row.update(created_at=timezone.now() - timedelta(minutes=14, seconds=50))
    edit(cast.agent, conversation, seq, "two")
    row.update(created_at=timezone.now() - timedelta(minutes=15))
    refused(TooLate, conversation, edit, cast.agent, conversation, seq, "three")
    row.update(created_at=timezone.now() - timedelta(days=400))
    delete(cast.agent, conversation, seq)


def test_what_was_deleted_stays_deleted(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "one")
    delete(cast.agent, conversation, seq)
    refused(MessageDeleted, conversation, edit, cast.agent, conversation, seq, "two")


def test_nobody_edits_anothers_words_and_those_who_lead_may_delete_them(cast: Cast) -> None:
    conversation = held(cast)
    seq, note = write(cast, conversation, "one"), write(cast, conversation, "two", note=True)
    for person in (cast.owner, cast.admin, cast.analyst):
        refused(NotAllowed, conversation, edit, person, conversation, seq, "mine now")
    refused(NotAllowed, conversation, delete, cast.analyst, conversation, seq)
    delete(cast.owner, conversation, seq)
    delete(cast.admin, conversation, note)
    entry = Message.objects.filter(conversation=conversation, target=seq).get()
    assert (entry.event, entry.seat_id) == ("deleted", cast.owner.seat_id)


def test_another_agent_deletes_nothing_of_a_colleague(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "one")
    Seat.objects.filter(pk=cast.admin.seat_id).update(role=Seat.Role.AGENT)
    refused(NotAllowed, conversation, delete, cast.admin, conversation, seq)


@pytest.mark.parametrize("deed", ["edit", "delete"])
def test_what_the_visitor_the_ai_and_events_say_stays(cast: Cast, deed: str) -> None:
    conversation = Conversation.objects.get(pk=cast.thread.conversation_id)
    given = ("mine now",) if deed == "edit" else ()
    for message in conversation.messages.exclude(sender="agent", kind__in=["text", "note"]):
        expected = UnknownMessage if message.kind == "event" else NotAllowed
        refused(expected, conversation, globals()[deed], cast.owner, conversation, message.seq, *given)
    refused(UnknownMessage, conversation, globals()[deed], cast.owner, conversation, 99, *given)
    assert {message.sender for message in conversation.messages.all()} >= {"visitor", "ai"}


def test_a_seat_without_the_project_and_a_seat_that_ended_find_nothing(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "one")
    with pytest.raises(UnknownConversation):
        actions.delete_message(conversation_id=NOTHING, seat_id=cast.owner.seat_id, change=Change(seq))
    Seat.objects.filter(pk=cast.agent.seat_id).update(is_active=False)
    refused(NotAllowed, conversation, edit, cast.agent, conversation, seq, "two")
    refused(NotAllowed, conversation, delete, cast.agent, conversation, seq)


@pytest.mark.parametrize("nothing", ["", "  \n", "\x00"])
def test_an_edit_to_nothing_is_no_deletion(cast: Cast, nothing: str) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "one")
    refused(TextEmpty, conversation, edit, cast.agent, conversation, seq, nothing)


def test_a_change_after_the_end_begins_nothing_anew_and_keeps_nothing_open(cast: Cast) -> None:
    conversation = held(cast)
    seq = write(cast, conversation, "one")
    actions.resolve_conversation(conversation_id=conversation.pk, seat=cast.agent.seat)
    episodes = Episode.objects.filter(conversation=conversation)
    before = list(episodes.values())
    edit(cast.agent, conversation, seq, "two")
    delete(cast.agent, conversation, seq)
    assert list(episodes.values()) == before
    conversation.refresh_from_db()
    assert conversation.owner == Conversation.Owner.NONE


def test_words_are_found_as_they_read_now(cast: Cast) -> None:
    conversation = held(cast)
    log = Message.objects.filter(conversation=conversation)
    seq, gone = write(cast, conversation, "a violet lamp"), write(cast, conversation, "a violet hub")
    edit(cast.agent, conversation, seq, "an orange lamp")
    delete(cast.agent, conversation, gone)
    assert not saying(log, "violet").exists()
    assert [one.target for one in saying(log, "orange")] == [seq]
    edit(cast.agent, conversation, seq, "a violet lamp after all")
    assert [one.target for one in saying(log, "violet")] == [seq]
    assert not saying(log, "orange").exists()


def test_the_database_takes_no_change_of_what_is_not_there_yet(cast: Cast) -> None:
    conversation = held(cast)
    row = Message.objects.filter(conversation=conversation).order_by("-seq")[0]
    for wrong in ({"kind": "event", "target": row.seq}, {"kind": "text", "target": row.seq - 1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Message.objects.filter(pk=row.pk).update(**wrong)


def test_edits_and_a_deletion_at_once_leave_one_order_that_all_read(fresh_tenant: Cast) -> None:
    cast = fresh_tenant
    conversation = cast.run(held, cast)
    seq = cast.run(write, cast, conversation, "one")
    gate, problems = threading.Barrier(5), []

    def change(number: int) -> None:
        gate.wait()
        try:
            if number:
                cast.run(edit, cast.agent, conversation, seq, f"edit {number}")
            else:
                cast.run(delete, cast.owner, conversation, seq)
        except MessageDeleted as error:
            problems.append(error)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = cast.run(lambda: list(Message.objects.filter(conversation=conversation).order_by("seq").values()))
    changes = [row for row in log if row["target"] == seq]
    assert [row["seq"] for row in log] == list(range(1, len(log) + 1))
    assert (changes[-1]["event"], [row["text"] for row in changes]) == ("deleted", [""] * len(changes))
    assert len(changes) + len(problems) == 5
    assert cast.run(lambda: shown(read(conversation, "visitor")))[seq] == ""
