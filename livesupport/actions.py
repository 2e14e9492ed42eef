"""What agents do. Each verb: lock, ask the policy, write, publish, return.

Owner and epoch of a conversation move in `chat.actions` alone, which takes the lock and publishes; here the
deed joins the same transaction as its entry in the audit trail.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat.actions import (
    Author,
    Draft,
    claim_conversation,
    hand_back_conversation,
    make_standing,
    post_messages,
    release_conversation,
    resolve_conversation,
    take_back_conversation,
)
from chat.errors import NotAllowed
from chat.models import Conversation, Handoff
from chat.policies import get_conversation_for, may_claim
from livesupport.availability import is_watched
from livesupport.away import LOOK_SOONEST, held_conversations, held_of
from livesupport.errors import UnknownState
from livesupport.models import Availability, Lead
from livesupport.notify import tell_team
from livesupport.policies import get_lead_for, may_be_available
from livesupport.waiting import is_given_up, is_late
from tenants.workspace.models import AuditEntry, Seat

MOST_MISSED = 20


def claim(*, seat: Seat, conversation_id: UUID | str, via: str = "dashboard") -> None:
    """Take a conversation. Capacity is not asked: it steers whom we promise, and a hand that reaches for one
    more is welcome. Raises AlreadyTaken (says who), NotAllowed, UnknownConversation."""
    with transaction.atomic():
        conversation = get_conversation_for(seat, conversation_id)
        if not may_claim(seat, conversation):
            raise NotAllowed
        if claim_conversation(conversation_id=conversation.pk, seat=seat, via=via) is not None:
            _audit(seat, "claimed", conversation.pk, via=via)


def release(*, seat: Seat, conversation_id: UUID | str) -> None:
    """Give a held conversation back to the queue. Raises NotHolder."""
    with transaction.atomic():
        release_conversation(conversation_id=conversation_id, seat=seat)
        _audit(seat, "released", conversation_id)


def hand_back(*, seat: Seat, conversation_id: UUID | str) -> None:
    """Let the AI answer again. Raises NotHolder."""
    with transaction.atomic():
        hand_back_conversation(conversation_id=conversation_id, seat=seat)
        _audit(seat, "handed back", conversation_id)


def resolve(*, seat: Seat, conversation_id: UUID | str, note: str = "") -> None:
    """End the episode as answered, with a private note for the next one if there is something to say."""
    with transaction.atomic():
        if note.strip():
            draft = Draft(text=note, note=True)
            post_messages(conversation_id=conversation_id, author=Author.of_seat(seat), drafts=[draft])
        resolve_conversation(conversation_id=conversation_id, seat=seat)
        _audit(seat, "resolved", conversation_id)


def set_availability(*, seat: Seat, state: str) -> Availability:
    """Say that one is here, or away. Raises UnknownState, NotAllowed."""
    if not may_be_available(seat):
        raise NotAllowed
    if state not in Availability.State.values:
        raise UnknownState
    defaults = {"state": state, "seen_at": timezone.now()}
    return Availability.objects.update_or_create(seat=seat, defaults=defaults)[0]


def note_seen(*, seat_id: int) -> None:
    """A sign of life of a dashboard. The first one makes its seat available; later ones change no choice."""
    seat = Seat.objects.filter(pk=seat_id).first()
    if seat is None or not may_be_available(seat):
        return
    Availability.objects.update_or_create(seat=seat, defaults={"seen_at": timezone.now()})


def keep_lead(*, conversation_id: UUID | str, name: str, email: str, question: str) -> Lead:
    """Keep who wants to be written to. The same address again, while open, renews the lead it has."""
    with transaction.atomic():
        Conversation.objects.select_for_update().only("pk").get(pk=conversation_id)
        kept = {"name": name[:120], "question": question}
        return Lead.objects.update_or_create(
            conversation_id=conversation_id, email=email, state=Lead.State.OPEN, defaults=kept
        )[0]


def close_lead(*, seat: Seat, lead_id: int) -> None:
    """Somebody wrote to them: the lead leaves the list. Repeating it does nothing."""
    with transaction.atomic():
        lead = get_lead_for(seat, lead_id)
        if Lead.objects.filter(pk=lead.pk, state=Lead.State.OPEN).update(state=Lead.State.DONE):
            _audit(seat, "closed lead", lead.conversation_id)


def give_up_waiting() -> bool:
    """Turn handoffs into standing requests when nobody claimed them in time, or nobody is left who could; of those
    that wait too long meanwhile, people who are away are told once. Returns whether any still wait."""
    now = timezone.now()
    waiting = Handoff.objects.filter(state=Handoff.State.WAITING).select_related("conversation__project")
    left = 0
    watched: dict[int, bool] = {}
    for handoff in waiting.order_by("requested_at"):
        project, is_test = handoff.conversation.project, handoff.conversation.is_test
        if project.pk not in watched:
            watched[project.pk] = is_watched(project, now)
        since = handoff.queued_at or handoff.requested_at
        somebody = True if is_test else watched[project.pk]  # a test waits for its rehearsal, or its time
        if is_given_up(since=since, now=now, target_seconds=project.claim_target_seconds, somebody=somebody):
            make_standing(handoff_id=handoff.pk)
        else:
            left += 1
            if is_late(since=since, now=now, target_seconds=project.claim_target_seconds):
                tell_team(conversation_id=handoff.conversation_id, once_since=since)
    return left > 0


def take_back_from_absent(*, now: datetime | None = None) -> datetime | None:
    """Give the conversations of agents who vanished back to the queue. Returns when to look again; None while nobody
    holds any."""
    now = now or timezone.now()
    looks = []
    for row in held_conversations():
        seat, held = row.holder, held_of(row)
        if seat is None:
            continue
        if not (held.is_lost(now) or not seat.is_active):
            looks.append(held.look_at(now))
        elif not _take_back(row, seat):
            looks.append(now + LOOK_SOONEST)
    return min(looks, default=None)


def _take_back(conversation: Conversation, seat: Seat) -> bool:
    with transaction.atomic():
        gone = take_back_conversation(conversation_id=conversation.pk, seat=seat, last_seq=conversation.last_seq)
        row = Availability.objects.select_for_update().filter(seat=seat).first() if gone else None
        if row is not None:
            row.missed = [*(row.missed or []), str(conversation.visitor)][-MOST_MISSED:]
            row.save(update_fields=["missed"])
        if gone:
            _audit(seat, "lost by being away", conversation.pk)
    return gone


def note_missed_read(*, seat: Seat) -> None:
    """The agent knows what went back to the queue while they were away."""
    Availability.objects.filter(seat=seat).update(missed=None)


def _audit(seat: Seat, verb: str, conversation_id: UUID | str, **data: str) -> None:
    AuditEntry.objects.create(
        seat=seat, actor=seat.name, verb=verb, subject=f"conversation {conversation_id}", data=data
    )
