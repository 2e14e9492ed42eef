"""Who speaks for the business. Every change is one guarded update under the conversation's lock, and bumps
the epoch, so that what was begun for an earlier owner can no longer be said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat import ports, quota, sentences
from chat.actions.questions import answer_rest, go_on
from chat.errors import AlreadyTaken, NotAllowed, NotHolder, PlanEnded
from chat.events import (
    ContactLeft,
    ConversationClaimed,
    ConversationReleased,
    ConversationResolved,
    HandoffRequested,
    HandoffStanding,
)
from chat.log import AI, SYSTEM, Author, Entry, append, current_episode, lock
from chat.models import Conversation, Episode, Handoff, Message, Turn
from chat.policies import get_conversation_for, may_claim, may_talk
from tenants.events import publish
from tenants.workspace.models import Seat

ASK_AGAIN_AFTER = timedelta(minutes=10)
EVENT = Message.Kind.EVENT


def open_handoff(episode: Episode) -> Handoff | None:
    """The episode's handoff that is not over, if there is one."""
    return Handoff.objects.open().filter(episode=episode).first()


def _move(conversation: Conversation, owner: str, holder: Seat | None = None, *, goes_on: bool = False) -> None:
    """Give the word to `owner`. Needs the lock; unfinished turns of the old epoch are dropped, unless the AI `goes_on`
    with them."""
    if owner not in Conversation.MOVES[conversation.owner]:
        raise NotAllowed
    conversation.owner, conversation.holder = owner, holder
    conversation.epoch += 1
    conversation.save(update_fields=["owner", "holder", "epoch"])
    if goes_on:
        go_on(conversation)
        return
    Turn.objects.filter(conversation=conversation, state__in=[Turn.State.QUEUED, Turn.State.RUNNING]).update(
        state=Turn.State.DROPPED, finished_at=timezone.now()
    )


def hand_over(
    conversation: Conversation,
    trigger: str,
    *,
    reason: str,
    question: str = "",
    evidence: dict[str, Any] | None = None,
    language: str = "",
    client_id: UUID | None = None,
) -> Message:
    """Call people into a locked conversation that the AI holds. Returns the entry that tells the visitor.

    With somebody reachable it joins the queue; with nobody it becomes a standing request, and the AI goes on.
    Asking again makes no second handoff.
    """
    now = timezone.now()
    episode = current_episode(conversation)
    promise = ports.reachability(conversation.project, now, conversation.is_test)
    handoff = open_handoff(episode)
    if handoff is None:
        handoff = Handoff.objects.create(
            conversation=conversation,
            episode=episode,
            trigger=trigger,
            reason=reason[:300],
            question=question,
            evidence=evidence or _latest_evidence(episode),
            page_url=conversation.page_url,
            requested_at=now,
            state=Handoff.State.WAITING if promise.reachable else Handoff.State.STANDING,
        )
        announce = True
    else:
        last_told = Message.objects.filter(episode=episode, event__in=["standing", "handed_over"]).order_by("-seq")
        announce = (
            promise.reachable or (latest := last_told.first()) is None or latest.created_at < now - ASK_AGAIN_AFTER
        )
    if promise.reachable:
        handoff.state, handoff.queued_at = Handoff.State.WAITING, now
        handoff.save(update_fields=["state", "queued_at"])
    if promise.reachable:
        _move(conversation, Conversation.Owner.QUEUE)
    else:
        _move(conversation, Conversation.Owner.AI, goes_on=trigger != Handoff.Trigger.FAILURE)
    message = _tell(conversation, handoff, promise, language=language, client_id=client_id)
    if announce:
        publish(HandoffRequested(str(conversation.pk), handoff.pk, conversation.is_test, promise.reachable))
    return message


def _latest_evidence(episode: Episode) -> dict[str, Any]:
    turn = Turn.objects.filter(message__episode=episode, confidence__isnull=False).order_by("-pk").first()
    return dict(turn.evidence) if turn else {}


def _tell(
    conversation: Conversation,
    handoff: Handoff,
    promise: ports.Promise,
    *,
    language: str = "",
    client_id: UUID | None = None,
) -> Message:
    """The one true sentence the visitor reads."""
    language = language or conversation.language or conversation.project.language
    email = conversation.visitor.email
    data: dict[str, Any] = {"promise": promise.as_wire(), "handoff": handoff.pk, "reason": handoff.reason}
    data["trigger"] = handoff.trigger
    if promise.reachable:
        text = sentences.handed_over(language, handoff.trigger)
        entry = Entry(text=text, kind=EVENT, event="handed_over", data=data, client_id=client_id)
    else:
        data["ask_email"] = not email
        if quota.rests():
            text = sentences.resting(language, email)
        else:
            text = sentences.standing(language, promise, email, conversation.project.timezone)
        if email:  # the sentence says that a person will write there
            publish(ContactLeft(str(conversation.pk), conversation.visitor.name, email, handoff.question))
        entry = Entry(text=text, kind=EVENT, event="standing", data=data, client_id=client_id)
    return append(conversation, SYSTEM if client_id else AI, entry)


