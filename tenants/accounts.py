"""Accounts of people who were invited: an existing one takes the seat, a new one comes to be with it."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from tenants.errors import NameTaken
from tenants.models import User
from tenants.schema import run_in
from tenants.workspace import invitations


def join(*, schema: str, secret: str, user: User) -> None:
    """Take the seat that an invitation offers. Raises as `invitations.accept` does, and then changes nothing."""
    with transaction.atomic():
        run_in(schema, invitations.accept, secret=secret, user=user)
        # The letter went to this address, and its link came back.
        EmailAddress.objects.filter(user=user, email__iexact=user.email).update(verified=True)


@dataclass(frozen=True)
class Newcomer:
    """Who makes an account on the way in. The address is the invited one."""

    email: str
    name: str
    password: str


def join_as_newcomer(*, schema: str, secret: str, newcomer: Newcomer) -> User:
    """Make an account and take the seat, or neither. Raises NameTaken when the account exists."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(newcomer.email, newcomer.password, name=newcomer.name)
            EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
            join(schema=schema, secret=secret, user=user)
    except IntegrityError as error:
        raise NameTaken from error
    return user
