"""Who may see and do what in a conversation. Pure predicates, and the only ways from an outside id to a row."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from chat.errors import NotAllowed, NotSignedIn, UnknownAttachment, UnknownConversation, UnknownMessage
from chat.models import Attachment, Conversation, ConversationQuerySet, Episode, Message
from tenants.workspace.models import Seat
from tenants.workspace.policies import of_projects

TALKING_ROLES = frozenset({Seat.Role.OWNER, Seat.Role.ADMIN, Seat.Role.AGENT})
DELETING_ROLES = frozenset({Seat.Role.OWNER, Seat.Role.ADMIN})  # what others of the team wrote
EDITABLE = timedelta(minutes=15)


def is_active(seat: Seat) -> bool:
    """Whether the seat still counts: switched on, and not past its end."""
    return seat.is_active and (seat.expires_at is None or seat.expires_at > timezone.now())


def may_talk(seat: Seat) -> bool:
    """Whether the seat may claim and answer conversations at all."""
    return is_active(seat) and seat.role in TALKING_ROLES


def may_claim(seat: Seat, conversation: Conversation) -> bool:
    """A rehearsal seat claims test conversations only; everyone else may claim anything they see."""
    return may_talk(seat) and (not seat.is_rehearsal or conversation.is_test)


def holds(seat: Seat, conversation: Conversation) -> bool:
    """Whether the seat is the one who speaks to the visitor now."""
    return may_talk(seat) and conversation.owner == Conversation.Owner.AGENT and conversation.holder_id == seat.pk


def may_edit(seat: Seat, message: Message) -> bool:
    """Own texts and notes alone: nobody puts words into another's mouth."""
    return may_talk(seat) and _is_team_text(message) and message.seat_id == seat.pk


def is_editable_at(message: Message, now: datetime) -> bool:
    """Whether a text may still get new words; later, an answer would not fit what it answered."""
    return now - message.created_at < EDITABLE


def may_delete(seat: Seat, message: Message) -> bool:
    """Own texts and notes; owners and admins also their colleagues'. What visitors and the AI wrote stays."""
    mine = message.seat_id == seat.pk
    return may_talk(seat) and _is_team_text(message) and (mine or seat.role in DELETING_ROLES)


def _is_team_text(message: Message) -> bool:
    return message.sender == Message.Sender.AGENT and message.kind in (Message.Kind.TEXT, Message.Kind.NOTE)


def visible_conversations(seat: Seat) -> ConversationQuerySet:
    """The conversations a seat may see: of its projects in which somebody wrote; for a
    rehearsal seat the tests alone."""
    shown = Conversation.objects.filter(Exists(Episode.objects.filter(conversation=OuterRef("pk"))))
    if seat.is_rehearsal:
        shown = shown.filter(is_test=True)
    return shown.filter(of_projects(seat, "project"))


def get_conversation_for(seat: Seat, conversation_id: UUID | str) -> Conversation:
    """The conversation, with project and visitor. Raises UnknownConversation when there is none or it is not
    the seat's to see, NotAllowed when the seat no longer counts."""
    if not is_active(seat):
        raise NotAllowed
    found = (
        visible_conversations(seat).filter(pk=_uuid(conversation_id)).select_related("project", "visitor", "holder")
    ).first()
    if found is None:
        raise UnknownConversation
    return found


def get_message_for(seat: Seat, conversation_id: UUID | str, seq: int) -> Message:
    """What somebody said in a conversation that the seat may see: no event. Raises UnknownMessage,
    UnknownConversation, NotAllowed."""
    conversation = get_conversation_for(seat, conversation_id)
    said = Message.objects.filter(conversation=conversation, seq=seq).exclude(kind=Message.Kind.EVENT)
    found = said.select_related("episode").first()
    if found is None:
        raise UnknownMessage
    return found


def token_hash(token: str) -> str:
    """What is stored of a visitor's token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def get_conversation_of(token: str) -> Conversation:
    """The one conversation of the visitor who holds a token. Raises NotSignedIn."""
    known = Conversation.objects.filter(visitor__token_hash=token_hash(token))
    found = known.select_related("project", "visitor").first()
    if found is None or not token:
        raise NotSignedIn
    return found


def get_attachment_of(token: str, attachment_id: UUID) -> Attachment:
    """A file in the conversation of the visitor who holds a token. Raises NotSignedIn, UnknownAttachment."""
    return _attachment_in(get_conversation_of(token), attachment_id)


def get_attachment_for(seat: Seat, attachment_id: UUID) -> Attachment:
    """A file in a conversation that the seat may see. Raises UnknownAttachment, NotAllowed."""
    row = Attachment.objects.select_related("message").filter(pk=attachment_id).first()
    try:
        conversation = get_conversation_for(seat, row.message.conversation_id if row else UUID(int=0))
    except UnknownConversation as error:
        raise UnknownAttachment from error
    return _attachment_in(conversation, attachment_id)


def _attachment_in(conversation: Conversation, attachment_id: UUID) -> Attachment:
    found = Attachment.objects.filter(pk=attachment_id, message__conversation=conversation).first()
    if found is None:
        raise UnknownAttachment
    return found


def get_seat(seat_id: int) -> Seat:
    """The active seat with this id. Raises NotAllowed otherwise."""
    seat = Seat.objects.filter(pk=seat_id).first()
    if seat is None or not is_active(seat):
        raise NotAllowed
    return seat


def _uuid(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except (ValueError, AttributeError, TypeError) as error:
        raise UnknownConversation from error
