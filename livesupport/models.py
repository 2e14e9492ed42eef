"""Who is there to answer, when the business is open, and who wants to be written to."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from tenants.workspace.fields import EncryptedTextField


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
    missed: Any = models.JSONField(
        null=True, blank=True, help_text="Visitors who went back to the queue while the agent was away: [name]."
    )

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


class SlackInstall(models.Model):
    """A project's way into one channel of a Slack workspace. `is_active` means that it worked when last tried."""

    project = models.OneToOneField("workspace.Project", on_delete=models.CASCADE, related_name="slack")
    app_id = models.CharField(max_length=40)
    team_id = models.CharField(max_length=40)
    team_name = models.CharField(max_length=200, blank=True)
    bot_user_id = models.CharField(max_length=40)
    bot_token = EncryptedTextField(blank=True, default="")
    channel_id = models.CharField(max_length=40, blank=True)
    channel_name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    problem = models.CharField(max_length=300, blank=True, help_text="Why it stopped working, in words.")
    anyone_may_answer = models.BooleanField(default=True)
    answers_any_hour = models.BooleanField(default=False)
    rehearses_until = models.DateTimeField(null=True, blank=True, help_text="Tests go to Slack too until then.")
    installed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"#{self.channel_name}" if self.channel_name else self.team_name

    @property
    def is_ready(self) -> bool:
        """Whether a handoff can be posted now."""
        return bool(self.is_active and self.bot_token and self.channel_id)


class SlackThread(models.Model):
    """Where a handoff is talked about in Slack. `ts` names the parent message once it is posted; it shows the
    transcript up to `transcript_seq`, and what came later stands in the thread."""

    handoff = models.OneToOneField("chat.Handoff", on_delete=models.CASCADE, related_name="slack_thread")
    install = models.ForeignKey(SlackInstall, on_delete=models.CASCADE, related_name="threads")
    channel_id = models.CharField(max_length=40)
    ts = models.CharField(max_length=24, blank=True)
    transcript_seq = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["install", "channel_id", "ts"], condition=~models.Q(ts=""), name="one_handoff_per_thread"
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel_id}/{self.ts}"


class SlackPerson(models.Model):
    """What Slack said of one of its people, and the seat they answer with. Asked again after a day."""

    team_id = models.CharField(max_length=40)
    slack_id = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    is_colleague = models.BooleanField(help_text="A full member of the workspace: no guest, bot or outsider.")
    seat = models.ForeignKey("workspace.Seat", null=True, on_delete=models.SET_NULL, related_name="+")
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team_id", "slack_id"], name="one_row_per_slack_person")]

    def __str__(self) -> str:
        return self.name


class RehearsalRun(models.Model):
    """A test escalation that somebody started from the checklist. `steps` is what happened so far, in order:
    [{name, ok, ms, target_ms, problem?}]; `error` is the sentence that says why it is not whole."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PASSED = "passed", "Every step happened"
        FAILED = "failed", "Stopped"

    MOVES: dict[str, frozenset[str]] = {
        State.RUNNING: frozenset({State.PASSED, State.FAILED}),
        State.PASSED: frozenset(),
        State.FAILED: frozenset(),
    }
    SILENT_SECONDS = 120  # longer than the longest step: whoever plays it is gone

    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="rehearsals")
    state = models.CharField(max_length=7, choices=State.choices, default=State.RUNNING)
    started_by = models.CharField(max_length=120)
    started_at = models.DateTimeField(default=timezone.now)
    taken_at = models.DateTimeField(null=True, blank=True, help_text="When a worker began to play it.")
    beat_at = models.DateTimeField(default=timezone.now)
    steps: Any = models.JSONField(default=list)
    ended_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            # There is one rehearsal seat in a tenant: two players would take it from each other.
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_rehearsal_at_a_time"
            ),
            models.CheckConstraint(
                condition=models.Q(state="running", ended_at__isnull=True)
                | (~models.Q(state="running") & models.Q(ended_at__isnull=False)),
                name="a_rehearsal_that_is_over_has_an_end",
            ),
        ]
        indexes = [models.Index(fields=["project", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.get_state_display()} ({self.project})"

    @property
    def is_running(self) -> bool:
        return self.state == self.State.RUNNING

    @property
    def ok(self) -> bool | None:
        """Whether every step happened; None while that is open."""
        return None if self.is_running else self.state == self.State.PASSED
