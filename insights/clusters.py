"""Which questions mean the same: the nearest gap of a question, and the most central question of a gap."""

from __future__ import annotations

import numpy as np
from django.db.models import Avg
from pgvector.django import MaxInnerProduct

from insights.models import GapQuestion
from knowledge.embed import Vector

# benchmarks/gaps.py, on StackFAQ: of the pairs that fall together at .92, .77 belong together with three questions
# a topic and .90 with ten; of those that belong together .51 and .45 do. Below, precision falls faster than recall
# rises; and a question that hides under a foreign title is worse than two gaps of one meaning.
JOINS_FROM = 0.92
_SAME_FROM = 0.97  # the same words, but for capitals and stops; of StackFAQ's other pairs 1 in 100 reaches .904
_LATEST = 200


def nearest_gap(project_id: int, vector: Vector) -> int | None:
    """The gap, open or closed, whose questions are nearest on average (inner product), if they are near enough;
    before all others one that holds the very same words."""
    known = GapQuestion.objects.filter(gap__project_id=project_id, vector__isnull=False)
    # pgvector's operator is the negative inner product.
    same = known.annotate(distance=MaxInnerProduct("vector", vector)).order_by("distance", "-pk").first()
    if same is not None and -same.distance >= _SAME_FROM:
        return same.gap_id
    means = known.values("gap").annotate(distance=Avg(MaxInnerProduct("vector", vector)))
    best = means.order_by("distance", "gap").first()
    return int(best["gap"]) if best and -best["distance"] >= JOINS_FROM else None


def central_question(gap_id: int) -> GapQuestion | None:
    """Of the latest questions the one nearest to all others; the earliest of equals."""
    known = GapQuestion.objects.filter(gap=gap_id, vector__isnull=False).select_related("turn__conversation")
    latest = sorted(known.order_by("-pk")[:_LATEST], key=lambda question: question.pk)
    if not latest:
        return None
    vectors = np.array([question.vector for question in latest], dtype=np.float64)
    return latest[int(np.argmax(np.round(vectors @ vectors.mean(axis=0), 6)))]
