"""Agents who vanish: whose conversations go back to the queue, when, and whose are only shown as away. Pure, but for
the reading at the end.

A dashboard says every 20 seconds that it is open. Who claimed in Slack has none, and is known to be gone only by not
answering. An answered conversation stays its agent's as long as nobody waits, for people come back from a broken
network; ten minutes later whoever does wait is given to somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from chat.models import Conversation, Message
from livesupport.models import Availability
from tenants.workspace.models import Seat

AWAY_AFTER = timedelta(seconds=60)
KEPT_FOR = timedelta(minutes=10)
SLACK_ANSWERS_WITHIN = timedelta(minutes=5)
LOOK_SOONEST, LOOK_LATEST = timedelta(seconds=5), timedelta(seconds=60)
_SAID = (Message.Kind.TEXT, Message.Kind.FILE)


@dataclass(frozen=True)
class Held:
    """A conversation in somebody's hands. `seen_at` is their dashboard's last sign of life; `via` is where they
    claimed it; `visitor_waits` says that the last word is the visitor's."""

    claimed_at: datetime
    seen_at: datetime | None
    via: str
    is_answered: bool
    visitor_waits: bool

    def is_away(self, now: datetime) -> bool:
        """Whether the holder seems to be gone. Of who claimed in Slack nobody knows."""
        return self.via != "slack" and now - self._last_sign > AWAY_AFTER

    def is_lost(self, now: datetime) -> bool:
        """Whether somebody else should take it."""
        if self.via == "slack":
            return not self.is_answered and now - self.claimed_at > SLACK_ANSWERS_WITHIN
        if not self.is_away(now):
            return False
        return not self.is_answered or (self.visitor_waits and now - self._last_sign > KEPT_FOR)

    def look_at(self, now: datetime) -> datetime:
        """When to judge it again."""
        wanted = self.claimed_at + SLACK_ANSWERS_WITHIN if self.via == "slack" else self._last_sign + AWAY_AFTER
        return min(max(wanted, now + LOOK_SOONEST), now + LOOK_LATEST)

    @property
    def _last_sign(self) -> datetime:
        return max(self.seen_at or self.claimed_at, self.claimed_at)


def is_absent(seat: Seat, now: datetime, *, claimed_at: datetime | None) -> bool:
    """Whether a person has not had Live Support open for a minute; to claim is a sign of life too. Reads
    `seat.availability`."""
    row: Availability | None = getattr(seat, "availability", None)
    signs = [at for at in (row.seen_at if row else None, claimed_at) if at is not None]
    return all(now - at > AWAY_AFTER for at in signs)


def held_conversations() -> QuerySet[Conversation]:
    """All that people hold, with what `held_of` reads. A rehearsal's holder is a program and has no dashboard."""
    log = Message.objects.filter(conversation=OuterRef("pk"))
    joined = log.filter(event="joined", seat=OuterRef("holder")).order_by("-seq")
    kept = log.filter(kind__in=_SAID).exclude(text="")  # what was deleted answers nobody
    said = kept.order_by("-seq")
    rows = Conversation.objects.filter(owner=Conversation.Owner.AGENT, is_test=False, holder__is_rehearsal=False)
    rows = rows.annotate(
        joined_seq=Subquery(joined.values("seq")[:1]),
        claimed_at=Subquery(joined.values("created_at")[:1]),
        via=Subquery(joined.values("data__via")[:1]),
        last_sender=Subquery(said.values("sender")[:1]),
    )
    replies = kept.filter(seat=OuterRef("holder"), seq__gt=OuterRef("joined_seq"))
    return rows.annotate(is_answered=Exists(replies)).select_related("holder__availability").order_by("pk")


def held_of(row: Conversation) -> Held:
    """How a row of `held_conversations` stands."""
    seen = getattr(row.holder, "availability", None)
    found = vars(row)
    return Held(
        claimed_at=found["claimed_at"] or row.updated_at,
        seen_at=seen.seen_at if seen else None,
        via=str(found["via"] or ""),
        is_answered=bool(found["is_answered"]),
        visitor_waits=found["last_sender"] == Message.Sender.VISITOR,
    )
