"""Live Support's own refusals; what a conversation refuses comes from `chat.errors`."""

from __future__ import annotations

from tenants.errors import ProductError


class LiveSupportError(ProductError):
    """Base of this app's errors."""

    code = "live_support_error"


class UnknownLead(LiveSupportError):
    """No such lead, or not yours: the same answer to both."""

    code = "unknown_lead"
    sentence = "There is no such lead."


class UnknownState(LiveSupportError):
    """An availability other than those there are."""

    code = "unknown_state"
    sentence = "You are online or away."


class RehearsalFailed(LiveSupportError):
    """A step of the test escalation did not happen; the sentence says which and why."""

    code = "rehearsal_failed"
    sentence = "The rehearsal stopped."
