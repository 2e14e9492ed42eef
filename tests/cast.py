"""The cast: who and what is in a test's tenant. Every text a tenant holds carries that tenant's marker.

Ids of different tenants never coincide (each schema's sequences start elsewhere), so that an id of one
tenant means nothing at another.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from allauth.account.models import EmailAddress
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from chat.models import Attachment, Conversation, Episode, Handoff, Message, Turn, Visitor
from insights.models import GapQuestion, KnowledgeGap
from knowledge import files
from knowledge.models import DIMENSIONS, Chunk, CrawlRun, Document, Source, SourceFile
from livesupport.models import Availability, Lead, OpeningHours
from tenants.access import open_session
from tenants.models import Membership, Tenant, User
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import AuditEntry, Invitation, OutboxEntry, Project, Seat

BASE_DOMAIN = "localhost"
PORT = 8000
ENGINE = "test-unit-vectors/multilingual-e5-small-q4"
# One dark point.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGMQAQAAFgAVbm54LgAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True)
class Person:
    """Somebody with a seat. `session_key` is a stored session at their tenant's host."""

    user_id: int
    seat_id: int
    name: str
    email: str
    role: str
    session_key: str = field(repr=False)

    @property
    def user(self) -> User:
        return run_in(PUBLIC, User.objects.get, pk=self.user_id)

    @property
    def seat(self) -> Seat:
        """Needs the tenant's schema."""
        return Seat.objects.get(pk=self.seat_id)


@dataclass(frozen=True)
class Thread:
    """A visitor with a conversation that went from the AI to the queue. `marker` is in each of its texts."""

    marker: str
    token: str
    visitor_id: UUID
    conversation_id: UUID
    episode_id: int
    turn_id: int
    handoff_id: int
    lead_id: int
    attachment_id: UUID
    message_ids: tuple[int, ...]
    last_seq: int


@dataclass(frozen=True)
class Cast:
    """One tenant with everybody and everything in it."""

    marker: str
    schema: str
    tenant_id: int
    host: str
    project_id: int
    project_key: str
    owner: Person
    admin: Person
    agent: Person
    analyst: Person
    thread: Thread
    other_thread: Thread
    source_id: int
    run_id: int
    document_id: int
    file_id: UUID
    chunk_ids: tuple[int, ...]
    gap_id: int
    gap_question_id: int
    audit_id: int
    outbox_id: int
    invitation_id: int
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def tenant(self) -> Tenant:
        return run_in(PUBLIC, Tenant.objects.get, pk=self.tenant_id)

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.owner, self.admin, self.agent, self.analyst)

    @property
    def origin(self) -> str:
        return f"http://{self.http_host}"

    @property
    def http_host(self) -> str:
        return f"{self.host}:{PORT}"

    def run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `fn` in this tenant's schema."""
        return run_in(self.schema, fn, *args, **kwargs)

    @contextmanager
    def inside(self) -> Iterator[Cast]:
        """The tenant's schema for a block of synchronous test code."""
        with entered(self.schema):
            yield self

    def session_key(self, person: Person) -> str:
        """A new session of the person at this tenant's host, beside the planted one."""
        return run_in(PUBLIC, open_session, user=person.user, tenant=self.tenant, seconds=3600)

    def client(self, person: Person | None = None, **headers: str) -> Client:
        """A browser at this tenant's host, signed in as `person` if one is given."""
        return browser(self.http_host, person.session_key if person else None, **headers)


@contextmanager
def entered(schema: str) -> Iterator[None]:
    """A schema for a block. Test code only: the product passes a function to `run_in`."""
    from django_tenants.utils import schema_context

    with schema_context(schema):
        yield


_HANDLER = ClientHandler(enforce_csrf_checks=False)


def browser(http_host: str, session_key: str | None = None, **headers: str) -> Client:
    """Django's test client as a browser at one host; the port belongs to the host."""
    from django.conf import settings

    client = Client(HTTP_HOST=http_host, SERVER_PORT=str(PORT), headers=headers or None)
    # One middleware chain for all: building it lists every static file, which takes longer than a request.
    if _HANDLER._middleware_chain is None:
        _HANDLER.load_middleware()
    client.handler = copy(_HANDLER)
    if session_key:
        client.cookies[settings.SESSION_COOKIE_NAME] = session_key
    return client


def unit_vector(seed: str) -> list[float]:
    """A unit vector that is always the same for a seed: for rows whose meaning does not matter."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    raw = np.random.default_rng(number).normal(size=DIMENSIONS)
    return [float(x) for x in raw / np.linalg.norm(raw)]


def plant(tenant: Tenant, *, host: str) -> Cast:
    """Fill a new tenant's schema, whose tables stand empty."""
    marker = f"zq{secrets.token_hex(5)}"
    users = {role: _user(tenant, role, marker) for role in Seat.Role.values}
    keys = {role: open_session(user=user, tenant=tenant, seconds=7200) for role, user in users.items()}
    return run_in(str(tenant.schema_name), _plant, tenant, host, marker, users, keys)


