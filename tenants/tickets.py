"""One-time tickets: how a sign-in on the public host becomes one on a tenant's host.

A ticket is good in the browser that asked for it: at the tenant's host a cookie keeps a nonce, the public host hears
its hash (the `challenge`) and stores ticket and challenge as one. A link with somebody else's ticket signs nobody in.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta

from django.utils import timezone

from tenants.errors import TicketRefused
from tenants.models import SignInTicket, User

LIFETIME_SECONDS = 60


def new_nonce() -> str:
    """256 random bits for the cookie of a browser that will ask for a ticket."""
    return secrets.token_urlsafe(32)


def challenge_of(nonce: str) -> str:
    """What the public host may know of a nonce."""
    return hashlib.sha256(nonce.encode()).hexdigest()


def is_challenge(text: str) -> bool:
    """Whether a browser's request for a ticket says for which browser."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def issue(*, user: User, host: str, challenge: str) -> str:
    """A token of 256 random bits that signs `user` in at `host`, once, within a minute, in the browser that holds
    the challenge's nonce."""
    now = timezone.now()
    SignInTicket.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    token = secrets.token_urlsafe(32)
    SignInTicket.objects.create(
        token_hash=_hash(token, challenge), user=user, host=host, expires_at=now + timedelta(seconds=LIFETIME_SECONDS)
    )
    return token


def redeem(*, token: str, host: str, nonce: str) -> User:
    """The user of a good ticket of this browser; it is used up by this. Raises TicketRefused, and then changes nothing.

    One conditional update decides, so of two who come at the same time one is refused.
    """
    now = timezone.now()
    good = SignInTicket.objects.filter(
        token_hash=_hash(token, challenge_of(nonce)), host=host, used_at=None, expires_at__gt=now, user__is_active=True
    )
    # The join of `user__is_active` becomes a subquery, whose row is looked at before the lock: `used_at` is
    # checked again by the update itself.
    ids = list(good.values_list("pk", flat=True))
    if not SignInTicket.objects.filter(pk__in=ids, used_at=None).update(used_at=now):
        raise TicketRefused
    return SignInTicket.objects.select_related("user").get(pk=ids[0]).user


def _hash(token: str, challenge: str) -> str:
    return hashlib.sha256(f"{token}.{challenge}".encode()).hexdigest()
