"""What the content does not answer."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class KnowledgeGap(models.Model):
    """Questions that got no good evidence, gathered under one wording.

    First form: questions whose letters and digits are the same fall together (`question_key`).
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"

    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="gaps")
    question = models.TextField(help_text="As the last visitor put it.")
    question_key = models.CharField(max_length=64)
    language = models.CharField(max_length=8, blank=True)
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    times_asked = models.PositiveIntegerField(default=0)
    first_asked_at = models.DateTimeField(default=timezone.now)
    last_asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "question_key"], name="one_gap_per_question")]
        indexes = [models.Index(fields=["project", "state", "-times_asked"])]

    def __str__(self) -> str:
        return self.question


class GapQuestion(models.Model):
    """One time a gap was met: the turn that found nothing good, with its confidence."""

    gap = models.ForeignKey(KnowledgeGap, on_delete=models.CASCADE, related_name="questions")
    turn = models.OneToOneField("chat.Turn", on_delete=models.CASCADE, related_name="gap_question")
    text = models.TextField()
    confidence = models.FloatField()
    asked_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.text
