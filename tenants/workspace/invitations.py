"""Invitations: a letter with a link that gives its reader a seat, once, within three days.

The link carries the schema and a secret of 256 bits, signed together: the public host finds the tenant without
a shared table, and whoever makes up a link learns nothing, because only what we signed is looked up at all.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from tenants import mail
from tenants.hosts import public_url
from tenants.models import Membership, Tenant, User
from tenants.schema import PUBLIC, current_schema, run_in
from tenants.workspace import outbox
from tenants.workspace.actions import record
from tenants.workspace.errors import (
    AddressUnconfirmed,
    AlreadyHere,
    AlreadyInvited,
    InvitationOver,
    NoSeatLeft,
    NotInvited,
    SeatNotYours,
    SeatSwitchedOff,
    TooManyLetters,
)
from tenants.workspace.models import Invitation, OutboxEntry, Project, Seat
from tenants.workspace.policies import may_invite
from tenants.workspace.team import hold_team, room

LETTER = "invitation"
LIFETIME = timedelta(hours=72)
# A stranger's mailbox is no playground, and an account costs nothing: so many letters a day leave one business; leave
# one account, whatever its businesses; reach one mailbox, whoever invites it; and one a minute, also after a revoke.
MOST_LETTERS_A_DAY = 50
MOST_OF_ONE_ACCOUNT = 100
MOST_TO_ONE_MAILBOX = 5
BETWEEN_LETTERS = timedelta(minutes=1)
_SIGNER = signing.Signer(salt="tenants.invitation", sep="~")


@dataclass(frozen=True)
class Wanted:
    """Who shall be invited as what. No project chosen means all of them."""

    email: str
    role: str
    projects: Collection[Project] = ()


@dataclass(frozen=True)
class Offer:
    """An invitation as its holder may see it. `state` is `open`, `used`, `revoked` or `expired`."""

    state: str
    email: str
    role: str
    invited_by: str
    projects: tuple[str, ...]
    expires_at: datetime


def make_token(schema: str, secret: str) -> str:
    """What stands in the link."""
    return _SIGNER.sign(f"{schema}.{secret}")


def read_token(token: str) -> tuple[str, str] | None:
    """(schema, secret) of a token that we made; None for everything else."""
    try:
        schema, _, secret = _SIGNER.unsign(token).partition(".")
    except signing.BadSignature:
        return None
    return schema, secret


def invite(*, by: Seat, wanted: Wanted) -> Invitation:
    """Invite somebody by letter.

    Raises SeatNotYours, AlreadyHere, AlreadyInvited, NoSeatLeft, AddressUnconfirmed, TooManyLetters. An invitation
    that ran out makes room for the new one.
    """
    email = wanted.email.strip().lower()
    with transaction.atomic():
        hold_team()
        if not may_invite(by, wanted.role):
            raise SeatNotYours
        if Seat.objects.filter(email__iexact=email, user_id__isnull=False).exists():
            raise AlreadyHere(f"{email} has a seat here already. It is in the list.")
        unanswered = Invitation.objects.filter(email=email, accepted_at=None, revoked_at=None)
        if unanswered.filter(expires_at__gt=timezone.now()).exists():
            raise AlreadyInvited(f"{email} is invited already. Send the letter again, or revoke it.")
        _check_room()
        unanswered.update(revoked_at=timezone.now(), secret="")
        secret = secrets.token_urlsafe(32)
        invitation = Invitation.objects.create(
            email=email,
            role=wanted.role,
            token_hash=_hash(secret),
            secret=secret,
            invited_by=by,
            expires_at=timezone.now() + LIFETIME,
        )
        invitation.projects.set(wanted.projects)
        _post_letter(by, invitation)
        _record(by, "invited", invitation)
    return invitation


def resend(*, by: Seat, invitation_id: int) -> None:
    """Send a new letter with a new link, good for another three days; the old link is dead.

    Raises SeatNotYours, InvitationOver, NoSeatLeft, AddressUnconfirmed, TooManyLetters.
    """
    with transaction.atomic():
        hold_team()
        invitation = _unanswered(by, invitation_id)
        if not invitation.is_open:
            _check_room()
        secret = secrets.token_urlsafe(32)
        invitation.token_hash, invitation.secret = _hash(secret), secret
        invitation.expires_at, invitation.invited_by = timezone.now() + LIFETIME, by
        invitation.save(update_fields=["token_hash", "secret", "expires_at", "invited_by"])
        _post_letter(by, invitation)
        _record(by, "invited again", invitation)


def revoke(*, by: Seat, invitation_id: int) -> None:
    """Take an invitation back; its link is dead at once. Raises SeatNotYours, InvitationOver."""
    with transaction.atomic():
        hold_team()
        invitation = _unanswered(by, invitation_id)
        invitation.revoked_at, invitation.secret = timezone.now(), ""
        invitation.save(update_fields=["revoked_at", "secret"])
        _record(by, "revoked invitation of", invitation)


def look(*, secret: str) -> Offer | None:
    """The invitation that a secret opens, in whatever state; None when there is none."""
    found = Invitation.objects.select_related("invited_by").filter(token_hash=_hash(secret)).first()
    if found is None:
        return None
    return Offer(
        state=state_of(found),
        email=found.email,
        role=found.get_role_display(),
        invited_by=found.invited_by.name if found.invited_by else "",
        projects=tuple(found.projects.order_by("name").values_list("name", flat=True)),
        expires_at=found.expires_at,
    )


def accept(*, secret: str, user: User) -> Seat:
    """Give the seat to `user`, whose address must be the invited one: holding the link proves that it is theirs.

    Once: the invitation's row is locked. Somebody who sits here already keeps the seat they have. Raises
    InvitationOver, NotInvited, NoSeatLeft, SeatSwitchedOff, and then changes nothing.
    """
    with transaction.atomic():
        hold_team()
        invitation = Invitation.objects.select_for_update(of=("self",)).filter(token_hash=_hash(secret)).first()
        if invitation is None:
            raise InvitationOver("unknown")
        if (state := state_of(invitation)) != "open":
            raise InvitationOver(state)
        if user.email.lower() != invitation.email:
            raise NotInvited
        seat = _seat(invitation, user)
        tenant = Tenant.objects.get(schema_name=current_schema())
        Membership.objects.get_or_create(user=user, tenant=tenant)
        invitation.accepted_at, invitation.secret = timezone.now(), ""
        invitation.save(update_fields=["accepted_at", "secret"])
        _record(seat, "accepted invitation of", invitation)
    return seat


def compose(payload: dict[str, Any]) -> mail.Letter | None:
    """The letter of `{"invitation", "version"}`; None when it is over, or a later letter has replaced it."""
    found = Invitation.objects.select_related("invited_by").filter(pk=payload["invitation"]).first()
    if found is None or state_of(found) != "open" or _version(found) != payload["version"]:
        return None
    business = Tenant.objects.get(schema_name=current_schema()).name
    by = found.invited_by.name if found.invited_by else business
    context = {
        "business": business,
        "invited_by": by,
        "role": found.get_role_display(),
        "email": found.email,
        "link": public_url(f"/invitations/{make_token(current_schema(), found.secret)}/"),
        "expires_at": found.expires_at,
    }
    text, html = mail.render("tenants/email/invitation", context)
    return mail.Letter(found.email, f"{by} invites you to {business}", text, html)


def state_of(invitation: Invitation) -> str:
    """`open`, `used`, `revoked` or `expired`.

    An invitation ends with its inviter's right to invite: whoever is shut out leaves no door open.
    """
    by = invitation.invited_by
    if invitation.accepted_at is not None:
        return "used"
    if invitation.revoked_at is not None or by is None or not may_invite(by, invitation.role):
        return "revoked"
    return "open" if invitation.expires_at > timezone.now() else "expired"


def _seat(invitation: Invitation, user: User) -> Seat:
    seat = Seat.objects.filter(user_id=user.pk).first()
    if seat is not None:
        if not seat.is_active:
            raise SeatSwitchedOff
        return seat
    if not room().has_free_seat:
        raise NoSeatLeft("There is no free seat now. The one who invited you can make room; this link stays good.")
    # Whoever answered from Slack without an account keeps that seat, and their name in the transcripts.
    known = Seat.objects.filter(user_id=None, email__iexact=invitation.email, is_rehearsal=False).first()
    seat = known or Seat(email=invitation.email)
    seat.user_id, seat.name, seat.role, seat.is_active = user.pk, user.get_full_name(), invitation.role, True
    seat.save(update_fields=["user_id", "name", "role", "is_active"] if known else None)
    seat.projects.set(invitation.projects.all())
    return seat


def _unanswered(by: Seat, invitation_id: int) -> Invitation:
    found = Invitation.objects.select_for_update(of=("self",)).filter(pk=invitation_id).first()
    if found is None:
        raise InvitationOver("unknown")
    if not may_invite(by, found.role):
        raise SeatNotYours
    if found.accepted_at is not None or found.revoked_at is not None:
        raise InvitationOver("used" if found.accepted_at else "revoked")
    return found


def _check_room() -> None:
    now = room()
    if now.is_full:
        raise NoSeatLeft(
            f"Your plan has room for {now.limit}: {now.seats} with a seat, {now.invited} invited. "
            "A larger plan makes room."
        )


def _post_letter(by: Seat, invitation: Invitation) -> None:
    if not EmailAddress.objects.filter(user_id=by.user_id, verified=True).exists():
        again = public_url("/accounts/confirm-email/")
        raise AddressUnconfirmed(f"Confirm your own address first, by the link in our letter. For another: {again}")
    now = timezone.now()
    lane = f"invitation:{invitation.pk}"
    letters = OutboxEntry.objects.filter(kind=mail.KIND, payload__letter=LETTER)
    if letters.filter(created_at__gt=now - timedelta(days=1)).count() >= MOST_LETTERS_A_DAY:
        raise TooManyLetters(f"{MOST_LETTERS_A_DAY} letters left in a day; that is the most. Go on tomorrow.")
    to_them = letters.filter(payload__to=invitation.email).exclude(state=OutboxEntry.State.SKIPPED)
    if to_them.filter(created_at__gt=now - BETWEEN_LETTERS).exists():
        raise TooManyLetters("A letter to them left less than a minute ago.")
    _count(f"letters-by:{by.user_id}", MOST_OF_ONE_ACCOUNT)
    _count(f"letters-to:{_hash(invitation.email)}", MOST_TO_ONE_MAILBOX)
    version = _version(invitation)
    payload = {"letter": LETTER, "to": invitation.email, "invitation": invitation.pk, "version": version}
    outbox.post(kind=mail.KIND, lane=lane, key=f"{lane}:{version}", payload=payload)


def _count(name: str, most: int) -> None:
    """One more of `name` in 24 hours, counted for all businesses together. Raises TooManyLetters."""

    def counted() -> int:
        cache.add(name, 0, timeout=24 * 3600)
        return int(cache.incr(name))

    if run_in(PUBLIC, counted) > most:
        raise TooManyLetters


def _version(invitation: Invitation) -> str:
    return invitation.token_hash[:12]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(seat: Seat, verb: str, invitation: Invitation) -> None:
    data = {"model": "workspace.invitation", "id": str(invitation.pk), "text": invitation.get_role_display()}
    record(seat=seat, verb=verb, subject=invitation.email, data=data)
