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


class HelloLate(ChatError):
    code = "hello_late"
    sentence = "No hello came within 10 seconds."
