"""Words join the log: from visitors, from agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from chat.actions.episodes import judge
from chat.actions.ownership import hand_over, open_handoff
from chat.actions.turns import queue_turn
from chat.errors import BadFrame, EmailInvalid, NotAllowed, NotHolder
from chat.events import ContactLeft, VisitorHeard
from chat.judgement.decision import keyword_reason
from chat.judgement.lexicon import tokens
from chat.judgement.request import Ask, find_ask
from chat.judgement.rules import Rules
from chat.judgement.topics import first_word
from chat.log import SYSTEM, VISITOR, Author, Entry, append, clean_text, current_episode, lock
from chat.models import Conversation, Episode, Handoff, Message
from chat.policies import get_conversation_for, get_seat, may_talk
from tenants.events import publish


@dataclass(frozen=True)
class Draft:
    """A text to post. `note` keeps it among the team; `via` says where it was written, if not here: `slack`."""

    text: str
    client_id: UUID | None = None
    note: bool = False
    via: str = ""


@dataclass(frozen=True)
class Ack:
    """That a text is stored: its place in the log and the time, ISO 8601."""

    client_id: str | None
    seq: int
    at: str

    @classmethod
    def of(cls, message: Message) -> Ack:
        """The receipt of a stored message."""
        return cls(str(message.client_id) if message.client_id else None, message.seq, message.created_at.isoformat())


def post_messages(*, conversation_id: UUID | str, author: Author, drafts: Sequence[Draft]) -> list[Ack]:
    """Store texts in order; a repeated client_id gets its first receipt again.

    A visitor's text that asks for a person hands over in the same transaction; any other, while the AI
    speaks, queues a turn. Raises TextEmpty, TextTooLong, NotHolder, UnknownConversation, NotAllowed.
    """
    texts = [clean_text(draft.text) for draft in drafts]
    asks = [find_ask(text) if author == VISITOR else None for text in texts]
    with transaction.atomic():
        conversation = lock(conversation_id)
        acks = []
        for draft, text, ask in zip(drafts, texts, asks, strict=True):
            stored = repeat_of(conversation, author, draft.client_id)
            if stored is None:
                check_may_write(conversation, author, note=draft.note)
                stored = _store(conversation, author, draft, text)
                _react(conversation, stored, ask)
            acks.append(Ack.of(stored))
    return acks


def post_as_visitor(*, conversation_id: UUID | str, draft: Draft) -> Ack:
    """One text of the conversation's visitor. Raises as `post_messages` does."""
    return post_messages(conversation_id=conversation_id, author=VISITOR, drafts=[draft])[0]


def post_as_seat(*, conversation_id: UUID | str, seat_id: int, draft: Draft) -> Ack:
    """One text of an agent. Raises as `post_messages` does."""
    author = Author.of_seat(get_seat(seat_id))
    return post_messages(conversation_id=conversation_id, author=author, drafts=[draft])[0]


def repeat_of(conversation: Conversation, author: Author, client_id: UUID | None) -> Message | None:
    """What the author stored under this client id before, if anything."""
    if client_id is None:
        return None
    return Message.objects.filter(conversation=conversation, sender_key=author.key, client_id=client_id).first()


def check_may_write(conversation: Conversation, author: Author, *, note: bool = False) -> None:
    """A visitor always may; a seat that holds the conversation may, and for a `note` any that talks. Raises NotAllowed,
    NotHolder, UnknownConversation."""
    if author == VISITOR:
        return
    seat = get_seat(author.seat_id or 0)
    get_conversation_for(seat, conversation.pk)
    if not may_talk(seat):
        raise NotAllowed
    holds = conversation.owner == Conversation.Owner.AGENT and conversation.holder_id == seat.pk
    if not note and not holds:
        raise NotHolder


def _store(conversation: Conversation, author: Author, draft: Draft, text: str) -> Message:
    kind = Message.Kind.NOTE if draft.note else Message.Kind.TEXT
    data = {"via": draft.via} if draft.via else {}
    entry = Entry(text=text, kind=kind, internal=draft.note, client_id=draft.client_id, data=data)
    # A note after the end stays with what ended: among the team, nothing begins anew.
    episode = _last_episode(conversation) if draft.note else None
    message = append(conversation, author, entry, episode=episode)
    if author.sender == Message.Sender.AGENT and not draft.note:
        note_first_reply(message)
    return message


def _last_episode(conversation: Conversation) -> Episode | None:
    """The open episode, or else the last one that ended."""
    return Episode.objects.filter(conversation=conversation).order_by("-number").first()


def note_first_reply(message: Message) -> None:
    """The claimed handoff, if there is one, is answered from now on."""
    Handoff.objects.filter(
        episode=message.episode_id, state=Handoff.State.CLAIMED, first_reply_at__isnull=True
    ).update(first_reply_at=message.created_at)


