"""Who is there to answer, when the business is open, and who wants to be written to."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Availability(models.Model):
    """An agent's presence: fresh while the dashboard keeps saying so, never a promise for later."""

    class State(models.TextChoices):
        ONLINE = "online", "Online"
        AWAY = "away", "Away"

    FRESH_SECONDS = 45

    seat = models.OneToOneField("workspace.Seat", on_delete=models.CASCADE, related_name="availability")
    state = models.CharField(max_length=6, choices=State.choices, default=State.ONLINE)
    capacity = models.PositiveIntegerField(default=4, help_text="How many conversations at once.")
    seen_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.seat}: {self.state}"


class OpeningHours(models.Model):
    """One stretch of one weekday in which people answer, in the project's time zone."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="opening_hours")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    opens = models.TimeField()
    closes = models.TimeField()

    class Meta:
        ordering = ["weekday", "opens"]
        verbose_name_plural = "opening hours"
        constraints = [
            models.CheckConstraint(condition=models.Q(closes__gt=models.F("opens")), name="closes_after_it_opens"),
            models.UniqueConstraint(fields=["project", "weekday", "opens"], name="one_opening_each"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M}-{self.closes:%H:%M}"


class LeadQuerySet(models.QuerySet["Lead"]):
    def real(self) -> LeadQuerySet:
        """Leads of real visitors."""
        return self.filter(conversation__is_test=False)


class Lead(models.Model):
    """A visitor who wants an answer later: name, address, question; the transcript is the conversation's."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        DONE = "done", "Done"

    conversation = models.ForeignKey("chat.Conversation", on_delete=models.CASCADE, related_name="leads")
    name = models.CharField(max_length=120, blank=True)
    email = models.EmailField()
    question = models.TextField(blank=True)
    state = models.CharField(max_length=4, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(default=timezone.now)

    objects = LeadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "email"], condition=models.Q(state="open"), name="one_open_lead_per_address"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.email