def _user(tenant: Tenant, role: str, marker: str) -> User:
    name = f"{role.title()} {marker}"
    user = User.objects.create_user(f"{role}@{marker}.example", None, name=name)
    Membership.objects.create(user=user, tenant=tenant)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


def spread_ids(number: int) -> None:
    """Start every sequence of the present schema at a place of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = %s",
            [connection.schema_name],
        )
        for (sequence,) in cursor.fetchall():
            cursor.execute(f"ALTER SEQUENCE {sequence} RESTART WITH {number * 100_000 + secrets.randbelow(1000)}")


def _plant(tenant: Tenant, host: str, marker: str, users: dict[str, User], keys: dict[str, str]) -> Cast:
    spread_ids(tenant.pk)
    project = Project.objects.create(
        key="shop",
        name=f"Shop {marker}",
        greeting=f"Hello from {marker}",
        suggestions=[f"Where is {marker}?"],
        persona=f"Calm as {marker}",
        model_name=f"model-{marker}",
        model_key=f"sk-{marker}",
    )
    people = {role: _seat(user, role, keys[role]) for role, user in users.items()}
    OpeningHours.objects.create(project=project, weekday=0, opens="09:00", closes="17:00")
    source, run, document, chunks = _content(project, marker)
    thread = _thread(project, f"{marker}v1", people["agent"].seat)
    other = _thread(project, f"{marker}v2", people["agent"].seat)
    gap = KnowledgeGap.objects.create(
        project=project, question=f"Who repairs {marker}?", language="en", times_asked=1
    )
    question = GapQuestion.objects.create(
        gap=gap,
        turn_id=thread.turn_id,
        text=f"Who repairs {marker}?",
        confidence=0.2,
        vector=unit_vector(marker),
    )
    audit = AuditEntry.objects.create(
        seat_id=people["owner"].seat_id,
        actor=people["owner"].name,
        verb="changed",
        subject=f"project {marker}",
    )
    outbox = OutboxEntry.objects.create(
        kind="mail",
        lane=marker,
        idempotency_key=f"mail-{marker}",
        payload={"text": marker},
        last_error=f"lost {marker}",
    )
    invitation = Invitation.objects.create(
        email=f"invited@{marker}.example",
        token_hash=hashlib.sha256(marker.encode()).hexdigest(),
        secret=secrets.token_urlsafe(32),
        invited_by_id=people["owner"].seat_id,
        expires_at=timezone.now() + timedelta(days=3),
    )
    return Cast(
        marker=marker,
        schema=str(tenant.schema_name),
        tenant_id=tenant.pk,
        host=host,
        project_id=project.pk,
        project_key=project.key,
        thread=thread,
        other_thread=other,
        source_id=source.pk,
        run_id=run.pk,
        document_id=document.pk,
        file_id=_file(document, marker).pk,
        chunk_ids=tuple(chunk.pk for chunk in chunks),
        gap_id=gap.pk,
        gap_question_id=question.pk,
        audit_id=audit.pk,
        outbox_id=outbox.pk,
        invitation_id=invitation.pk,
        **people,
    )


def _seat(user: User, role: str, session_key: str) -> Person:
    seat = Seat.objects.create(user_id=user.pk, name=user.name, email=user.email, role=role)
    Availability.objects.create(seat=seat, seen_at=None)
    return Person(user.pk, seat.pk, seat.name, seat.email, role, session_key)


def _content(project: Project, marker: str) -> tuple[Source, CrawlRun, Document, list[Chunk]]:
    source = Source.objects.create(project=project, url=f"https://help.{marker}.example/", name=f"Help {marker}")
    run = CrawlRun.objects.create(
        source=source, state=CrawlRun.State.DONE, found=1, fetched=1, indexed=1, finished_at=timezone.now()
    )
    source.live_run = run
    source.save(update_fields=["live_run"])
    document = Document.objects.create(
        source=source,
        project=project,
        run=run,
        url=f"https://help.{marker}.example/returns",
        title=f"Returns at {marker}",
        language="en",
        words=12,
        is_live=True,
    )
    texts = [f"At {marker} you can return a lamp within 30 days.", f"{marker} pays refunds within 14 days."]
    chunks = [
        Chunk(
            document=document,
            project=project,
            position=position,
            heading=f"Returns at {marker} > Part {position}",
            text=text,
            tokens=12,
            language="en",
            engine=ENGINE,
            embedding=unit_vector(text),
            is_live=True,
        )
        for position, text in enumerate(texts, start=1)
    ]
    return source, run, document, Chunk.objects.bulk_create(chunks)


def _file(document: Document, marker: str) -> SourceFile:
    """An uploaded file that the document was read from, so that anybody may open it."""
    file_id = uuid4()
    key = files.keep(io.BytesIO(f"What {marker} uploaded".encode()), file_id=file_id, media_type="text/plain")
    file = SourceFile.objects.create(
        id=file_id, source=document.source, name=f"Manual {marker}.txt", media_type="text/plain", size_bytes=9, key=key
    )
    Document.objects.filter(pk=document.pk).update(file=file)
    return file


def _evidence(marker: str, url: str) -> dict[str, Any]:
    passage = {
        "chunk_id": 0,
        "document_id": 0,
        "url": url,
        "title": f"Page {marker}",
        "heading": f"Part {marker}",
        "anchor": "",
        "text": f"Passage {marker}",
        "score": 0.8,
        "language": "en",
    }
    return {"confidence": 0.3, "passages": [passage]}


def _entries(marker: str, seat: Seat) -> list[dict[str, Any]]:
    promise = {"reachable": False, "within_seconds": None, "names": [], "opens_at": None}
    return [
        {"sender": "visitor", "text": f"How do I repair {marker}?", "client_id": uuid4()},
        {
            "sender": "ai",
            "text": f"Our pages say {marker}.",
            "data": {"outcome": "unknown", "citations": [], "confidence": 0.3},
        },
        {"sender": "visitor", "text": f"Let me talk to a human about {marker}", "client_id": uuid4()},
        {
            "sender": "ai",
            "kind": "event",
            "event": "handed_over",
            "text": "Somebody will be with you.",
            "data": {"trigger": "request", "promise": promise, "reason": f"Asked about {marker}"},
        },
        {"sender": "agent", "kind": "note", "internal": True, "text": f"Note on {marker}", "seat": seat},
        {"sender": "visitor", "kind": "file", "text": f"{marker}.png", "client_id": uuid4()},
    ]


def _attachment(message: Message) -> Attachment:
    """A picture's row and bytes, for a message of kind `file` that is named like it."""
    key = default_storage.save(f"tenant/{connection.schema_name}/attachments/{uuid4()}", ContentFile(PNG))
    row = Attachment(
        message=message, media_type="image/png", name=message.text, size_bytes=len(PNG), width=1, height=1, key=key
    )
    row.save(force_insert=True)
    shown = {"id": str(row.pk), "name": row.name, "type": row.media_type, "bytes": len(PNG), "width": 1, "height": 1}
    message.data = {"attachment": shown}
    message.save(update_fields=["data"])
    return row