def make_standing(*, handoff_id: int) -> bool:
    """Nobody claimed in time, or nobody is left: the AI goes on, and the visitor is told. False when the handoff
    is no longer waiting."""
    with transaction.atomic():
        handoff = Handoff.objects.filter(pk=handoff_id).first()
        if handoff is None:
            return False
        conversation = lock(handoff.conversation_id)
        waiting = Handoff.objects.filter(pk=handoff_id, state=Handoff.State.WAITING)
        if conversation.owner != Conversation.Owner.QUEUE or not waiting.update(state=Handoff.State.STANDING):
            return False
        handoff.refresh_from_db()
        promise = ports.reachability(conversation.project, timezone.now(), conversation.is_test)
        _move(conversation, Conversation.Owner.AI)
        gone = ports.Promise(reachable=False, opens_at=promise.opens_at)
        answer_rest(conversation, handoff.episode_id)
        _tell(conversation, handoff, gone)
        publish(HandoffStanding(str(conversation.pk), handoff.pk, conversation.is_test))
    return True


def claim_conversation(*, conversation_id: UUID | str, seat: Seat, via: str = "dashboard") -> Message | None:
    """Take a conversation from the queue or the AI. Exactly one of many racing agents wins; the others get
    AlreadyTaken with the winner's name. Claiming what one holds already changes nothing (None)."""
    with transaction.atomic():
        get_conversation_for(seat, conversation_id)
        conversation = lock(conversation_id)
        if not may_claim(seat, conversation):
            raise NotAllowed
        if conversation.owner == Conversation.Owner.AGENT:
            if conversation.holder_id == seat.pk:
                return None
            raise AlreadyTaken(_who_took(conversation))
        if conversation.owner == Conversation.Owner.NONE:
            raise AlreadyTaken("This conversation has ended.")
        if quota.rests():
            raise PlanEnded
        episode = current_episode(conversation)
        now = timezone.now()
        _move(conversation, Conversation.Owner.AGENT, seat)
        handoff = open_handoff(episode)
        if handoff is not None:
            handoff.state, handoff.claimed_at, handoff.claimed_by = Handoff.State.CLAIMED, now, seat
            handoff.claimed_name, handoff.claimed_via = seat.name, via
            handoff.save(update_fields=["state", "claimed_at", "claimed_by", "claimed_name", "claimed_via"])
        data = {"name": seat.name, "initials": seat.initials, "via": via}
        message = append(conversation, Author.of_seat(seat), Entry(kind=EVENT, event="joined", data=data))
        publish(ConversationClaimed(str(conversation.pk), handoff.pk if handoff else None, seat.pk, via))
    return message


def _who_took(conversation: Conversation) -> str:
    joined = Message.objects.filter(conversation=conversation, event="joined").order_by("-seq").first()
    if joined is None or conversation.holder is None:
        return AlreadyTaken.sentence
    ago = max(0, int((timezone.now() - joined.created_at).total_seconds()))
    when = f"{ago} s ago" if ago < 120 else f"{ago // 60} min ago"
    return f"{conversation.holder.name} took this {when}."


def _held(conversation_id: UUID | str, seat: Seat) -> Conversation:
    """The locked conversation, if this seat holds it. Raises NotHolder otherwise."""
    get_conversation_for(seat, conversation_id)
    conversation = lock(conversation_id)
    if conversation.owner != Conversation.Owner.AGENT or conversation.holder_id != seat.pk:
        raise NotHolder
    return conversation


def release_conversation(*, conversation_id: UUID | str, seat: Seat) -> None:
    """Back to the queue, first in line again: its waiting began when the visitor asked."""
    with transaction.atomic():
        conversation = _held(conversation_id, seat)
        handoff = _requeue(conversation, f"{seat.name} gave it back to the queue")
        append(conversation, Author.of_seat(seat), Entry(kind=EVENT, event="left", data={"name": seat.name}))
        publish(HandoffRequested(str(conversation.pk), handoff.pk, conversation.is_test, True))
        publish(ConversationReleased(str(conversation.pk), seat.pk, "queue"))


