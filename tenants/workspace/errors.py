"""Refusals of a tenant's settings."""

from __future__ import annotations

from tenants.errors import TenantError


class SeatNotYours(TenantError):
    """Somebody who is no owner touched an owner's seat, or wanted to make one."""

    code = "seat_not_yours"
    sentence = "Only an owner can make or change an owner."


class LastOwner(TenantError):
    """The change would leave the tenant without a working owner."""

    code = "last_owner"
    sentence = "This is the only owner. Make somebody else an owner first."
