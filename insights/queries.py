"""What happened in a period, as figures. Only reads, and only conversations with real visitors.

Every function takes the ids of the projects that count, or None for all of the tenant. An episode counts where
it began, a handoff where it was asked for; an episode in which the visitor wrote nothing is no conversation.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.models.aggregates import Aggregate
from django.db.models.functions import Coalesce, TruncDate

from chat.models import Episode, EpisodeQuerySet, Handoff, HandoffQuerySet, Message
from insights.periods import Period
from livesupport.clock import FIRST_REPLY_SECONDS, RESOLVE_SECONDS

Projects = Collection[int] | None
TO_QUEUE_SECONDS = 2


def share(part: int, whole: int) -> int | None:
    """Whole percents, or None where there is nothing to take a share of."""
    return round(100 * part / whole) if whole else None


@dataclass(frozen=True)
class Outcomes:
    """How the conversations of a period, or of one day, ended. `open` ones have not ended yet."""

    confirmed: int = 0
    assumed: int = 0
    people: int = 0
    unresolved: int = 0
    open: int = 0

    @property
    def ai(self) -> int:
        return self.confirmed + self.assumed

    @property
    def ended(self) -> int:
        return self.ai + self.people + self.unresolved

    @property
    def total(self) -> int:
        return self.ended + self.open

    @property
    def resolved_share(self) -> int | None:
        return share(self.ai + self.people, self.ended)

    def share_of_ended(self, part: int) -> int | None:
        return share(part, self.ended)


@dataclass(frozen=True)
class Satisfaction:
    """Ratings of 1 to 5; `good` are the 4s and 5s. Apart for episodes that the AI had alone and those that a
    person joined, however they ended."""

    ratings: int
    good: int
    ai_ratings: int
    ai_good: int
    people_ratings: int
    people_good: int

    @property
    def good_share(self) -> int | None:
        return share(self.good, self.ratings)

    @property
    def ai_share(self) -> int | None:
        return share(self.ai_good, self.ai_ratings)

    @property
    def people_share(self) -> int | None:
        return share(self.people_good, self.people_ratings)


@dataclass(frozen=True)
class Reason:
    """Why people were brought in, how often, and how many of these a person took."""

    key: str
    label: str
    count: int
    taken: int
    detail: str = ""


@dataclass(frozen=True)
class Timing:
    """One step of a handoff: the median, the slowest tenth's beginning, and what we aim at, in seconds."""

    key: str
    label: str
    target: int
    median: float | None
    p90: float | None
    sample: int

    @property
    def late_by(self) -> float:
        return max(0.0, (self.median or 0.0) - self.target)


@dataclass(frozen=True)
class Comment:
    """What a visitor wrote with a rating; `by` is who ended it: a person's name, or empty for the AI alone."""

    rating: int
    text: str
    by: str
    joined: bool
    at: datetime
    conversation: str
    project: str


class Percentile(Aggregate):
    """Postgres' continuous percentile: of durations, a duration; rows without a value do not count."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(fraction)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Any, *, fraction: float, **extra: Any) -> None:
        super().__init__(expression, fraction=fraction, output_field=DurationField(), **extra)


def episodes(period: Period, projects: Projects) -> EpisodeQuerySet:
    """The conversations of the period, as episodes."""
    spoke = Message.objects.filter(episode=OuterRef("pk"), sender=Message.Sender.VISITOR, kind=Message.Kind.TEXT)
    found = Episode.objects.real().filter(Exists(spoke), started_at__gte=period.start, started_at__lt=period.end)
    return found if projects is None else found.filter(conversation__project__in=projects)


def handoffs(period: Period, projects: Projects) -> HandoffQuerySet:
    """The handoffs that were asked for in the period."""
    found = Handoff.objects.real().filter(requested_at__gte=period.start, requested_at__lt=period.end)
    return found if projects is None else found.filter(conversation__project__in=projects)


_COUNTS = {
    "confirmed": Count("pk", filter=Q(outcome=Episode.Outcome.AI_CONFIRMED)),
    "assumed": Count("pk", filter=Q(outcome=Episode.Outcome.AI_ASSUMED)),
    "people": Count("pk", filter=Q(outcome=Episode.Outcome.PEOPLE)),
    "unresolved": Count("pk", filter=Q(outcome=Episode.Outcome.UNRESOLVED)),
    "open": Count("pk", filter=Q(outcome=Episode.Outcome.OPEN)),
}


def outcomes(period: Period, projects: Projects = None) -> Outcomes:
    """How the period's conversations ended."""
    return Outcomes(**episodes(period, projects).aggregate(**_COUNTS))


def outcomes_by_day(period: Period, projects: Projects = None) -> list[tuple[date, Outcomes]]:
    """One entry a day, in order, days without a conversation included."""
    rows = (
        episodes(period, projects)
        .annotate(day=TruncDate("started_at", tzinfo=period.zone))
        .values("day")
        .annotate(**_COUNTS)
        .values_list("day", *_COUNTS)
    )
    known = {day: Outcomes(*counts) for day, *counts in rows}
    return [(day, known.get(day, Outcomes())) for day in period.dates]


