"""The report of a tenant's chatbots. Everybody with a seat may read it; its links lead where the seat may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from chat.policies import may_talk
from insights import charts, gaps, links, periods, queries
from insights.periods import Period
from tenants.access import SeatRequest, seat_required
from tenants.workspace.models import Project, Seat
from tenants.workspace.policies import projects_of

READERS = ("owner", "admin", "agent", "analyst")
CONFIGURERS = frozenset({Seat.Role.OWNER, Seat.Role.ADMIN})


@dataclass(frozen=True)
class Change:
    """A share against the same number of days before, in points; None where either had nothing to count."""

    points: int | None

    @property
    def way(self) -> str:
        points = self.points or 0
        return "up" if points > 0 else "dn" if points < 0 else "minus"

    @property
    def size(self) -> int:
        return abs(self.points or 0)


@seat_required(*READERS)
def report(request: SeatRequest) -> HttpResponse:
    """`?days=` 7, 28 or 90, `?project=` a key; anything else means the default."""
    mine = list(projects_of(request.seat).order_by("name"))
    chosen = next((project for project in mine if project.key == request.GET.get("project")), None)
    days = next((days for days in periods.CHOICES if str(days) == request.GET.get("days")), periods.DEFAULT)
    counted = [chosen] if chosen else mine
    zone = periods.zone_named(counted[0].timezone if counted else "UTC")
    period = periods.ending(timezone.now(), days=days, zone=zone)
    context = {
        "seat": request.seat,
        "projects": mine,
        "chosen": chosen,
        "period": period,
        "before": period.before(),
        "choices": [(choice, _link(choice, chosen)) for choice in periods.CHOICES],
        "may_talk": may_talk(request.seat),
        "may_configure": request.seat.role in CONFIGURERS,
        **_figures(period, [project.pk for project in counted], claim_target=_claim_target(counted)),
    }
    return render(request, "insights/report.html", context)


def _claim_target(projects: list[Project]) -> int:
    """The strictest promise of the projects that are counted together."""
    return min((project.claim_target_seconds for project in projects), default=30)


def _link(days: int, project: Project | None) -> str:
    asked: dict[str, Any] = {"days": days} | ({"project": project.key} if project else {})
    return "?" + urlencode(asked)


def _figures(period: Period, projects: list[int], *, claim_target: int) -> dict[str, Any]:
    """Every figure of the page, with those of the days before."""
    outcomes, earlier = queries.outcomes(period, projects), queries.outcomes(period.before(), projects)
    rated, rated_earlier = (
        queries.satisfaction(period, projects),
        queries.satisfaction(period.before(), projects),
    )
    by_day = queries.outcomes_by_day(period, projects)
    reasons = queries.reasons(period, projects)
    handed = queries.handed_over(period, projects)
    return {
        "outcomes": outcomes,
        "resolved_change": _change(outcomes.resolved_share, earlier.resolved_share),
        "split": _split(outcomes),
        "ai_share": outcomes.share_of_ended(outcomes.ai),
        "people_share": outcomes.share_of_ended(outcomes.people),
        "none_share": outcomes.share_of_ended(outcomes.unresolved),
        "satisfaction": rated,
        "satisfaction_change": _change(rated.good_share, rated_earlier.good_share),
        "rated_share": queries.share(rated.ratings, outcomes.ended),
        "total_earlier": earlier.total,
        "handed": handed,
        "handed_share": queries.share(handed, outcomes.total),
        "asked_for": sum(reason.count for reason in reasons),
        "taken": sum(reason.taken for reason in reasons),
        "reasons": [(reason, queries.share(reason.count, reasons[0].count)) for reason in reasons],
        "timings": [(t, charts.bullet(t)) for t in queries.timings(period, projects, claim_target=claim_target)],
        "columns": charts.columns(by_day),
        "by_day": [entry for entry in reversed(by_day) if entry[1].total],
        "comments": queries.comments(period, projects),
        "gaps": [(gap, links.answer(gap.row)) for gap in gaps.open_gaps(period, projects)],
        "closed_gaps": [(gap, gaps.tried(gap)) for gap in gaps.closed_gaps(period, projects)],
    }


def _change(now: int | None, before: int | None) -> Change:
    return Change(None if now is None or before is None else now - before)


def _split(outcomes: queries.Outcomes) -> list[tuple[str, float, float]]:
    """The resolved bar: kind, where it starts and how long it is, in percents of the ended conversations."""
    parts, at = [], 0.0
    for kind, count in (("ai", outcomes.ai), ("people", outcomes.people), ("none", outcomes.unresolved)):
        if count:
            width = 100 * count / outcomes.ended
            parts.append((kind, round(at, 2), round(width, 2)))
            at += width
    return parts
