"""The conversation and its log. Everything a party must see is a Message; `seq` has no hole."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

FIRST_WORDS = timedelta(seconds=17)  # promised are 20 s; what is left is for calling people instead


class Visitor(models.Model):
    """A person on the business's site. Holds a 256-bit token, of which only the SHA-256 is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="visitors")
    token_hash = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    is_verified = models.BooleanField(default=False, help_text="Identified by a token the business signed.")
    is_test = models.BooleanField(default=False)
    language = models.CharField(max_length=8, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, help_text="Last sign of life of any of their tabs.")
    is_away = models.BooleanField(default=False, help_text="The page is open in a background tab.")

    def __str__(self) -> str:
        return self.name or f"Visitor {str(self.id)[:4]}"


class ConversationQuerySet(models.QuerySet["Conversation"]):
    """The one filter that keeps rehearsals out of every report, quota and notification."""

    def real(self) -> ConversationQuerySet:
        """Conversations with real visitors."""
        return self.filter(is_test=False)


class Conversation(models.Model):
    """The one thread between a visitor and a project. `epoch` goes up each time `owner` changes hands."""

    class Owner(models.TextChoices):
        AI = "ai", "The AI"
        QUEUE = "queue", "Waiting for a person"
        AGENT = "agent", "A person"
        NONE = "none", "Nobody"

    MOVES: dict[str, frozenset[str]] = {
        Owner.AI: frozenset({Owner.QUEUE, Owner.AGENT, Owner.NONE, Owner.AI}),
        Owner.QUEUE: frozenset({Owner.AGENT, Owner.AI, Owner.NONE}),
        Owner.AGENT: frozenset({Owner.QUEUE, Owner.AGENT, Owner.AI, Owner.NONE}),
        Owner.NONE: frozenset({Owner.AI, Owner.QUEUE}),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="conversations")
    visitor = models.OneToOneField(Visitor, on_delete=models.CASCADE, related_name="conversation")
    owner = models.CharField(max_length=5, choices=Owner.choices, default=Owner.AI)
    epoch = models.PositiveIntegerField(default=1)
    holder = models.ForeignKey("workspace.Seat", null=True, blank=True, on_delete=models.SET_NULL, related_name="held")
    last_seq = models.PositiveIntegerField(default=0)
    visitor_seen_seq = models.PositiveIntegerField(default=0)
    team_seen_seq = models.PositiveIntegerField(default=0)
    is_test = models.BooleanField(default=False)
    language = models.CharField(max_length=8, blank=True)
    page_url = models.CharField(max_length=1000, blank=True)
    page_title = models.CharField(max_length=200, blank=True)
    pages: Any = models.JSONField(default=list, help_text="The last pages visited: [{url, title, at}], oldest first.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(owner="agent", holder__isnull=False) | ~models.Q(owner="agent"),
                name="an_agents_conversation_has_a_holder",
            )
        ]
        indexes = [models.Index(fields=["owner", "updated_at"])]

    def __str__(self) -> str:
        return f"Conversation {str(self.id)[:8]}"


class EpisodeQuerySet(models.QuerySet["Episode"]):
    def real(self) -> EpisodeQuerySet:
        """Episodes of conversations with real visitors."""
        return self.filter(conversation__is_test=False)


class Episode(models.Model):
    """From a conversation's start, or its last ending, to the next ending."""

    class Outcome(models.TextChoices):
        OPEN = "", "Open"
        AI_CONFIRMED = "ai_confirmed", "Resolved by the AI, said so"
        AI_ASSUMED = "ai_assumed", "Resolved by the AI, assumed"
        PEOPLE = "people", "Resolved by a person"
        UNRESOLVED = "unresolved", "Not resolved"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="episodes")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    last_message_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.OPEN, blank=True)
    resolved_by = models.CharField(max_length=120, blank=True, help_text="The agent's name, kept for good.")
    rating = models.PositiveSmallIntegerField(null=True, blank=True)
    rating_comment = models.TextField(blank=True)

    objects = EpisodeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "number"], name="one_episode_per_number"),
            models.UniqueConstraint(
                fields=["conversation"], condition=models.Q(ended_at__isnull=True), name="one_open_episode"
            ),
            models.CheckConstraint(
                condition=models.Q(rating__isnull=True) | models.Q(rating__range=(1, 5)), name="rating_is_1_to_5"
            ),
        ]

    def __str__(self) -> str:
        return f"Episode {self.number} of {self.conversation_id}"