def _react(conversation: Conversation, message: Message, ask: Ask | None) -> None:
    """A visitor's text calls people, or is answered, or goes to the people who have the conversation."""
    if message.sender != Message.Sender.VISITOR:
        return
    with_ai = conversation.owner == Conversation.Owner.AI and not _call_people(conversation, message, ask)
    if not with_ai or queue_turn(conversation, message) is None:
        publish(VisitorHeard(message.pk))


def _call_people(conversation: Conversation, message: Message, ask: Ask | None) -> bool:
    """Hand over at once if the text asks for a person, in words of any language or in one of the project's own."""
    rules = Rules.of(conversation.project)
    if ask is not None and rules.request_enabled:
        reason = "Wrote: “" + ask.words[:120] + "”"
        language = ask.language(conversation.language or conversation.project.language)
        hand_over(conversation, Handoff.Trigger.REQUEST, reason=reason, question=message.text, language=language)
        return True
    word = first_word(tokens(message.text), rules.person_words) if rules.person_words else None
    if word is not None:
        hand_over(conversation, Handoff.Trigger.KEYWORD, reason=keyword_reason(word), question=message.text)
    return word is not None


def request_human(*, conversation_id: UUID | str, client_id: UUID | None = None) -> Ack | None:
    """The visitor pressed *Talk to a human*. Repeating it, or pressing it while a person is there, does nothing
    more. Returns the receipt of the log entry, or None when somebody was already called."""
    with transaction.atomic():
        conversation = lock(conversation_id)
        stored = repeat_of(conversation, SYSTEM, client_id)
        if stored is None and conversation.owner in (Conversation.Owner.AI, Conversation.Owner.NONE):
            current_episode(conversation)
            asked = conversation.messages.filter(sender=Message.Sender.VISITOR).order_by("-seq").first()
            stored = hand_over(
                conversation,
                Handoff.Trigger.BUTTON,
                reason="Pressed “Talk to a human”",
                question=asked.text if asked else "",
                client_id=client_id,
            )
        return Ack.of(stored) if stored else None


def leave_contact(*, conversation_id: UUID | str, email: str, name: str = "", client_id: UUID | None = None) -> Ack:
    """Keep an address to be written to. Raises EmailInvalid."""
    address = email.strip()
    try:
        validate_email(address)
    except ValidationError as error:
        raise EmailInvalid from error
    with transaction.atomic():
        conversation = lock(conversation_id)
        stored = repeat_of(conversation, VISITOR, client_id)
        if stored is None:
            visitor = conversation.visitor
            if not visitor.is_verified:
                visitor.email, visitor.name = address, name.strip()[:120] or visitor.name
                visitor.save(update_fields=["email", "name"])
            data = {"name": visitor.name, "email": address}
            entry = Entry(kind=Message.Kind.EVENT, event="contact_left", data=data, client_id=client_id)
            stored = append(conversation, VISITOR, entry)
            handoff = open_handoff(current_episode(conversation))
            question = handoff.question if handoff else _asked_about(conversation)
            publish(ContactLeft(str(conversation.pk), visitor.name, address, question))
    return Ack.of(stored)


def _asked_about(conversation: Conversation) -> str:
    """The visitor's words after which an address was asked for, if it was."""
    asked = conversation.messages.filter(event="contact_asked").order_by("-seq").first()
    texts = conversation.messages.filter(sender=Message.Sender.VISITOR, kind=Message.Kind.TEXT)
    before = texts.filter(seq__lt=asked.seq).order_by("-seq").first() if asked else None
    return before.text if before else ""


def rate_episode(*, conversation_id: UUID | str, score: int, comment: str = "", client_id: UUID | None = None) -> Ack:
    """The visitor's 1..5 for the open episode, or else the last ended one; a later rating replaces it. How an
    episode ended that nobody ended is judged again."""
    if not 1 <= score <= 5:
        raise BadFrame("A rating is 1 to 5.")
    with transaction.atomic():
        conversation = lock(conversation_id)
        stored = repeat_of(conversation, VISITOR, client_id)
        if stored is None:
            episode = _last_episode(conversation)
            if episode is None:
                raise BadFrame("There is nothing to rate yet.")
            episode.rating, episode.rating_comment = score, comment.strip()[:1000]
            if episode.ended_at and episode.outcome != Episode.Outcome.PEOPLE:
                episode.outcome = judge(episode, conversation.project.mood_threshold)
            episode.save(update_fields=["rating", "rating_comment", "outcome"])
            data = {"score": score, "comment": episode.rating_comment}
            entry = Entry(kind=Message.Kind.EVENT, event="rated", data=data, client_id=client_id)
            stored = append(conversation, VISITOR, entry, episode=episode)
    return Ack.of(stored)


def note_seen(*, conversation_id: UUID | str, seq: int, by_team: bool) -> None:
    """Move a party's read cursor forward, never back and never past the log's end."""
    field = "team_seen_seq" if by_team else "visitor_seen_seq"
    rows = Conversation.objects.filter(pk=conversation_id, last_seq__gte=seq, **{f"{field}__lt": seq})
    rows.update(**{field: seq})
