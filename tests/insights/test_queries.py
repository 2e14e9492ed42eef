"""The figures: what counts, where, and that rehearsals count nowhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from insights import gaps, periods, queries
from insights.models import GapQuestion, KnowledgeGap
from insights.periods import Period
from insights.queries import Outcomes
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.insights.past import gap_of, talk

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
WEEK = periods.ending(NOON, days=7, zone=ZoneInfo("UTC"))
REPORTS: dict[str, Callable[[Period], Any]] = {
    name: function
    for module in (queries, gaps)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if not name.startswith("_") and next(iter(inspect.signature(function).parameters), "") == "period"
}


@pytest.fixture
def inside(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside() as cast:
        yield cast


@pytest.fixture
def project(inside: Cast) -> Project:
    return Project.objects.get(pk=inside.project_id)


def plain(result: Any) -> Any:
    """A report's answer with rows that compare by value."""
    return list(result.order_by("pk").values_list("pk", flat=True)) if hasattr(result, "order_by") else result


def everything(project: Project, *, is_test: bool) -> None:
    """One conversation that would show in every report."""
    one = talk(project, NOON, outcome="people", is_test=is_test, rating=5, rating_comment="Quick.")
    one.handoff("request", 1, 10, 60, 300)
    for text in ("Do you repair phones?", "Is there parking at the showroom?"):
        gap = gap_of(one.turn(text, evidence={"passages": []}), 0.1)
        GapQuestion.objects.filter(gap=gap).update(asked_at=NOON)
    KnowledgeGap.objects.filter(pk=gap.pk).update(state="closed", closed_at=NOON)


def test_no_report_counts_a_test_conversation(project: Project) -> None:
    assert set(REPORTS) >= {
        "episodes",
        "handed_over",
        "handoffs",
        "outcomes",
        "outcomes_by_day",
        "satisfaction",
        "reasons",
        "timings",
        "comments",
        "open_gaps",
        "closed_gaps",
    }
    projects = [project.pk]
    empty = {name: plain(report(WEEK, projects)) for name, report in REPORTS.items()}
    everything(project, is_test=True)
    assert {name: plain(report(WEEK, projects)) for name, report in REPORTS.items()} == empty
    everything(project, is_test=False)
    for name, report in REPORTS.items():
        assert plain(report(WEEK, projects)) != empty[name], f"{name} does not see a real conversation either"


def test_outcomes_are_counted_where_the_episode_began(project: Project) -> None:
    for outcome, times in (
        ("ai_confirmed", 1),
        ("ai_assumed", 3),
        ("people", 2),
        ("unresolved", 1),
        ("", 1),
    ):
        for _ in range(times):
            talk(project, NOON, outcome=outcome)
    talk(project, WEEK.start - timedelta(seconds=1), outcome="people")
    talk(project, WEEK.end, outcome="people")
    found = queries.outcomes(WEEK, [project.pk])
    assert found == Outcomes(confirmed=1, assumed=3, people=2, unresolved=1, open=1)
    assert (found.ai, found.ended, found.total, found.resolved_share) == (4, 7, 8, 86)


def test_a_visitor_who_wrote_nothing_is_no_conversation(project: Project) -> None:
    silent = talk(project, NOON, silent=True)
    silent.say("Hello, ask me anything.", sender="ai")
    silent.say("a private thought", sender="agent", kind="note")
    assert queries.outcomes(WEEK, [project.pk]).total == 0


def test_days_are_the_time_zones_own_and_none_is_left_out(project: Project) -> None:
    zone = ZoneInfo("Pacific/Auckland")
    period = periods.ending(NOON, days=7, zone=zone)
    assert (period.first, period.last) == (date(2026, 3, 13), date(2026, 3, 19))
    talk(project, datetime(2026, 3, 17, 23, 30, tzinfo=UTC), outcome="people")  # 12:30 on the 18th, there
    by_day = queries.outcomes_by_day(period, [project.pk])
    assert [day for day, _ in by_day] == period.dates
    assert {day: counts.people for day, counts in by_day if counts.total} == {date(2026, 3, 18): 1}


def test_satisfaction_is_the_share_of_fours_and_fives(project: Project) -> None:
    for rating, outcome in ((5, "ai_confirmed"), (4, "people"), (3, "people"), (1, "unresolved"), (None, "people")):
        one = talk(project, NOON, outcome=outcome, rating=rating)
        if outcome == "people":
            one.handoff("request", 1, 10)
    found = queries.satisfaction(WEEK, [project.pk])
    assert (found.ratings, found.good, found.good_share) == (4, 2, 50)
    assert (found.ai_ratings, found.ai_share, found.people_ratings, found.people_share) == (2, 50, 2, 50)


def test_who_joined_decides_whose_rating_it_is_not_how_it_ended(project: Project) -> None:
    talk(project, NOON, outcome="unresolved", rating=1).handoff("request", 1, 10)  # a person joined in vain
    talk(project, NOON, outcome="ai_assumed", rating=5).handoff("request", 1, None)  # nobody came
    twice = talk(project, NOON, outcome="people", rating=4)
    twice.handoff("request", 1, None)
    twice.handoff("request", 1, 10)
    found = queries.satisfaction(WEEK, [project.pk])
    assert (found.ai_ratings, found.ai_good, found.people_ratings, found.people_good) == (1, 1, 2, 1)
    assert found.ratings == 3


