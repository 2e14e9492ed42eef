"""Each tenant's own schema: its chatbots, its people, what they did, and what must still leave the house."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.timezone import now

from tenants.workspace.fields import EncryptedTextField


class Project(models.Model):
    """One chatbot of a tenant: its content, look, triggers, hours and team."""

    class Answerer(models.TextChoices):
        EXTRACTIVE = "extractive", "Quote our pages (no model needed)"
        OPENAI = "openai", "A language model"

    class AfterHours(models.TextChoices):
        LEAD = "lead", "Ask for an e-mail address"
        SLACK = "slack", "Post to Slack"

    class HandoffsTo(models.TextChoices):
        DASHBOARD = "dashboard", "Live Support"
        SLACK = "slack", "Slack"
        BOTH = "both", "Live Support and Slack"

    key = models.SlugField(max_length=60, unique=True, help_text="Names the project in the embed line.")
    name = models.CharField(max_length=80, help_text="What visitors read at the top of the widget.")
    greeting = models.CharField(
        max_length=300, blank=True, help_text="The first line visitors read. Empty uses our own, in their language."
    )
    suggestions = models.JSONField(default=list, blank=True, help_text="Up to four questions offered at the start.")
    brand_color = models.CharField(
        max_length=7,
        default="#024c5b",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", "A colour like #7a4a1e.")],
        help_text="Colours the widget's mark, bubbles and send button.",
    )
    language = models.CharField(max_length=8, default="en", help_text="Used when a visitor's language is unknown.")
    timezone = models.CharField(max_length=60, default="UTC", help_text="Business hours are in this time zone.")
    allowed_sites = models.JSONField(
        default=list, blank=True, help_text="Sites that may show the widget, like https://shop.example. Empty: any."
    )

    request_enabled = models.BooleanField(
        default=True, help_text="Hand over at once when a visitor asks for a person, in any language."
    )
    mood_enabled = models.BooleanField(default=True, help_text="Hand over when a visitor's mood drops.")
    mood_threshold = models.FloatField(
        default=-0.4,
        validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)],
        help_text="From -1 (furious) to 1 (delighted). Below this, a person is brought in.",
    )
    weak_evidence_enabled = models.BooleanField(
        default=True, help_text="Hand over when a critical question has no good answer in your content."
    )
    evidence_threshold = models.FloatField(
        default=0.55,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="From 0 to 1. An answer below this confidence counts as weak.",
    )
    keywords: Any = models.JSONField(
        default=list, blank=True, help_text="Words of your business: [{word, kind: person | critical}]."
    )
    topics: Any = models.JSONField(
        default=list, blank=True, help_text="Critical topics of your own: [{name, keywords: [...]}]."
    )
    triage: Any = models.JSONField(
        default=dict, blank=True, help_text="What becomes of messages that are no support: {kind: answer | lead}."
    )
    claim_target_seconds = models.PositiveIntegerField(default=30, help_text="How soon a handoff should be claimed.")
    handoffs_to = models.CharField(
        max_length=9,
        choices=HandoffsTo.choices,
        default=HandoffsTo.DASHBOARD,
        help_text="Where your people are called. With Slack alone, Live Support lists them but counts on nobody there.",
    )
    after_hours = models.CharField(max_length=10, choices=AfterHours.choices, default=AfterHours.LEAD)
    notify_emails: Any = models.JSONField(
        default=list,
        blank=True,
        help_text="Told by e-mail when somebody waits too long, finds nobody, or leaves an address.",
    )

    answerer = models.CharField(max_length=12, choices=Answerer.choices, default=Answerer.EXTRACTIVE)
    model_name = models.CharField(max_length=80, blank=True)
    model_base_url = models.URLField(blank=True)
    model_key = EncryptedTextField(blank=True, default="")
    model_problem = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Why the model does not answer, in words. Empty once it does.",
    )
    persona = models.TextField(max_length=1000, blank=True, help_text="How the AI should sound, in a sentence or two.")
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return self.name


class Seat(models.Model):
    """One person in this tenant. `user_id` is the shared User's key, kept plain: no key crosses schemas; none
    for somebody who answers from Slack alone and never signs in."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        ADMIN = "admin", "Admin"
        AGENT = "agent", "Agent"
        ANALYST = "analyst", "Analyst"

    user_id = models.BigIntegerField(unique=True, null=True, blank=True)
    name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    picture = models.URLField(blank=True)
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.AGENT)
    projects = models.ManyToManyField(Project, blank=True, help_text="None chosen: all projects.")
    is_active = models.BooleanField(default=True)
    notify_by_email = models.BooleanField(
        default=True, help_text="Mail them when a visitor needs somebody and they do not have Live Support open."
    )
    is_rehearsal = models.BooleanField(default=False, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now)

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.name

    @property
    def initials(self) -> str:
        """One or two capitals for the avatar."""
        words = self.name.split()
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words[:1])).upper() or "?"


class Invitation(models.Model):
    """That somebody may take a seat here, said by letter. The link holds a secret of 256 bits, known by its
    SHA-256; for the letter it is kept encrypted until the invitation is over."""

    email = models.EmailField()
    role = models.CharField(max_length=8, choices=Seat.Role.choices, default=Seat.Role.AGENT)
    projects = models.ManyToManyField(Project, blank=True, help_text="None chosen: all projects.")
    token_hash = models.CharField(max_length=64, unique=True)
    secret = EncryptedTextField(blank=True, default="", editable=False)
    invited_by = models.ForeignKey(Seat, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="one_open_invitation_per_address",
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted."""
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > now()


class AuditEntry(models.Model):
    """Who did what, when. Only ever added to."""

    at = models.DateTimeField(default=now, db_index=True)
    seat = models.ForeignKey(Seat, null=True, blank=True, on_delete=models.SET_NULL)
    actor = models.CharField(max_length=120)
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=200, blank=True)
    data: Any = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at"]
        verbose_name = "change"

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.subject}"


class OutboxEntry(models.Model):
    """Something that must leave the house (Slack, e-mail, a webhook): kept until it has, in order of `lane`."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        DEAD = "dead", "Failed for good"
        SKIPPED = "skipped", "No longer needed"

    kind = models.CharField(max_length=40)
    lane = models.CharField(max_length=80, help_text="Entries of one lane leave in order, e.g. a conversation's id.")
    idempotency_key = models.CharField(max_length=120, unique=True)
    payload: Any = models.JSONField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=now)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "outgoing entry"
        verbose_name_plural = "outgoing"
        indexes = [
            models.Index(fields=["state", "next_at"]),
            models.Index(fields=["lane", "id"]),
            models.Index(fields=["kind", "created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.idempotency_key}"
