"""Letters to the team: somebody waits too long, found nobody there, or left an address.

They go to the chatbot's `notify_emails` and to people with a seat who do not have Live Support open and want to
be told. Never to the visitor: nobody has proved that the address they typed is theirs, and a letter from us to
whatever is typed into a chat would be a gift to those who flood mailboxes. People answer from their own program.

What a letter says is composed when it leaves: it tells how things are then, or does not leave at all. So events
that follow each other closely make one letter, and each address reads of a conversation at most every ten minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat.changes import as_now
from chat.events import ContactLeft, HandoffRequested, HandoffStanding
from chat.models import Conversation, Episode, Handoff, Message
from chat.render import web_address
from livesupport.availability import seats_away, zone_of
from livesupport.card import unanswered
from livesupport.clock import span
from livesupport.models import Lead
from livesupport.queue import TRIGGER_PILLS
from tenants import mail
from tenants.hosts import primary_host, tenant_url
from tenants.models import Tenant
from tenants.schema import current_schema
from tenants.workspace import outbox
from tenants.workspace.models import OutboxEntry, Project, Seat

LETTER = "team"
QUIET = timedelta(minutes=10)
MOST_AN_HOUR = 30  # letters to one address: a flood of visitors must not become a flood of mail
LINES_SHOWN, LONGEST_LINE = 30, 1000
State = OutboxEntry.State


@dataclass(frozen=True)
class Recipient:
    """An address to be told. `seat_id` is None for one of the chatbot's own list."""

    address: str
    seat_id: int | None = None


@dataclass(frozen=True)
class Line:
    """Something that was said, as a letter shows it; `at` in the chatbot's time zone."""

    name: str
    at: datetime
    text: str
    by_visitor: bool


def on_handoff_requested(event: HandoffRequested) -> None:
    """Somebody asked for a person, or asked again, and nobody is there."""
    if not event.reachable and not event.is_test:
        tell_team(conversation_id=event.conversation_id)


def on_handoff_standing(event: HandoffStanding) -> None:
    """Nobody came in time."""
    if not event.is_test:
        tell_team(conversation_id=event.conversation_id)


def on_contact_left(event: ContactLeft) -> None:
    """Somebody wants to be written to."""
    tell_team(conversation_id=event.conversation_id)


def tell_team(*, conversation_id: UUID | str, once_since: datetime | None = None) -> None:
    """Put a letter for everybody who is to be told into the outbox, in the caller's transaction.

    Tests tell nobody. With `once_since`, whoever was told of the conversation from then on is not told again.
    """
    with transaction.atomic():
        rows = Conversation.objects.select_for_update(of=("self",)).select_related("project")
        conversation = rows.get(pk=conversation_id)
        if conversation.is_test:
            return
        now = timezone.now()
        for recipient in recipients(conversation.project, now):
            _post(conversation, recipient, now=now, once_since=once_since)


def recipients(project: Project, now: datetime) -> Iterator[Recipient]:
    """Each address once: the chatbot's list first, then people who are away and want to be mailed."""
    told = set()
    people = [Recipient(seat.email.lower(), seat.pk) for seat in seats_away(project, now) if seat.notify_by_email]
    for recipient in [*(Recipient(str(address).lower()) for address in project.notify_emails), *people]:
        if recipient.address not in told:
            told.add(recipient.address)
            yield recipient


def set_mail(*, seat: Seat, wanted: bool) -> None:
    """Whether somebody is mailed while away; theirs to say."""
    seat.notify_by_email = wanted
    seat.save(update_fields=["notify_by_email"])


