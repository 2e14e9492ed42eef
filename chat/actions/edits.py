"""What agents wrote is put right, or taken back: by a new entry that names the old one (docs/adr/0025)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat.actions.messages import Ack, repeat_of
from chat.changes import DELETED, EDITED, now_of
from chat.errors import MessageDeleted, NotAllowed, TooLate
from chat.log import Author, Entry, append, clean_text, lock
from chat.models import Conversation, Message
from chat.policies import get_message_for, get_seat, is_editable_at, may_delete, may_edit
from tenants.workspace.models import Seat


@dataclass(frozen=True)
class Change:
    """Of the entry `seq`. `via` says where it was made, if not here: `slack`."""

    seq: int
    client_id: UUID | None = None
    via: str = ""


def edit_message(*, conversation_id: UUID | str, seat_id: int, change: Change, text: str) -> Ack:
    """Give an own text or note of the last 15 minutes new words. Of two at once the later one counts, and both are
    kept. Words that are there already, or a repeated client_id, change nothing and get the receipt that they have.

    Raises TextEmpty, TextTooLong, TooLate, MessageDeleted, NotAllowed, UnknownMessage, UnknownConversation.
    """
    words = clean_text(text)
    with transaction.atomic():
        conversation, seat, message = _locked(conversation_id, seat_id, change.seq)
        stored = repeat_of(conversation, Author.of_seat(seat), change.client_id)
        if stored is None:
            if not may_edit(seat, message):
                raise NotAllowed
            current = now_of(message)
            if current.change == DELETED:
                raise MessageDeleted
            if current.now == words:
                return Ack.of(_newest_change(message) or message)
            if not is_editable_at(message, timezone.now()):
                raise TooLate
            stored = _append(conversation, seat, message, change=change, text=words)
        return Ack.of(stored)


def delete_message(*, conversation_id: UUID | str, seat_id: int, change: Change) -> Ack:
    """Take a text or note of the team back, at any time: nobody reads it any more, and that it was there stays. A
    repeat changes nothing and gets the first receipt. Raises NotAllowed, UnknownMessage, UnknownConversation."""
    with transaction.atomic():
        conversation, seat, message = _locked(conversation_id, seat_id, change.seq)
        stored = repeat_of(conversation, Author.of_seat(seat), change.client_id)
        if stored is None:
            if not may_delete(seat, message):
                raise NotAllowed
            newest = _newest_change(message)
            stored = newest if newest is not None and newest.event == DELETED else None
        if stored is None:
            _blank(message)
            stored = _append(conversation, seat, message, change=change)
        return Ack.of(stored)


def _locked(conversation_id: UUID | str, seat_id: int, seq: int) -> tuple[Conversation, Seat, Message]:
    """The conversation, its row locked, and what the seat may see of it."""
    conversation = lock(conversation_id)
    seat = get_seat(seat_id)
    return conversation, seat, get_message_for(seat, conversation.pk, seq)


def _newest_change(message: Message) -> Message | None:
    changes = Message.objects.filter(conversation=message.conversation_id, target=message.seq)
    return changes.order_by("-seq").first()


def _blank(message: Message) -> None:
    """What is deleted is gone, from the first words to the last edit."""
    Message.objects.filter(pk=message.pk).update(text="")
    Message.objects.filter(conversation=message.conversation_id, target=message.seq).update(text="")


def _append(conversation: Conversation, seat: Seat, message: Message, *, change: Change, text: str = "") -> Message:
    entry = Entry(
        text=text,
        kind=Message.Kind.EVENT,
        event=EDITED if text else DELETED,
        data={"via": change.via} if change.via else {},
        internal=message.internal,
        target=message.seq,
        client_id=change.client_id,
    )
    # It belongs to what it changes: no episode begins by it, and none goes on for longer.
    return append(conversation, Author.of_seat(seat), entry, episode=message.episode)