class Message(models.Model):
    """One entry of a conversation's log, never edited in place: a change is a new entry with a `target`."""

    class Kind(models.TextChoices):
        TEXT = "text", "Text"
        NOTE = "note", "Private note"
        FILE = "file", "Picture or PDF"
        EVENT = "event", "Event"

    class Sender(models.TextChoices):
        VISITOR = "visitor", "Visitor"
        AI = "ai", "AI"
        AGENT = "agent", "Agent"
        SYSTEM = "system", "System"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    episode = models.ForeignKey(Episode, on_delete=models.CASCADE, related_name="messages")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.TEXT)
    sender = models.CharField(max_length=7, choices=Sender.choices)
    seat = models.ForeignKey("workspace.Seat", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    sender_key = models.CharField(max_length=40, help_text="`visitor`, `ai`, `system`, or `seat:<id>`.")
    sender_name = models.CharField(max_length=120, blank=True)
    text = models.TextField(blank=True, help_text="As written. Made safe only when shown.")
    event = models.CharField(max_length=24, blank=True)
    data: Any = models.JSONField(default=dict, help_text="What the event or answer carries; see docs/protocol.md.")
    internal = models.BooleanField(default=False, help_text="Only the team sees it.")
    mood = models.FloatField(
        null=True, blank=True, help_text="How a visitor's text sounds, -1..1. Empty until it was judged."
    )
    target = models.PositiveIntegerField(null=True, blank=True, help_text="The seq that this entry changes.")
    client_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["conversation_id", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="one_message_per_seq"),
            models.UniqueConstraint(
                fields=["conversation", "sender_key", "client_id"],
                condition=models.Q(client_id__isnull=False),
                name="one_message_per_client_id",
            ),
            models.CheckConstraint(
                condition=models.Q(target__isnull=True) | models.Q(kind="event", target__lt=models.F("seq")),
                name="a_change_is_an_event_that_names_an_earlier_entry",
            ),
        ]
        # Nearly all entries are never changed, and whoever reads a text asks whether it was.
        indexes = [
            models.Index(
                fields=["conversation", "target", "-seq"],
                condition=models.Q(target__isnull=False),
                name="changes_of_entries",
            )
        ]

    def __str__(self) -> str:
        return f"{self.sender_key} #{self.seq}"


class Attachment(models.Model):
    """A picture or PDF that a message carries. Its bytes are in the file storage under `key`, a generated name;
    what its sender called it is text and nothing else."""

    class Type(models.TextChoices):
        PNG = "image/png", "PNG"
        JPEG = "image/jpeg", "JPEG"
        WEBP = "image/webp", "WebP"
        GIF = "image/gif", "GIF"
        PDF = "application/pdf", "PDF"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="attachment")
    media_type = models.CharField(max_length=15, choices=Type.choices)
    name = models.CharField(max_length=120)
    size_bytes = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True, blank=True, help_text="In pixels; a PDF has none.")
    height = models.PositiveIntegerField(null=True, blank=True)
    key = models.CharField(max_length=120, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    media_type__in=["image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf"]
                ),
                name="attachment_is_a_picture_or_pdf",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_picture(self) -> bool:
        """Whether it may be shown in place; everything else is only ever saved."""
        return self.media_type != self.Type.PDF


