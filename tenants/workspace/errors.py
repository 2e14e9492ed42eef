"""Refusals of a tenant's settings."""

from __future__ import annotations

from typing import ClassVar

from tenants.errors import TenantError


class SeatNotYours(TenantError):
    """Somebody who is no owner touched an owner's seat, or wanted to make one."""

    code = "seat_not_yours"
    sentence = "Only an owner can make or change an owner."


class NoAccount(TenantError):
    """Somebody who answers from Slack alone was to own the tenant."""

    code = "no_account"
    sentence = "They answer from Slack alone and cannot sign in. Invite them first; then make them an owner."


class KeyRefused(TenantError):
    """A new chatbot was to have a key that is taken, or is none."""

    code = "project_key_refused"
    sentence = "A chatbot's key has letters, digits, hyphens and underscores alone, at most 60, and is its own."


class LastOwner(TenantError):
    """The change would leave the tenant without a working owner."""

    code = "last_owner"
    sentence = "This is the only owner. Make somebody else an owner first."


class NoSeatLeft(TenantError):
    """The plan's seats are taken, or kept for those who are invited."""

    code = "no_seat_left"
    sentence = "Your plan has no seat left. A larger plan makes room."


class AlreadyHere(TenantError):
    """The address belongs to somebody with a seat."""

    code = "already_here"
    sentence = "This person has a seat here already."


class AlreadyInvited(TenantError):
    """The address has an open invitation."""

    code = "already_invited"
    sentence = "This person is invited already."


class AddressUnconfirmed(TenantError):
    """Letters to strangers leave in the name of somebody whose own address is known to be theirs."""

    code = "address_unconfirmed"
    sentence = "Confirm your own address first."


class TooManyLetters(TenantError):
    """So many letters would be a nuisance to somebody."""

    code = "too_many_letters"
    retryable = True
    sentence = "Too many letters were sent in a day. Go on tomorrow."


class InvitationOver(TenantError):
    """The invitation can no longer be accepted, resent or revoked; `state` says why."""

    SENTENCES: ClassVar[dict[str, str]] = {
        "unknown": "This link is not one of ours, or a newer letter has replaced it.",
        "used": "This invitation was used already.",
        "revoked": "This invitation was taken back.",
        "expired": "This invitation has run out: a link is good for three days.",
    }

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(self.SENTENCES[state], code=f"invitation_{state}")


class NotInvited(TenantError):
    """Somebody else's invitation."""

    code = "not_invited"
    sentence = "This invitation is for another address."


class SeatSwitchedOff(TenantError):
    """The person had a seat, and it was taken away."""

    code = "seat_switched_off"
    sentence = "You have a seat here that is switched off. An owner can switch it on again."
