"""What Slack refuses, and what we refuse to people in Slack."""

from __future__ import annotations

from livesupport.errors import LiveSupportError
from tenants.workspace.outbox import DeliveryFailed

# Slack's words for: this token, or this channel, will not work again by itself.
BROKEN = {
    "account_inactive": "BuiltABot was removed from the workspace.",
    "invalid_auth": "Slack no longer accepts the connection.",
    "not_authed": "Slack no longer accepts the connection.",
    "token_expired": "Slack no longer accepts the connection.",
    "token_revoked": "BuiltABot was removed from the workspace.",
    "team_access_not_granted": "The workspace no longer lets BuiltABot in.",
    "missing_scope": "The Slack app lacks a permission. Connect again to grant it.",
    "channel_not_found": "The channel is not there any more, or BuiltABot cannot see it.",
    "is_archived": "The channel is archived.",
    "not_in_channel": "BuiltABot is not in the channel. Invite it there, then choose the channel again.",
    "restricted_action": "The workspace does not let apps post in this channel.",
}
# After these, Slack may have done what it was asked for.
UNSURE = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "unreadable"})
PASSING = UNSURE | {"ratelimited", "rate_limited", "message_limit_exceeded", "team_added_to_org", "unreachable"}


class SlackFailed(DeliveryFailed):
    """A call to Slack that did not work. `word` is Slack's own name of the error; `is_unsure` says that the call
    may have taken effect all the same; `is_broken`, that the connection needs somebody's hand."""

    code = "slack_failed"

    def __init__(self, word: str, *, after_seconds: float | None = None, is_unsure: bool = False) -> None:
        sentence = BROKEN.get(word) or f"Slack said: {word.replace('_', ' ')}."
        retryable = is_unsure or word in PASSING
        super().__init__(sentence, retryable=retryable, after_seconds=after_seconds)
        self.word = word
        self.is_unsure = is_unsure or word in UNSURE

    @property
    def is_broken(self) -> bool:
        return self.word in BROKEN


class NotInPlan(LiveSupportError):
    """The tenant's plan is one without Slack."""

    code = "not_in_plan"
    sentence = "Your plan does not include Slack. Handoffs land in Live Support; a larger plan adds Slack."


class NoRoute(LiveSupportError):
    """A call of a channel that belongs to nobody: kept, never guessed."""

    code = "no_route"
    sentence = "No chatbot answers in this channel."


class NotInvited(LiveSupportError):
    """Somebody in Slack who may not answer visitors; the sentence tells how to change that."""

    code = "not_invited"
    sentence = "Your words stay in Slack: you have no seat. An owner can invite you under Settings, People."


class StaysAnswer(LiveSupportError):
    """A note is for the team alone; what the visitor has read cannot become one."""

    code = "stays_answer"
    sentence = "The visitor has read this, so it cannot become a note. Delete it, and write the note anew."


class ThreadClosed(LiveSupportError):
    """The handoff of this thread is over."""

    code = "thread_closed"
    sentence = "This conversation has ended."


class ChannelTaken(LiveSupportError):
    """One channel leads to one chatbot, so that a reply is never ambiguous."""

    code = "channel_taken"
    sentence = "Another chatbot already uses this channel. Choose one of its own."


class ConnectRefused(LiveSupportError):
    """The way back from Slack is too old, or belongs to another browser or person. Nothing was changed."""

    code = "connect_refused"
    sentence = "This link is too old, or was not meant for this browser. Connect once more."