class Turn(models.Model):
    """The work of answering one visitor message. Held by lease, of which `attempts` is the number: whoever held an
    earlier one can no longer write. Its reply is written only while `epoch` holds."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Answered"
        DROPPED = "dropped", "Overtaken"
        FAILED = "failed", "Failed"

    MOVES: dict[str, frozenset[str]] = {
        State.QUEUED: frozenset({State.RUNNING, State.DROPPED, State.FAILED}),
        State.RUNNING: frozenset({State.RUNNING, State.QUEUED, State.DONE, State.DROPPED, State.FAILED}),
        State.DONE: frozenset(),
        State.DROPPED: frozenset(),
        State.FAILED: frozenset(),
    }
    OPEN = (State.QUEUED, State.RUNNING)

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="turn")
    epoch = models.PositiveIntegerField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    evidence: Any = models.JSONField(default=dict, help_text="{confidence, passages: [...]}, best first.")
    confidence = models.FloatField(null=True, blank=True)
    decision: Any = models.JSONField(default=dict, help_text="What judgement saw and said, and its version.")
    queued_at = models.DateTimeField(default=timezone.now)
    # The database's default serves writers that do not know the column yet, while a deployment goes on.
    overdue_at = models.DateTimeField(
        db_default=Now() + FIRST_WORDS, help_text="When people are called, unless words come before."
    )
    first_words_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=models.Q(state="running"), name="one_turn_runs_in_a_conversation"
            )
        ]
        # Few rows are open, and they are written with every piece of an answer: no time is in the index.
        indexes = [
            models.Index(
                fields=["conversation"], condition=models.Q(state__in=["queued", "running"]), name="open_turns"
            )
        ]

    def __str__(self) -> str:
        return f"Turn {self.pk} ({self.state})"


class HandoffQuerySet(models.QuerySet["Handoff"]):
    def open(self) -> HandoffQuerySet:
        """Handoffs that are not over."""
        return self.filter(state__in=Handoff.OPEN)

    def real(self) -> HandoffQuerySet:
        """Handoffs of conversations with real visitors."""
        return self.filter(conversation__is_test=False)


class Handoff(models.Model):
    """The move from the AI to people: why, with what evidence, and when each step happened."""

    class Trigger(models.TextChoices):
        BUTTON = "button", "Asked for a person"
        REQUEST = "request", "Asked for a person"
        KEYWORD = "keyword", "Asked for a person"
        MOOD = "mood", "Mood dropped"
        WEAK_EVIDENCE = "weak_evidence", "No answer"
        FAILURE = "failure", "The AI could not answer"
        COLLEAGUE = "colleague", "Passed on"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CLAIMED = "claimed", "With a person"
        STANDING = "standing", "Nobody was there"
        RESOLVED = "resolved", "Resolved"
        CLOSED = "closed", "Ended without a person"

    MOVES: dict[str, frozenset[str]] = {
        State.WAITING: frozenset({State.CLAIMED, State.STANDING, State.RESOLVED, State.CLOSED}),
        State.CLAIMED: frozenset({State.WAITING, State.CLAIMED, State.RESOLVED, State.CLOSED}),
        State.STANDING: frozenset({State.CLAIMED, State.WAITING, State.RESOLVED, State.CLOSED}),
        State.RESOLVED: frozenset(),
        State.CLOSED: frozenset(),
    }
    OPEN = (State.WAITING, State.CLAIMED, State.STANDING)

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="handoffs")
    episode = models.ForeignKey(Episode, on_delete=models.CASCADE, related_name="handoffs")
    trigger = models.CharField(max_length=14, choices=Trigger.choices)
    reason = models.CharField(max_length=300, help_text="In words, for the team.")
    question = models.TextField(blank=True, help_text="The visitor's own words that stayed unanswered.")
    evidence: Any = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    page_url = models.CharField(max_length=1000, blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    queued_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.ForeignKey("workspace.Seat", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    claimed_name = models.CharField(max_length=120, blank=True)
    claimed_via = models.CharField(max_length=12, blank=True, help_text="`dashboard` or `slack`.")
    first_reply_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_name = models.CharField(max_length=120, blank=True)

    objects = HandoffQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["episode"],
                condition=models.Q(state__in=["waiting", "claimed", "standing"]),
                name="one_open_handoff_per_episode",
            )
        ]
        indexes = [models.Index(fields=["state", "requested_at"])]

    def __str__(self) -> str:
        return f"{self.get_trigger_display()}: {self.reason}"