def take_back_conversation(*, conversation_id: UUID | str, seat: Seat, last_seq: int) -> bool:
    """Its holder is gone: back to the queue, or, with nobody there, to a standing request; the visitor is told.

    False when another holds it by now, or when something was said after `last_seq`, up to which it was judged.
    """
    with transaction.atomic():
        conversation = lock(conversation_id)
        is_held = conversation.owner == Conversation.Owner.AGENT and conversation.holder_id == seat.pk
        if not is_held or conversation.last_seq != last_seq:
            return False
        promise = ports.reachability(conversation.project, timezone.now(), conversation.is_test)
        handoff = _requeue(conversation, f"{seat.name} was away before they answered")
        language = conversation.language or conversation.project.language
        text = sentences.taken_back(language, seat.name) if promise.reachable else ""
        data = {"name": seat.name, "away": True}
        append(conversation, AI, Entry(text=text, kind=EVENT, event="left", data=data))
        publish(ConversationReleased(str(conversation.pk), seat.pk, "queue"))
        if promise.reachable:
            publish(HandoffRequested(str(conversation.pk), handoff.pk, conversation.is_test, True))
        else:
            make_standing(handoff_id=handoff.pk)
    return True


def _requeue(conversation: Conversation, reason: str) -> Handoff:
    """The held conversation waits for a person again. One that was taken from the AI gets a handoff: the queue shows
    and watches no conversation without."""
    episode = current_episode(conversation)
    handoff = open_handoff(episode)
    _move(conversation, Conversation.Owner.QUEUE)
    if handoff is None:
        return Handoff.objects.create(
            conversation=conversation,
            episode=episode,
            trigger=Handoff.Trigger.COLLEAGUE,
            reason=reason[:300],
            evidence=_latest_evidence(episode),
            page_url=conversation.page_url,
            queued_at=timezone.now(),
        )
    # What the next one takes is measured anew.
    handoff.state, handoff.queued_at = Handoff.State.WAITING, timezone.now()
    handoff.claimed_by, handoff.claimed_at, handoff.first_reply_at = None, None, None
    handoff.save(update_fields=["state", "queued_at", "claimed_by", "claimed_at", "first_reply_at"])
    return handoff


def hand_back_conversation(*, conversation_id: UUID | str, seat: Seat) -> None:
    """The AI answers again, in the same episode."""
    with transaction.atomic():
        conversation = _held(conversation_id, seat)
        episode = current_episode(conversation)
        handoff = open_handoff(episode)
        _move(conversation, Conversation.Owner.AI)
        if handoff is not None:
            _close(handoff, Handoff.State.RESOLVED, seat.name)
        answer_rest(conversation, episode.pk)
        append(
            conversation,
            Author.of_seat(seat),
            Entry(kind=EVENT, event="handed_back", data={"name": seat.name}),
        )
        publish(ConversationReleased(str(conversation.pk), seat.pk, "ai"))


def _close(handoff: Handoff, state: str, name: str = "") -> None:
    handoff.state, handoff.resolved_at, handoff.resolved_name = state, timezone.now(), name
    handoff.save(update_fields=["state", "resolved_at", "resolved_name"])


def resolve_conversation(*, conversation_id: UUID | str, seat: Seat) -> None:
    """End the episode as solved by a person. The holder may; so may anyone who talks while nobody holds it."""
    with transaction.atomic():
        get_conversation_for(seat, conversation_id)
        conversation = lock(conversation_id)
        if not may_talk(seat):
            raise NotAllowed
        held_by_other = conversation.owner == Conversation.Owner.AGENT and conversation.holder_id != seat.pk
        if held_by_other or conversation.owner == Conversation.Owner.NONE:
            raise NotHolder
        end_episode(conversation, Episode.Outcome.PEOPLE, seat=seat)


def end_episode(conversation: Conversation, outcome: str, *, seat: Seat | None = None) -> None:
    """Close the open episode of a locked conversation: event, handoff, owner `none`."""
    episode = current_episode(conversation)
    now = timezone.now()
    handoff = open_handoff(episode)
    if handoff is not None:
        _close(handoff, Handoff.State.RESOLVED if seat else Handoff.State.CLOSED, seat.name if seat else "")
    name = seat.name if seat else ""
    _move(conversation, Conversation.Owner.NONE)
    author = Author.of_seat(seat) if seat else SYSTEM
    data = {"name": name, "outcome": outcome, "ask_rating": True}
    append(conversation, author, Entry(kind=EVENT, event="resolved", data=data), episode=episode)
    episode.ended_at, episode.outcome, episode.resolved_by = now, outcome, name
    episode.save(update_fields=["ended_at", "outcome", "resolved_by"])
    publish(ConversationResolved(str(conversation.pk), episode.pk, seat.pk if seat else None, outcome))
