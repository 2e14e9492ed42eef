"""Business hours: a pure function of rows, a time zone and an instant."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from livesupport.availability import Stretch, is_open, next_opening, zone_of

OFFICE = [Stretch(day, time(9), time(17)) for day in range(5)]
BERLIN = ZoneInfo("Europe/Berlin")
AUCKLAND = ZoneInfo("Pacific/Auckland")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "now", "opens"),
    [
        # winter and summer time move the opening by an hour of UTC
        (BERLIN, "2026-01-12T07:59:59+00:00", "2026-01-12T08:00:00+00:00"),
        (BERLIN, "2026-07-13T06:30:00+00:00", "2026-07-13T07:00:00+00:00"),
        # after closing, over the weekend
        (BERLIN, "2026-01-12T16:00:00+00:00", "2026-01-13T08:00:00+00:00"),
        (BERLIN, "2026-01-16T16:00:00+00:00", "2026-01-19T08:00:00+00:00"),
        # Friday evening before the clocks go forward, and before they go back
        (BERLIN, "2026-03-27T18:00:00+00:00", "2026-03-30T07:00:00+00:00"),
        (BERLIN, "2026-10-23T18:00:00+00:00", "2026-10-26T08:00:00+00:00"),
        # it is Monday morning there while it is still Sunday in UTC
        (AUCKLAND, "2026-06-14T20:00:00+00:00", "2026-06-14T21:00:00+00:00"),
    ],
)
def test_next_opening_is_in_the_projects_own_time(zone: ZoneInfo, now: str, opens: str) -> None:
    assert not is_open(OFFICE, zone, at(now))
    assert next_opening(OFFICE, zone, at(now)) == at(opens)


@pytest.mark.parametrize("now", ["2026-01-12T08:00:00+00:00", "2026-01-12T15:59:59+00:00"])
def test_open_from_the_first_to_before_the_last_instant(now: str) -> None:
    assert is_open(OFFICE, BERLIN, at(now))
    assert next_opening(OFFICE, BERLIN, at(now)) is None


def test_no_rows_means_always_open() -> None:
    assert is_open([], BERLIN, at("2026-01-11T03:00:00+00:00"))
    assert next_opening([], BERLIN, at("2026-01-11T03:00:00+00:00")) is None


def test_two_rows_that_meet_at_midnight_are_one_opening() -> None:
    night = [Stretch(0, time(18), time(23, 59)), Stretch(1, time(0), time(2))]
    for now in ("2026-01-12T22:59:30+00:00", "2026-01-12T23:00:00+00:00", "2026-01-13T00:59:59+00:00"):
        assert is_open(night, BERLIN, at(now)), now
    assert next_opening(night, BERLIN, at("2026-01-13T01:00:00+00:00")) == at("2026-01-19T17:00:00+00:00")


def test_a_lunch_break_is_closed() -> None:
    split = [Stretch(0, time(9), time(12)), Stretch(0, time(13), time(17))]
    assert next_opening(split, BERLIN, at("2026-01-12T11:30:00+00:00")) == at("2026-01-12T12:00:00+00:00")


def test_one_opening_a_week_is_found_a_week_ahead() -> None:
    once = [Stretch(2, time(9), time(10))]
    assert next_opening(once, BERLIN, at("2026-01-14T09:00:00+00:00")) == at("2026-01-21T08:00:00+00:00")


def test_the_hour_that_happens_twice_is_open_twice() -> None:
    night = [Stretch(6, time(1), time(2, 30))]  # Sunday 25 October 2026: 02:00-03:00 repeats in Berlin
    assert is_open(night, BERLIN, at("2026-10-25T00:15:00+00:00"))  # 02:15, summer time
    assert is_open(night, BERLIN, at("2026-10-25T01:15:00+00:00"))  # 02:15 again, winter time
    assert not is_open(night, BERLIN, at("2026-10-25T01:30:00+00:00"))


def test_an_opening_inside_the_hour_that_never_happens_still_opens() -> None:
    night = [Stretch(6, time(2, 30), time(5))]  # Sunday 29 March 2026: 02:00-03:00 is skipped in Berlin
    assert next_opening(night, BERLIN, at("2026-03-28T12:00:00+00:00")) == at("2026-03-29T01:30:00+00:00")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd"])
def test_an_unknown_zone_is_utc(name: str) -> None:
    assert zone_of(name).key == "UTC"
