"""Visitors arrive, give signs of life, and tell where they are."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.utils import timezone

from chat.errors import NotHolder, NotSignedIn, UnknownProject
from chat.events import SeatSeen
from chat.models import Conversation, Visitor
from chat.policies import get_conversation_for, get_seat, holds, token_hash
from tenants.events import publish
from tenants.workspace.models import Project

REHEARSAL_SALT = "chat.rehearsal"
REHEARSAL_SECONDS = 600
PAGES_KEPT = 10
RENEWED = timedelta(seconds=15)  # a third of the time after which a silent page counts as left


@dataclass(frozen=True)
class OpenedSession:
    """A visitor's key. `token` is shown once, to its holder; only its hash is stored."""

    token: str
    visitor_id: str
    conversation_id: str


@dataclass(frozen=True)
class PageView:
    """Where the visitor is."""

    url: str
    title: str = ""


def rehearsal_pass(schema: str) -> str:
    """A signed word that makes the next session at this tenant a test; good for ten minutes."""
    return signing.dumps(schema, salt=REHEARSAL_SALT)


def _is_rehearsal(schema: str, word: str | None) -> bool:
    if not word:
        return False
    try:
        return bool(signing.loads(word, salt=REHEARSAL_SALT, max_age=REHEARSAL_SECONDS) == schema)
    except signing.BadSignature:
        return False


def open_session(*, project: str, token: str | None, language: str = "", rehearsal: str | None = None) -> OpenedSession:
    """The session of a known token, else a new visitor with one conversation in the project named by key.

    Raises UnknownProject. A token of another project, or an unknown one, begins a new visitor.
    """
    from tenants.schema import current_schema

    with transaction.atomic():
        row = Project.objects.filter(key=project).first()
        if row is None:
            raise UnknownProject
        known = _visitor_of(token) if token else None
        if known is not None and known.project_id == row.pk:
            return OpenedSession(token or "", str(known.pk), str(known.conversation.pk))
        fresh = secrets.token_urlsafe(32)
        is_test = _is_rehearsal(current_schema(), rehearsal)
        proof = token_hash(fresh)
        visitor = Visitor.objects.create(project=row, token_hash=proof, language=language[:8], is_test=is_test)
        conversation = Conversation.objects.create(project=row, visitor=visitor, is_test=is_test, language=language[:8])
    return OpenedSession(fresh, str(visitor.pk), str(conversation.pk))


def _visitor_of(token: str) -> Visitor | None:
    return Visitor.objects.select_related("conversation", "project").filter(token_hash=token_hash(token)).first()


@dataclass(frozen=True)
class Entered:
    """What a visitor's socket needs after its hello."""

    conversation_id: str
    project_key: str
    project_name: str


def enter(*, token: str, page: PageView | None = None, language: str = "") -> Entered:
    """Admit the holder of a visitor token. Raises NotSignedIn."""
    visitor = _visitor_of(token)
    if visitor is None:
        raise NotSignedIn
    conversation = visitor.conversation
    if language and language[:8] != conversation.language:
        conversation.language = visitor.language = language[:8]
        conversation.save(update_fields=["language"])
        visitor.save(update_fields=["language"])
    note_visitor(conversation_id=conversation.pk, page=page)
    return Entered(str(conversation.pk), visitor.project.key, visitor.project.name)


def note_visitor(*, conversation_id: UUID | str, page: PageView | None = None, away: bool = False) -> None:
    """A sign of life of a visitor's tab, and where it is. Presence is not part of the log."""
    now = timezone.now()
    Visitor.objects.filter(conversation__pk=conversation_id).update(seen_at=now, is_away=away)
    if page is None:
        return
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().get(pk=conversation_id)
        if conversation.page_url == page.url[:1000]:
            return
        conversation.page_url, conversation.page_title = page.url[:1000], page.title[:200]
        view: dict[str, Any] = {"url": page.url[:1000], "title": page.title[:200], "at": now.isoformat()}
        conversation.pages = [*conversation.pages, view][-PAGES_KEPT:]
        conversation.save(update_fields=["page_url", "page_title", "pages"])


def renew_presence(conversation_ids: Iterable[str]) -> None:
    """These visitors are still connected, in front or not: a page whose panel is closed sends nothing by itself."""
    now = timezone.now()
    stale = Visitor.objects.filter(conversation__pk__in=list(conversation_ids), seen_at__lt=now - RENEWED)
    stale.update(seen_at=now)


def note_seat(*, seat_id: int) -> None:
    """A sign of life of an agent's dashboard."""
    with transaction.atomic():
        publish(SeatSeen(seat_id))


def check_speaks(*, seat_id: int, conversation_id: UUID | str) -> None:
    """Only who speaks to the visitor is shown as writing. Raises NotHolder, NotAllowed, UnknownConversation."""
    seat = get_seat(seat_id)
    if not holds(seat, get_conversation_for(seat, conversation_id)):
        raise NotHolder


def note_seen_by_seat(*, seat_id: int, conversation_id: UUID | str, seq: int) -> None:
    """Move the team's read cursor: the holder's reading alone is the team's. Raises NotHolder, NotAllowed,
    UnknownConversation."""
    check_speaks(seat_id=seat_id, conversation_id=conversation_id)
    rows = Conversation.objects.filter(pk=conversation_id, holder=seat_id, owner=Conversation.Owner.AGENT)
    rows.filter(last_seq__gte=seq, team_seen_seq__lt=seq).update(team_seen_seq=seq)
