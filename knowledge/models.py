"""From a business's content to passages: source, crawl run, document, chunk."""

from __future__ import annotations

import uuid
from pathlib import PurePath
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.text import slugify
from pgvector.django import VectorField

DIMENSIONS = 384


class Source(models.Model):
    """Where content comes from. What answers now is `live_run`'s; a new run replaces it whole, or not at all."""

    class Kind(models.TextChoices):
        SITE = "site", "Help centre or site"
        SITEMAP = "sitemap", "Sitemap"
        PAGE = "page", "Single page"
        FILE = "file", "File"
        FAQ = "faq", "Question and answer"
        TEXT = "text", "Text"

    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="sources")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.SITE)
    url = models.URLField(max_length=1000, blank=True, help_text="For a site: the page to start from.")
    name = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True, help_text="For a question and answer, or free text: the content itself.")
    live_run = models.ForeignKey("CrawlRun", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    prompted_by = models.CharField(
        max_length=60, blank=True, help_text="What it was written for, in the words of whoever asked: `gap:12`."
    )
    content_version = models.PositiveIntegerField(
        default=0, help_text="Rises with each change of the name, the text or the file."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "url"], condition=~models.Q(url=""), name="one_source_per_address"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.url


class SourceFile(models.Model):
    """An uploaded file of a source of kind `file`, whose newest one is read. Its bytes are in the file storage
    under `key`, a generated name; what its sender called it is text and nothing else. Without a source it is
    left over, and swept away together with its bytes."""

    class Type(models.TextChoices):
        PDF = "application/pdf", "PDF"
        TEXT = "text/plain", "Text"
        MARKDOWN = "text/markdown", "Markdown"
        HTML = "text/html", "HTML"

    ENDINGS: dict[str, str] = {Type.PDF: "pdf", Type.TEXT: "txt", Type.MARKDOWN: "md", Type.HTML: "html"}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.SET_NULL, related_name="files")
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=15, choices=Type.choices)
    size_bytes = models.PositiveIntegerField()
    key = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name

    @property
    def stem(self) -> str:
        """Its name without the ending, as a title."""
        return PurePath(self.name).stem.strip() or self.name

    @property
    def path(self) -> str:
        """Where visitors open it on the tenant's host, while it is live. Nobody can guess it from another one's."""
        return f"/content/{self.pk}/{slugify(self.stem)[:80] or 'file'}.{self.ENDINGS[self.media_type]}"


class CrawlRun(models.Model):
    """One reading of a source. Held by lease: a run whose lease has passed may be taken over."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    MOVES: dict[str, frozenset[str]] = {
        State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
        State.RUNNING: frozenset({State.QUEUED, State.RUNNING, State.DONE, State.FAILED, State.CANCELLED}),
        State.DONE: frozenset(),
        State.FAILED: frozenset(),
        State.CANCELLED: frozenset(),
    }

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="runs")
    state = models.CharField(max_length=9, choices=State.choices, default=State.QUEUED)
    found = models.PositiveIntegerField(default=0)
    fetched = models.PositiveIntegerField(default=0)
    indexed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often it was taken since it was last put back in good order."
    )
    content_version = models.PositiveIntegerField(default=0, help_text="The source's, when it was first taken.")
    cancel_requested = models.BooleanField(default=False)
    error = models.CharField(max_length=300, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source"], condition=models.Q(state__in=["queued", "running"]), name="one_open_run_per_source"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.get_state_display()}"


class Document(models.Model):
    """One page or file as one run read it."""

    class State(models.TextChoices):
        OK = "ok", "Read"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Left out"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="documents")
    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey(CrawlRun, on_delete=models.CASCADE, related_name="documents")
    file = models.ForeignKey(SourceFile, null=True, blank=True, on_delete=models.SET_NULL, related_name="documents")
    url = models.CharField(max_length=1000)
    title = models.CharField(max_length=300, blank=True)
    language = models.CharField(max_length=8, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OK)
    error = models.CharField(max_length=300, blank=True, help_text="What went wrong, in a sentence that helps.")
    may_return = models.BooleanField(default=False, help_text="It could not be read now; nothing says that it is gone.")
    text_hash = models.CharField(max_length=64, blank=True)
    links: Any = models.JSONField(
        default=list, blank=True, help_text="Addresses found here, so that a resumed run need not fetch it again."
    )
    words = models.PositiveIntegerField(default=0)
    is_live = models.BooleanField(default=False)
    fetched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "page"
        constraints = [models.UniqueConstraint(fields=["run", "url"], name="one_document_per_run_and_address")]

    def __str__(self) -> str:
        return self.title or self.url


class Chunk(models.Model):
    """About 180 tokens of one document under one heading.

    `embedding` is `embed.chunk_vector`'s: the weighted mean of the unit vectors of the body (with its
    "title > heading" header) and of the header alone, not normalised again.
    """

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()
    heading = models.CharField(max_length=400, blank=True)
    anchor = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    tokens = models.PositiveIntegerField()
    language = models.CharField(max_length=8, blank=True)
    engine = models.CharField(max_length=60)
    embedding: Any = VectorField(dimensions=DIMENSIONS)
    is_live = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "position"], name="one_chunk_per_position")]
        indexes = [models.Index(fields=["project", "is_live"])]

    def __str__(self) -> str:
        return f"{self.heading or self.document_id} #{self.position}"


class WordIndex(models.Model):
    """What of a source's words is indexed: which run's, in which way, and the sum of its headings' unit vectors, whose
    mean over a project is what all of its pages have in common."""

    source = models.OneToOneField(Source, on_delete=models.CASCADE, related_name="word_index")
    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="+")
    run_id = models.BigIntegerField()
    recipe = models.CharField(max_length=80)
    headings = models.PositiveIntegerField()
    heading_sum: Any = VectorField(dimensions=DIMENSIONS)

    def __str__(self) -> str:
        return f"words of {self.source_id}"


class PostingList(models.Model):
    """Where in a source a term occurs: the passages, and how often in each. `term` is a hash (`knowledge.lexical`).

    A list a term and source, not a row a passage: an eighth of the room, and one row to read for each term.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey("workspace.Project", on_delete=models.CASCADE, related_name="+", db_index=False)
    term = models.IntegerField()
    chunks: Any = ArrayField(models.BigIntegerField())
    counts: Any = ArrayField(models.PositiveSmallIntegerField())

    class Meta:
        indexes = [models.Index(fields=["project", "term"])]

    def __str__(self) -> str:
        return f"{self.term} in {self.source_id}"


class RenewedVector(models.Model):
    """A live passage's vector by the engine of today, kept aside until all of its project's are there."""

    chunk = models.OneToOneField(Chunk, on_delete=models.CASCADE, related_name="renewed")
    engine = models.CharField(max_length=60)
    embedding: Any = VectorField(dimensions=DIMENSIONS)

    def __str__(self) -> str:
        return f"{self.chunk_id} by {self.engine}"
