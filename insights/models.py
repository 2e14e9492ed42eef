"""What the content does not answer."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from pgvector.django import VectorField

from knowledge.models import DIMENSIONS


class KnowledgeGap(models.Model):
    """Questions of one meaning that got no good evidence.

    A gap closes by a person's word, or by proof: once the entry written for it is live its questions are asked
    again, and all pass. Met again, it opens again.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"

    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="gaps")
    question = models.TextField(help_text="The most central of its questions, as a visitor put it.")
    language = models.CharField(max_length=8, blank=True)
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    times_asked = models.PositiveIntegerField(default=0)
    first_asked_at = models.DateTimeField(default=timezone.now)
    last_asked_at = models.DateTimeField(default=timezone.now)
    answer = models.ForeignKey(
        "knowledge.Source",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The entry written for it.",
    )
    check_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its questions wait to be asked again."
    )
    proof: Any = models.JSONField(
        default=dict,
        blank=True,
        help_text="What came of asking again: {at, needed, questions: [{text, before, after, passes}]}; of a gap that "
        "was closed and is open again {reopened_at}.",
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="closed") | models.Q(closed_at__isnull=True),
                name="only_closed_gaps_have_an_end",
            )
        ]
        indexes = [models.Index(fields=["project", "state", "-times_asked"])]

    def __str__(self) -> str:
        return self.question


class GapQuestion(models.Model):
    """One time a gap was met: the turn that found nothing good, with its confidence. Without a gap it has only been
    noted. `vector` is the question's unit vector as it was searched with; null until it has a gap, and for questions
    kept before gaps were clusters."""

    gap = models.ForeignKey(KnowledgeGap, null=True, blank=True, on_delete=models.CASCADE, related_name="questions")
    turn = models.OneToOneField("chat.Turn", on_delete=models.CASCADE, related_name="gap_question")
    text = models.TextField()
    confidence = models.FloatField()
    vector: Any = VectorField(dimensions=DIMENSIONS, null=True, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.text
