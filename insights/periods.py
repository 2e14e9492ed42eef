"""The stretch of days that a report covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

CHOICES = (7, 28, 90)
DEFAULT = 28


@dataclass(frozen=True)
class Period:
    """Whole days of one time zone: from `first` through `last`, both included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """The first moment that counts."""
        return datetime.combine(self.first, time.min, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment that counts no more."""
        return datetime.combine(self.last + timedelta(days=1), time.min, self.zone)

    @property
    def dates(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range(self.days)]

    def before(self) -> Period:
        """As many days, ending the day before this period begins."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1), self.zone)


def ending(at: datetime, *, days: int, zone: ZoneInfo) -> Period:
    """The period of `days` days whose last is the day that `at` falls on in `zone`."""
    last = at.astimezone(zone).date()
    return Period(last - timedelta(days=days - 1), last, zone)


def zone_named(name: str) -> ZoneInfo:
    """The time zone of that name, or UTC where the name is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
