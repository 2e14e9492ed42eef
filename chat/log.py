"""The one place that adds to a conversation's log, and who may be its author. Used by actions alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from chat.errors import TextEmpty, TextTooLong, UnknownConversation
from chat.events import MessagePosted
from chat.models import Conversation, Episode, Message
from tenants import due
from tenants.events import publish
from tenants.workspace.models import Seat

LONGEST_TEXT = 4000
IDLE = timedelta(minutes=30)  # an episode that the AI has to itself ends after so long a silence


@dataclass(frozen=True)
class Author:
    """Who speaks. `key` names one sender within a conversation: client ids are unique per key."""

    sender: str
    key: str
    name: str = ""
    seat_id: int | None = None

    @classmethod
    def of_seat(cls, seat: Seat) -> Author:
        """An agent."""
        return cls(Message.Sender.AGENT, f"seat:{seat.pk}", seat.name, seat.pk)


VISITOR = Author(Message.Sender.VISITOR, "visitor")
AI = Author(Message.Sender.AI, "ai")
SYSTEM = Author(Message.Sender.SYSTEM, "system")


@dataclass(frozen=True)
class Entry:
    """What to append. Defaults make a plain text."""

    text: str = ""
    kind: str = Message.Kind.TEXT
    event: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    internal: bool = False
    target: int | None = None
    client_id: UUID | None = None


def clean_text(text: str) -> str:
    """The text as it may be stored: no NUL, no lone surrogates, no blank ends. Raises TextEmpty, TextTooLong."""
    kept = text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8").strip()
    if not kept:
        raise TextEmpty
    if len(kept) > LONGEST_TEXT:
        raise TextTooLong
    return kept


def lock(conversation_id: UUID | str) -> Conversation:
    """The conversation, its row locked until the transaction ends. Every write to a log begins here.

    `holder` is not joined: after a wait for the lock, the join would still show who held it before.
    """
    row = (
        Conversation.objects.select_for_update(of=("self",))
        .select_related("project", "visitor")
        .filter(pk=conversation_id)
        .first()
    )
    if row is None:
        raise UnknownConversation
    return row


def current_episode(conversation: Conversation) -> Episode:
    """The open episode; a new one begins when there is none, and the AI speaks in it. Needs the lock."""
    episode = Episode.objects.filter(conversation=conversation, ended_at__isnull=True).first()
    if episode is None:
        number = Episode.objects.filter(conversation=conversation).count() + 1
        episode = Episode.objects.create(conversation=conversation, number=number)
        if conversation.owner == Conversation.Owner.NONE:
            conversation.owner = Conversation.Owner.AI
            conversation.epoch += 1
            conversation.save(update_fields=["owner", "epoch"])
    return episode


def append(conversation: Conversation, author: Author, entry: Entry, *, episode: Episode | None = None) -> Message:
    """Add one entry with the next seq and publish MessagePosted. Needs the conversation's lock.

    With the AI, the conversation may have to end by itself: that is noted, however it came there."""
    episode = episode or current_episode(conversation)
    now = timezone.now()
    conversation.last_seq += 1
    conversation.updated_at = now
    conversation.save(update_fields=["last_seq", "updated_at"])
    message = Message.objects.create(
        conversation=conversation,
        episode=episode,
        seq=conversation.last_seq,
        kind=entry.kind,
        sender=author.sender,
        seat_id=author.seat_id,
        sender_key=author.key,
        sender_name=author.name,
        text=entry.text,
        event=entry.event,
        data=entry.data,
        internal=entry.internal,
        target=entry.target,
        client_id=entry.client_id,
        created_at=now,
    )
    if author.sender != Message.Sender.SYSTEM and entry.target is None:
        episode.last_message_at = now
        episode.save(update_fields=["last_message_at"])
    for_team = entry.kind == Message.Kind.EVENT or conversation.owner != Conversation.Owner.AI
    publish(MessagePosted(str(conversation.pk), message.seq, for_team))
    if conversation.owner == Conversation.Owner.AI:
        due.note("episodes", now + IDLE)
    return message