def compose(payload: dict[str, Any]) -> mail.Letter | None:
    """The letter about a conversation as it is now. None when somebody has it, when nothing is left to do, and
    when the address is no longer to be told."""
    rows = Conversation.objects.select_related("project", "visitor")
    conversation = rows.filter(pk=payload["conversation"]).first()
    if conversation is None or not _still_told(conversation.project, payload):
        return None
    if conversation.owner == Conversation.Owner.AGENT:
        return None
    lead = Lead.objects.filter(conversation=conversation, state=Lead.State.OPEN).order_by("-pk").first()
    open_states = [Handoff.State.WAITING, Handoff.State.STANDING]
    handoff = Handoff.objects.filter(conversation=conversation, state__in=open_states).order_by("-pk").first()
    if lead is None and handoff is None:
        return None
    host = primary_host(Tenant.objects.get(schema_name=current_schema()))
    heading = _heading(conversation, handoff, lead)
    context = {
        "heading": heading,
        "project": conversation.project.name,
        "visitor": conversation.visitor,
        "email": lead.email if lead else conversation.visitor.email,
        "why": _why(handoff),
        "question": (unanswered(handoff) if handoff else "") or (lead.question if lead else ""),
        "page_title": conversation.page_title,
        "page_url": web_address(conversation.page_url),
        "lines": _lines(conversation),
        "link": tenant_url(host, f"/live/?c={conversation.pk}"),
        "settings_link": tenant_url(host, "/live/notifications/") if payload["seat"] else "",
    }
    text, html = mail.render("livesupport/email/team", context)
    subject = f"{heading} ({conversation.project.name})"
    return mail.Letter(str(payload["to"]), subject, text, html, thread=f"conversation:{conversation.pk}")


def _post(conversation: Conversation, to: Recipient, *, now: datetime, once_since: datetime | None) -> None:
    """One letter to one address, unless one that has not left yet will tell the news anyway.

    The caller holds the conversation's lock, so nobody else counts or adds here; a letter that waits is locked
    too, so that it does not leave, composed without what this transaction is about to commit.
    """
    lane = f"mail:{conversation.pk}:{hashlib.sha256(to.address.encode()).hexdigest()[:16]}"
    letters = OutboxEntry.objects.filter(lane=lane)
    if once_since and letters.filter(created_at__gte=once_since).exists():
        return
    if letters.filter(state=State.WAITING).select_for_update().first() is not None:
        return
    recent = OutboxEntry.objects.filter(kind=mail.KIND, created_at__gt=now - timedelta(hours=1))
    if recent.filter(payload__letter=LETTER, payload__to=to.address).count() >= MOST_AN_HOUR:
        return
    last = letters.filter(state__in=[State.SENT, State.SENDING]).order_by("-pk").first()
    at = now if last is None else max(now, (last.sent_at or now) + QUIET)
    payload = {"letter": LETTER, "to": to.address, "seat": to.seat_id, "conversation": str(conversation.pk)}
    outbox.post(kind=mail.KIND, lane=lane, key=f"{lane}:{letters.count() + 1}", payload=payload, at=at)


def _still_told(project: Project, payload: dict[str, Any]) -> bool:
    if payload["seat"] is None:
        return payload["to"] in [str(address).lower() for address in project.notify_emails]
    wanted = Seat.objects.filter(pk=payload["seat"], is_active=True, notify_by_email=True)
    return wanted.filter(email__iexact=payload["to"]).exists()


def _heading(conversation: Conversation, handoff: Handoff | None, lead: Lead | None) -> str:
    who = str(conversation.visitor)
    if lead is not None:
        return f"{who} wants an answer by e-mail"
    if handoff is not None and handoff.state == Handoff.State.WAITING:
        waited = timezone.now() - handoff.requested_at
        return f"{who} has waited for {span(max(0, int(waited.total_seconds())))}"
    return f"{who} asked for a person; nobody was there"


def _why(handoff: Handoff | None) -> str:
    if handoff is None:
        return ""
    return f"{TRIGGER_PILLS[Handoff.Trigger(handoff.trigger)].words}. {handoff.reason}"


def _lines(conversation: Conversation) -> list[Line]:
    """The newest of what the visitor, the AI and people said in the last episode, oldest first. No private notes:
    the chatbot's list may hold addresses outside of the team."""
    episode = Episode.objects.filter(conversation=conversation).order_by("-number").first()
    log = Message.objects.filter(episode=episode, internal=False)
    said = as_now(log.exclude(kind=Message.Kind.EVENT).exclude(text="")).order_by("-seq")[:LINES_SHOWN]
    zone = zone_of(conversation.project.timezone)
    return [
        _line(message, message.now, conversation, message.created_at.astimezone(zone))
        for message in reversed(said)
    ]


def _line(message: Message, text: str, conversation: Conversation, at: datetime) -> Line:
    by_visitor = message.sender == Message.Sender.VISITOR
    name = str(conversation.visitor) if by_visitor else message.sender_name or "AI"
    shown = text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"
    return Line(name, at, shown, by_visitor)