def satisfaction(period: Period, projects: Projects = None) -> Satisfaction:
    """How visitors rated the period's conversations."""
    good, alone, joined = Q(rating__gte=4), Q(joined=False), Q(joined=True)
    return Satisfaction(
        **_rated(period, projects).aggregate(
            ratings=Count("pk"),
            good=Count("pk", filter=good),
            ai_ratings=Count("pk", filter=alone),
            ai_good=Count("pk", filter=alone & good),
            people_ratings=Count("pk", filter=joined),
            people_good=Count("pk", filter=joined & good),
        )
    )


def comments(period: Period, projects: Projects = None, *, limit: int = 10) -> list[Comment]:
    """The latest comments that came with the period's ratings."""
    rows = _rated(period, projects).exclude(rating_comment="").select_related("conversation__project")
    latest: Any = rows.annotate(at=Coalesce("ended_at", "last_message_at"), by=_joined().values("claimed_name")[:1])
    return [
        Comment(
            rating=row.rating or 0,
            text=row.rating_comment,
            by=row.resolved_by or row.by or "",
            joined=row.joined,
            at=row.at,
            conversation=str(row.conversation_id),
            project=row.conversation.project.name,
        )
        for row in latest.order_by("-at", "-pk")[:limit]
    ]


def _joined() -> HandoffQuerySet:
    """Handoffs of the episode that a person took, newest first."""
    return Handoff.objects.filter(episode=OuterRef("pk"), claimed_at__isnull=False).order_by("-claimed_at")


def _rated(period: Period, projects: Projects) -> EpisodeQuerySet:
    return episodes(period, projects).filter(rating__isnull=False).annotate(joined=Exists(_joined()))


def handed_over(period: Period, projects: Projects = None) -> int:
    """How many of the period's conversations were handed to people at least once."""
    return episodes(period, projects).filter(Exists(Handoff.objects.filter(episode=OuterRef("pk")))).count()


_REASONS = (
    ("ask", "Asked for a person", (Handoff.Trigger.BUTTON, Handoff.Trigger.REQUEST, Handoff.Trigger.KEYWORD)),
    ("noanswer", "No answer, critical topic", (Handoff.Trigger.WEAK_EVIDENCE,)),
    ("upset", "Mood dropped", (Handoff.Trigger.MOOD,)),
    ("flag", "The AI could not answer", (Handoff.Trigger.FAILURE,)),
    ("ci", "Passed on by a colleague", (Handoff.Trigger.COLLEAGUE,)),
)


def reasons(period: Period, projects: Projects = None) -> list[Reason]:
    """Handoffs by trigger, most frequent first; the three ways to ask for a person are one reason."""
    rows = handoffs(period, projects).values("trigger").annotate(n=Count("pk"), taken=Count("claimed_at"))
    found = {row["trigger"]: (row["n"], row["taken"]) for row in rows}
    result = []
    for key, label, triggers in _REASONS:
        counts = [found.get(trigger, (0, 0)) for trigger in triggers]
        if total := sum(n for n, _ in counts):
            detail = f"{counts[0][0]} by the button, {total - counts[0][0]} in words" if key == "ask" else ""
            result.append(Reason(key, label, total, sum(taken for _, taken in counts), detail))
    return sorted(result, key=lambda reason: -reason.count)


def timings(period: Period, projects: Projects = None, *, claim_target: int = 30) -> list[Timing]:
    """The four steps of a handoff. `claim_target` (seconds) is the project's own promise."""
    steps = (
        ("queue", "Request to queue", TO_QUEUE_SECONDS, "requested_at", "queued_at"),
        ("claim", "Queue to claim", claim_target, "queued_at", "claimed_at"),
        ("reply", "Claim to first reply", FIRST_REPLY_SECONDS, "claimed_at", "first_reply_at"),
        ("resolve", "Claim to resolved", RESOLVE_SECONDS, "claimed_at", "resolved_at"),
    )
    sums: dict[str, Any] = {}
    for key, _, _, begin, end in steps:
        took = ExpressionWrapper(F(end) - F(begin), output_field=DurationField())
        sums |= {
            f"{key}_median": Percentile(took, fraction=0.5),
            f"{key}_p90": Percentile(took, fraction=0.9),
        }
        sums[f"{key}_n"] = Count("pk", filter=Q(**{f"{begin}__isnull": False, f"{end}__isnull": False}))
    row = handoffs(period, projects).aggregate(**sums)
    return [
        Timing(key, label, target, _seconds(row[f"{key}_median"]), _seconds(row[f"{key}_p90"]), row[f"{key}_n"])
        for key, label, target, _, _ in steps
    ]


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
