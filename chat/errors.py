"""Chat's refusals. Codes are part of the wire protocol (docs/protocol.md)."""

from __future__ import annotations

from tenants.errors import ProductError


class ChatError(ProductError):
    """Base of this app's errors."""

    code = "chat_error"


class BadFrame(ChatError):
    code = "bad_frame"
    sentence = "This is not a frame of the protocol."


class NotSignedIn(ChatError):
    code = "not_signed_in"
    sentence = "This session is not known here. Start a new one."


class NotAllowed(ChatError):
    code = "not_allowed"
    sentence = "Your seat does not allow this."


class UnknownProject(ChatError):
    code = "unknown_project"
    sentence = "There is no such project here."


class UnknownConversation(ChatError):
    """No such conversation, or not yours: the same answer to both."""

    code = "unknown_conversation"
    sentence = "There is no such conversation."


class UnknownMessage(ChatError):
    """No such text or note, or not yours to see: the same answer to both."""

    code = "unknown_message"
    sentence = "There is no such message."


class MessageDeleted(ChatError):
    code = "message_deleted"
    sentence = "This message was deleted meanwhile. Your words were not sent."


class TooLate(ChatError):
    code = "too_late"
    sentence = "A message can be edited for 15 minutes. Write a new one instead."


class TextEmpty(ChatError):
    code = "text_empty"
    sentence = "Write something first."


class TextTooLong(ChatError):
    code = "text_too_long"
    sentence = "That is longer than 4,000 characters. Send it in parts."


class NotHolder(ChatError):
    code = "not_holder"
    sentence = "Claim this conversation first; then your words reach the visitor."


class PlanEnded(ChatError):
    """The business's plan is over: what is held may be finished, nothing more is taken."""

    code = "plan_ended"
    sentence = "Your plan has ended. You can read everything; an owner can start it again under Plan."


class AlreadyTaken(ChatError):
    """A lost race for a conversation; the sentence names who won."""

    code = "already_taken"
    sentence = "Somebody took this just now."


class EmailInvalid(ChatError):
    code = "email_invalid"
    sentence = "An address needs an ending, like .com"


class RetryLater(ChatError):
    code = "retry_later"
    retryable = True
    sentence = "The server is older than this page. Trying again soon."


class Unavailable(ChatError):
    code = "unavailable"
    retryable = True
    sentence = "That did not reach us. It will be sent again."


class TooFast(ChatError):
    """More than a person does; `retry_after` seconds later there is room again."""

    code = "too_fast"
    retryable = True
    sentence = "That was a lot at once. It will be sent again in a moment."

    def __init__(self, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__()


class HelloLate(ChatError):
    code = "hello_late"
    sentence = "No hello came within 10 seconds."


class FileTooLarge(ChatError):
    code = "file_too_large"
    sentence = "A file may have 10 MB. This one has more."


class PictureTooLarge(ChatError):
    code = "picture_too_large"
    sentence = "A picture may have 50 million points, and a moving one 80 million in all. This one has more."


class FileTypeRefused(ChatError):
    """The first bytes and the name's ending do not both say the same one of the five types."""

    code = "file_type"
    sentence = "Only pictures (PNG, JPEG, WebP, GIF) and PDF files can be sent, under their right ending."


class FileBroken(ChatError):
    code = "file_broken"
    sentence = "This picture is damaged and cannot be opened."


class TooManyFiles(ChatError):
    code = "too_many_files"
    sentence = "That is 10 files within an hour."


class UnknownAttachment(ChatError):
    """No such file, not yours, or taken back: the same answer to all."""

    code = "unknown_attachment"
    sentence = "There is no such file."