def test_the_last_ten_comments_with_who_was_there(project: Project) -> None:
    for n in range(12):
        talk(project, NOON + timedelta(minutes=n), outcome="ai_confirmed", rating=5, rating_comment=f"Good {n}.")
    late = NOON + timedelta(hours=1)
    joined = talk(project, late, outcome="unresolved", rating=2, rating_comment="Slow.")
    joined.handoff("request", 1, 10, claimed_name="Ana")
    talk(project, late, outcome="people", rating=4)
    found = queries.comments(WEEK, [project.pk])
    assert [one.text for one in found] == ["Slow.", *(f"Good {n}." for n in range(11, 2, -1))]
    assert (found[0].by, found[0].joined, found[0].rating) == ("Ana", True, 2)
    assert (found[1].by, found[1].joined) == ("", False)
    assert found[0].conversation == str(joined.conversation.pk)
    assert queries.comments(WEEK.before(), [project.pk]) == []


def test_reasons_merge_the_ways_to_ask_for_a_person(project: Project) -> None:
    for trigger in ("button", "request", "request", "keyword", "mood"):
        talk(project, NOON, outcome="people").handoff(trigger, 1, 10)
    talk(project, NOON).handoff("button", 1, None)
    found = {reason.label: reason for reason in queries.reasons(WEEK, [project.pk])}
    assert list(found) == ["Asked for a person", "Mood dropped"]
    asked = found["Asked for a person"]
    assert (asked.count, asked.taken, asked.detail) == (5, 4, "2 by the button, 3 in words")
    assert queries.handed_over(WEEK, [project.pk]) == 6


def test_timings_are_medians_of_what_happened(project: Project) -> None:
    for queue, claim, reply, resolve in ((1, 10, 60, 300), (2, 20, 100, 500), (6, 60, None, None)):
        talk(project, NOON).handoff("request", queue, claim, reply, resolve)
    talk(project, NOON).handoff("request", 3, None, None, None)
    found = {timing.key: timing for timing in queries.timings(WEEK, [project.pk], claim_target=15)}
    assert {key: (t.median, t.sample, t.target) for key, t in found.items()} == {
        "queue": (2.5, 4, 2),
        "claim": (20.0, 3, 15),
        "reply": (80.0, 2, 90),
        "resolve": (400.0, 2, 480),
    }
    assert found["claim"].late_by == 5.0
    assert found["reply"].late_by == 0.0
    assert found["claim"].p90 == pytest.approx(52.0)


def test_timings_of_nothing_are_none(project: Project) -> None:
    assert {(t.median, t.p90, t.sample) for t in queries.timings(WEEK, [project.pk])} == {(None, None, 0)}


def test_another_project_counts_apart(project: Project) -> None:
    other = Project.objects.create(key="other", name="Other")
    talk(project, NOON, outcome="people")
    talk(other, NOON, outcome="unresolved").handoff("mood", 1)
    assert queries.outcomes(WEEK, [project.pk]) == Outcomes(people=1)
    assert queries.outcomes(WEEK, [other.pk]) == Outcomes(unresolved=1)
    assert queries.outcomes(WEEK).total == 2
    assert queries.reasons(WEEK, [project.pk]) == []
    assert queries.outcomes(WEEK, []).total == 0


def test_gaps_come_most_asked_first_with_what_was_found(project: Project) -> None:
    passages = [{"title": "Care", "heading": "Cleaning", "url": "https://x.example/", "score": 0.31}]
    for text, times in (("Do you repair phones?", 1), ("Gift after 40 days?", 3)):
        for n in range(times):
            one = talk(project, NOON)
            evidence = {"passages": passages if n == 0 else []}
            turn = one.turn(text, evidence=evidence)
            gap_of(turn, 0.2)
            GapQuestion.objects.filter(turn=turn).update(asked_at=NOON + timedelta(minutes=n))
    found = gaps.open_gaps(WEEK, [project.pk])
    titles = [(gap.row.question, gap.times) for gap in found]
    assert titles == [("Gift after 40 days?", 3), ("Do you repair phones?", 1)]
    first = found[0]
    assert first.last_asked_at == NOON + timedelta(minutes=2)
    assert (first.best_score, first.passages, first.needed) == (0.31, (), project.evidence_threshold)
    assert found[1].passages == tuple(passages)
    assert gaps.open_gaps(WEEK.before(), [project.pk]) == []


def test_a_closed_gap_is_not_listed(project: Project, inside: Cast) -> None:
    from insights.actions import close_gap

    everything(project, is_test=False)
    gap = gaps.open_gaps(WEEK, [project.pk])[0]
    assert close_gap(seat=inside.owner.seat, gap_id=gap.row.pk)
    assert gaps.open_gaps(WEEK, [project.pk]) == []
    assert not close_gap(seat=inside.owner.seat, gap_id=gap.row.pk)


def test_the_period_before_touches_this_one() -> None:
    before = WEEK.before()
    assert (before.days, before.end) == (7, WEEK.start)


def test_an_unknown_time_zone_is_utc() -> None:
    assert periods.zone_named("Mars/Olympus").key == "UTC"
    assert periods.zone_named("../etc").key == "UTC"
