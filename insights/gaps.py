"""Knowledge gaps as the report shows them. Only reads, and only what real visitors asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber

from chat.models import Conversation
from insights.models import GapQuestion, KnowledgeGap
from insights.periods import Period
from insights.queries import Projects

_LATEST = 20  # askings of one gap that are looked into; the count is of all


@dataclass(frozen=True)
class Asked:
    """One time somebody asked a question that found no good evidence."""

    text: str
    at: datetime
    conversation: str
    confidence: float
    passages: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Tried:
    """A question that was asked again after an answer was written."""

    text: str
    before: float
    after: float
    passes: bool


@dataclass(frozen=True)
class Gap:
    """Questions without a good answer; `asked` are the latest askings in the period, newest first."""

    row: KnowledgeGap
    times: int
    asked: tuple[Asked, ...]
    best_score: float | None

    @property
    def last_asked_at(self) -> datetime:
        return self.asked[0].at

    @property
    def passages(self) -> tuple[dict[str, Any], ...]:
        """What was found the last time, best first."""
        return self.asked[0].passages[:3]

    @property
    def confidence(self) -> float:
        return self.asked[0].confidence

    @property
    def needed(self) -> float:
        return self.row.project.evidence_threshold

    @property
    def tried(self) -> tuple[Tried, ...]:
        return tried(self.row)

    @property
    def missing(self) -> tuple[Tried, ...]:
        """The questions that still do not pass although an answer was written."""
        return tuple(one for one in self.tried if not one.passes)

    @property
    def is_back(self) -> bool:
        """Whether it was closed, and then asked again without a good answer."""
        return "reopened_at" in self.row.proof

    @property
    def is_checked(self) -> bool:
        """Whether an answer was written that has not been read, or asked for, yet."""
        return self.row.check_asked_at is not None or (self.row.answer_id is not None and not self.row.proof)


def tried(gap: KnowledgeGap) -> tuple[Tried, ...]:
    """What came of asking a gap's questions again, the last time."""
    return tuple(Tried(**one) for one in gap.proof.get("questions", ()))


def open_gaps(period: Period, projects: Projects = None, *, limit: int = 10) -> list[Gap]:
    """The open gaps that were met in the period, most often asked first."""
    met = GapQuestion.objects.filter(
        asked_at__gte=period.start,
        asked_at__lt=period.end,
        turn__conversation__in=Conversation.objects.real(),
        gap__state=KnowledgeGap.State.OPEN,
    )
    if projects is not None:
        met = met.filter(gap__project__in=projects)
    counts = dict(met.values_list("gap").annotate(n=Count("pk")).order_by("-n", "-gap")[:limit])
    rows = KnowledgeGap.objects.filter(pk__in=counts).select_related("project")
    asked = _asked(met.filter(gap__in=counts))
    found = [_gap(row, times=counts[row.pk], asked=asked[row.pk]) for row in rows]
    return sorted(found, key=lambda gap: (-gap.times, -gap.last_asked_at.timestamp()))


def closed_gaps(period: Period, projects: Projects = None, *, limit: int = 5) -> list[KnowledgeGap]:
    """The gaps that were closed in the period, by proof or by somebody's word, newest first."""
    real = GapQuestion.objects.filter(gap=OuterRef("pk"), turn__conversation__in=Conversation.objects.real())
    closed = KnowledgeGap.objects.filter(
        Exists(real), state=KnowledgeGap.State.CLOSED, closed_at__gte=period.start, closed_at__lt=period.end
    )
    if projects is not None:
        closed = closed.filter(project__in=projects)
    return list(closed.select_related("answer", "project").order_by("-closed_at")[:limit])


def _asked(met: QuerySet[GapQuestion]) -> dict[int | None, list[Asked]]:
    """The latest questions of each gap. None is no key here: all of these have one."""
    latest = Window(RowNumber(), partition_by="gap", order_by="-asked_at")
    found: dict[int | None, list[Asked]] = {}
    for question in met.annotate(nth=latest).filter(nth__lte=_LATEST).select_related("turn").order_by("nth"):
        asked = Asked(
            text=question.text,
            at=question.asked_at,
            conversation=str(question.turn.conversation_id),
            confidence=question.confidence,
            passages=tuple(question.turn.evidence.get("passages", ())),
        )
        found.setdefault(question.gap_id, []).append(asked)
    return found


def _gap(row: KnowledgeGap, *, times: int, asked: list[Asked]) -> Gap:
    scores: Iterable[float] = (passage.get("score", 0.0) for one in asked for passage in one.passages)
    return Gap(row=row, times=times, asked=tuple(asked[:3]), best_score=max(scores, default=None))
