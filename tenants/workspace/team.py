"""The team as a whole: what holds it still while it changes, and how many seats its plan has left."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from tenants import billing
from tenants.workspace.models import Invitation, Seat


def hold_team() -> list[Seat]:
    """Lock the team until the transaction ends, and return its owners who can sign in, in one order for everybody:
    of two changes at the same time, the second sees what the first has done."""
    owners = Seat.objects.filter(role=Seat.Role.OWNER, is_active=True, is_rehearsal=False, user_id__isnull=False)
    return list(owners.order_by("pk").select_for_update())


@dataclass(frozen=True)
class Room:
    """How full a plan is. `limit` is None where it has none."""

    limit: int | None
    seats: int
    invited: int

    @property
    def is_full(self) -> bool:
        """Whether nobody more fits in, counting those who are invited."""
        return self.limit is not None and self.seats + self.invited >= self.limit

    @property
    def has_free_seat(self) -> bool:
        """Whether one who is invited can sit down."""
        return self.limit is None or self.seats < self.limit


def room() -> Room:
    """The present tenant's room: its seats as the plan counts them, and who is invited beside them."""
    taken = billing.allowance(billing.current(), billing.Kind.SEATS)
    open_ones = Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
    return Room(taken.limit, taken.used, open_ones.count())
