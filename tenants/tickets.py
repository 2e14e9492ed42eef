"""One-time tickets: how a sign-in on the public host becomes one on a tenant's host."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.utils import timezone

from tenants.errors import TicketRefused
from tenants.models import SignInTicket, User

LIFETIME_SECONDS = 60


def issue(*, user: User, host: str) -> str:
    """A token of 256 random bits that signs `user` in at `host`, once, within a minute."""
    now = timezone.now()
    SignInTicket.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    token = secrets.token_urlsafe(32)
    SignInTicket.objects.create(
        token_hash=_hash(token), user=user, host=host, expires_at=now + timedelta(seconds=LIFETIME_SECONDS)
    )
    return token


def redeem(*, token: str, host: str) -> User:
    """The user of a good ticket, which is used up by this. Raises TicketRefused, and then changes nothing.

    One conditional update decides, so of two who come at the same time one is refused.
    """
    now = timezone.now()
    good = SignInTicket.objects.filter(
        token_hash=_hash(token), host=host, used_at=None, expires_at__gt=now, user__is_active=True
    )
    # The join of `user__is_active` becomes a subquery, whose row is looked at before the lock: `used_at` is
    # checked again by the update itself.
    ids = list(good.values_list("pk", flat=True))
    if not SignInTicket.objects.filter(pk__in=ids, used_at=None).update(used_at=now):
        raise TicketRefused
    return SignInTicket.objects.select_related("user").get(pk=ids[0]).user


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
