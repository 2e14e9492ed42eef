"""Who is there to answer, and when somebody will be: the promise that a visitor reads.

Business hours are a pure function of their rows, a time zone and an instant. Presence is a row that a
dashboard keeps fresh; it counts at any hour, because whoever has the page open can answer. A connected Slack
channel counts inside business hours, or at any hour if its settings say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Count, F, Q, QuerySet

from chat.models import Conversation
from chat.policies import TALKING_ROLES
from chat.ports import Promise
from livesupport.models import Availability, OpeningHours, SlackInstall
from livesupport.slack.policies import wants_slack
from tenants.workspace.models import Project, Seat
from tenants.workspace.policies import working_for

NAMES_SHOWN = 3
_LAST_MINUTE = time(23, 59)


@dataclass(frozen=True)
class Stretch:
    """One opening of one weekday (0 = Monday), in local time. A close in the last minute of the day means
    midnight, so that Monday until 23:59 and Tuesday from 0:00 are one opening."""

    weekday: int
    opens: time
    closes: time


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name; UTC for one that nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def is_open(stretches: Iterable[Stretch], zone: ZoneInfo, now: datetime) -> bool:
    """Whether `now` falls into a stretch. Without any, it is always open."""
    rows = list(stretches)
    return not rows or any(start <= now < end for start, end in _around(rows, zone, now))


def next_opening(stretches: Iterable[Stretch], zone: ZoneInfo, now: datetime) -> datetime | None:
    """The next instant, in UTC, at which it opens; None while it is open, and without any stretch."""
    rows = list(stretches)
    if is_open(rows, zone, now):
        return None
    return min(start for start, _ in _around(rows, zone, now) if start > now)


def _around(rows: Sequence[Stretch], zone: ZoneInfo, now: datetime) -> list[tuple[datetime, datetime]]:
    """The openings from yesterday to this day next week, as instants in UTC."""
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=offset) for offset in range(-1, 9)]
    return [_instants(row, day, zone) for day in days for row in rows if row.weekday == day.weekday()]


def _instants(row: Stretch, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Around a change of clocks: an hour that happens twice is open both times."""
    opens = datetime.combine(day, row.opens, zone)
    if row.closes >= _LAST_MINUTE:
        closes = datetime.combine(day + timedelta(days=1), time(0), zone)
    else:
        closes = datetime.combine(day, row.closes, zone).replace(fold=1)
    return opens.astimezone(UTC), closes.astimezone(UTC)


def stretches_of(project: Project) -> list[Stretch]:
    """The project's opening hours."""
    rows = OpeningHours.objects.filter(project=project)
    return [Stretch(row.weekday, row.opens, row.closes) for row in rows]


def promise(project: Project, now: datetime, is_test: bool) -> Promise:
    """What can be promised to a visitor of `project` at `now`. Bound to chat's port `reachability`.

    A test conversation is answered by a live rehearsal seat alone, at any hour; a real one never is.
    """
    there = list(_rehearsal_seats(project, now) if is_test else _at_the_dashboard(project, now))
    if there:
        names = tuple(seat.name.split()[0] for seat in there[:NAMES_SHOWN] if seat.name.split())
        return Promise(reachable=True, within_seconds=project.claim_target_seconds, names=names)
    if not is_test and slack_answers(project, now):
        return Promise(reachable=True)  # a channel says of nobody that they are looking: no name, no time
    opens_at = next_opening(stretches_of(project), zone_of(project.timezone), now)
    return Promise(reachable=False, opens_at=opens_at)


def is_watched(project: Project, now: datetime) -> bool:
    """Whether anybody looks at a queue at all; a full agent still does, and may take one more."""
    return seats_there(project, now, with_capacity=False).exists() or slack_answers(project, now)


def slack_answers(project: Project, now: datetime) -> bool:
    """Whether the project's people are called in a Slack channel that works, at an hour when it answers."""
    install = _slack(project)
    if install is None:
        return False
    return install.answers_any_hour or is_open(stretches_of(project), zone_of(project.timezone), now)


def _slack(project: Project) -> SlackInstall | None:
    """The channel in which the project's people are called, if it works."""
    install = SlackInstall.objects.filter(project=project).first() if wants_slack(project) else None
    return install if install is not None and install.is_ready else None


def _at_the_dashboard(project: Project, now: datetime) -> Iterable[Seat]:
    """Who can be promised from Live Support: nobody while people are called in Slack alone."""
    slack_alone = project.handoffs_to == Project.HandoffsTo.SLACK and _slack(project) is not None
    return () if slack_alone else seats_there(project, now)


def seats_there(project: Project, now: datetime, *, with_capacity: bool = True) -> QuerySet[Seat]:
    """Seats that can take a real conversation of `project` now: online, heard of just now, with capacity left
    (unless told otherwise); those with the fewest conversations first."""
    held = Count("held", filter=Q(held__owner=Conversation.Owner.AGENT, held__is_test=False), distinct=True)
    fresh = now - timedelta(seconds=Availability.FRESH_SECONDS)
    there = (
        _seats_of(project)
        .filter(is_rehearsal=False)
        .filter(availability__state=Availability.State.ONLINE, availability__seen_at__gte=fresh)
        .annotate(holding=held)
        .order_by("holding", "pk")
    )
    return there.filter(holding__lt=F("availability__capacity")) if with_capacity else there


def seats_away(project: Project, now: datetime) -> QuerySet[Seat]:
    """Seats that could take a conversation of `project` if they were there: people with an account and an
    address who do not have Live Support open, or said that they are away."""
    there = seats_there(project, now, with_capacity=False).values("pk")
    people = _seats_of(project).filter(is_rehearsal=False, user_id__isnull=False)
    return people.exclude(email="").exclude(pk__in=there).order_by("pk")


def _rehearsal_seats(project: Project, now: datetime) -> QuerySet[Seat]:
    return _seats_of(project).filter(is_rehearsal=True, expires_at__gt=now).order_by("-pk")


def _seats_of(project: Project) -> QuerySet[Seat]:
    return Seat.objects.filter(working_for(project), is_active=True, role__in=TALKING_ROLES)
