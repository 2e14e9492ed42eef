"""Pictures and PDFs join the log, and leave it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat import attachments, sentences
from chat.actions.messages import Ack, check_may_write, note_first_reply, repeat_of
from chat.attachments import Checked, Upload
from chat.errors import TooManyFiles, UnknownAttachment, UnknownConversation
from chat.log import AI, SYSTEM, VISITOR, Author, Entry, append, lock
from chat.models import Attachment, Conversation, Message
from chat.policies import get_seat

MOST_AN_HOUR = 10
HOUR = timedelta(hours=1)


def send_file_as_visitor(*, conversation_id: UUID | str, upload: Upload) -> Ack:
    """One file of the conversation's visitor. Raises as `send_file` does."""
    return send_file(conversation_id=conversation_id, author=VISITOR, upload=upload)


def send_file_as_seat(*, conversation_id: UUID | str, seat_id: int, upload: Upload) -> Ack:
    """One file of an agent, who must hold the conversation. Raises as `send_file` does."""
    author = Author.of_seat(get_seat(seat_id))
    return send_file(conversation_id=conversation_id, author=author, upload=upload)


def send_file(*, conversation_id: UUID | str, author: Author, upload: Upload) -> Ack:
    """Check, keep and post one file; a repeated client_id gets its first receipt again.

    Looking into a file takes seconds, so it happens before the lock, and only for those who may send at all; under
    the lock all is asked once more. A file that found no place in the log is not kept. Raises what
    `attachments.check` does, TooManyFiles, NotHolder, NotAllowed, UnknownConversation.
    """
    conversation = Conversation.objects.filter(pk=conversation_id).first()
    if conversation is None:
        raise UnknownConversation
    if (stored := repeat_of(conversation, author, upload.client_id)) is not None:
        return Ack.of(stored)
    _check_may_send(conversation, author)
    checked = attachments.check(upload)
    key = attachments.keep(checked)
    is_placed = False
    try:
        with transaction.atomic():
            conversation = lock(conversation_id)
            stored = repeat_of(conversation, author, upload.client_id)
            is_new = stored is None
            if stored is None:
                _check_may_send(conversation, author)
                stored = _store(conversation, author, checked, key=key, client_id=upload.client_id)
                _react(conversation, stored)
        is_placed = is_new
    finally:
        if not is_placed:
            attachments.drop(key)
    return Ack.of(stored)


def _check_may_send(conversation: Conversation, author: Author) -> None:
    check_may_write(conversation, author)
    # Each side has its own hour: a visitor who sends much must not silence the agent.
    theirs = Message.objects.filter(conversation=conversation, kind=Message.Kind.FILE, sender=author.sender)
    recent = theirs.filter(created_at__gt=timezone.now() - HOUR).order_by("-seq").values_list("created_at", flat=True)
    times = list(recent[:MOST_AN_HOUR])
    if len(times) == MOST_AN_HOUR:
        minutes = max(1, -int((timezone.now() - times[-1] - HOUR).total_seconds() // 60))
        raise TooManyFiles(f"That is {MOST_AN_HOUR} files within an hour. The next one can go in {minutes} min.")


def _store(
    conversation: Conversation, author: Author, checked: Checked, *, key: str, client_id: UUID | None
) -> Message:
    row = Attachment(
        media_type=checked.media_type,
        name=checked.name,
        size_bytes=len(checked.data),
        width=checked.width,
        height=checked.height,
        key=key,
    )
    shown = {"id": str(row.pk), "name": row.name, "type": row.media_type, "bytes": row.size_bytes}
    data = {"attachment": {**shown, "width": row.width, "height": row.height}}
    entry = Entry(text=row.name, kind=Message.Kind.FILE, data=data, client_id=client_id)
    row.message = append(conversation, author, entry)
    row.save(force_insert=True)
    if author.sender == Message.Sender.AGENT:
        note_first_reply(row.message)
    return row.message


def _react(conversation: Conversation, message: Message) -> None:
    """The AI cannot look at files, and says so once for files that come together; it offers a person."""
    if message.sender != Message.Sender.VISITOR or conversation.owner != Conversation.Owner.AI:
        return
    said = Message.objects.filter(episode=message.episode, seq__lt=message.seq).exclude(kind=Message.Kind.FILE)
    last = said.order_by("-seq").first()
    if last is not None and last.data.get("about") == "files":
        return
    language = conversation.language or conversation.project.language
    text = sentences.sentence("cannot_read_files", language)
    append(conversation, AI, Entry(text=text, data={"outcome": "unknown", "citations": [], "about": "files"}))


def remove_attachment(*, attachment_id: UUID | str) -> Message:
    """Take a file out of the log and out of the storage: its entry is blanked, an `erased` entry tells everybody who
    shows it, and the bytes go once that is committed. Raises UnknownAttachment."""
    with transaction.atomic():
        row = Attachment.objects.select_related("message").filter(pk=attachment_id).first()
        if row is None:
            raise UnknownAttachment
        conversation = lock(row.message.conversation_id)
        message, key = row.message, row.key
        # Under the lock: of two who remove it at once, one finds nothing left.
        if not Attachment.objects.filter(pk=row.pk).delete()[0]:
            raise UnknownAttachment
        message.text, message.data = "", {}
        message.save(update_fields=["text", "data"])
        entry = Entry(kind=Message.Kind.EVENT, event="erased", target=message.seq)
        erased = append(conversation, SYSTEM, entry, episode=message.episode)
        transaction.on_commit(lambda: attachments.drop(key))
    return erased