def _thread(project: Project, marker: str, seat: Seat) -> Thread:
    """A question, an answer, a note and a handoff that waits."""
    token = secrets.token_urlsafe(32)
    visitor = Visitor.objects.create(
        project=project,
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
        name=f"Vera {marker}",
        email=f"vera@{marker}.example",
        language="en",
    )
    page = f"https://shop.example/{marker}"
    conversation = Conversation.objects.create(
        project=project,
        visitor=visitor,
        owner=Conversation.Owner.QUEUE,
        epoch=2,
        page_url=page,
        page_title=f"Lamp {marker}",
        pages=[{"url": page, "title": f"Lamp {marker}", "at": timezone.now().isoformat()}],
    )
    episode = Episode.objects.create(conversation=conversation, number=1)
    evidence = _evidence(marker, page)
    entries = _entries(marker, seat)
    messages = [
        Message.objects.create(
            conversation=conversation,
            episode=episode,
            seq=seq,
            sender_key=f"seat:{seat.pk}" if entry["sender"] == "agent" else entry["sender"],
            sender_name=seat.name if entry["sender"] == "agent" else "",
            **entry,
        )
        for seq, entry in enumerate(entries, start=1)
    ]
    conversation.last_seq = len(messages)
    conversation.save(update_fields=["last_seq"])
    turn = Turn.objects.create(
        conversation=conversation,
        message=messages[0],
        epoch=1,
        state=Turn.State.DONE,
        evidence=evidence,
        confidence=0.3,
    )
    handoff = Handoff.objects.create(
        conversation=conversation,
        episode=episode,
        trigger=Handoff.Trigger.REQUEST,
        reason=f"Asked for a person about {marker}",
        question=f"How do I repair {marker}?",
        evidence=evidence,
        page_url=page,
        queued_at=timezone.now(),
    )
    lead = Lead.objects.create(
        conversation=conversation,
        name=visitor.name,
        email=visitor.email,
        question=f"Write to me about {marker}",
    )
    return Thread(
        marker=marker,
        token=token,
        visitor_id=visitor.pk,
        conversation_id=conversation.pk,
        episode_id=episode.pk,
        turn_id=turn.pk,
        handoff_id=handoff.pk,
        lead_id=lead.pk,
        attachment_id=_attachment(messages[-1]).pk,
        message_ids=tuple(message.pk for message in messages),
        last_seq=len(messages),
    )
