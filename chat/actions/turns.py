"""The life of a turn: queued with its message, held by lease, its reply written only while its epoch holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from chat import ports, quota, sentences
from chat.actions.ownership import hand_over
from chat.events import AnswerGiven, ContactLeft, MoodNoted, TurnQueued
from chat.log import AI, Entry, append, lock
from chat.models import Conversation, Handoff, Message, Turn
from tenants import due
from tenants.events import publish

LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 3
MOST_REMEMBERED = 12


@dataclass(frozen=True)
class Heard:
    """A visitor's text, and its mood in -1..1 if it was judged."""

    message_id: int
    text: str
    mood: float | None


@dataclass(frozen=True)
class Job:
    """A turn that this worker holds, as plain data. `history` is the episode so far: (sender, text), oldest first.

    `earlier` are the visitor's own texts of it, since the AI last got the word. `called`: people were called and
    nobody can come now. `contact_asked`: an address was asked for, or left, in this episode.
    """

    turn_id: int
    message_id: int
    conversation_id: str
    epoch: int
    project_id: int
    text: str
    language: str
    history: tuple[tuple[str, str], ...]
    earlier: tuple[Heard, ...] = ()
    called: bool = False
    contact_asked: bool = False


def queue_turn(conversation: Conversation, message: Message) -> Turn | None:
    """Ask for an answer to a visitor's message. Needs the conversation's lock. Turns still waiting for earlier
    messages are overtaken: the newest answers for all of them.

    None where the business's plan lets the AI say nothing: people are called instead.
    """
    if (why := quota.why_silent(conversation, message.episode_id)) is not None:
        hand_over(conversation, Handoff.Trigger.FAILURE, reason=why, question=message.text)
        return None
    now = timezone.now()
    Turn.objects.filter(conversation=conversation, state=Turn.State.QUEUED).update(
        state=Turn.State.DROPPED, finished_at=now
    )
    turn = Turn.objects.create(conversation=conversation, message=message, epoch=conversation.epoch)
    due.note("turn", now + timedelta(seconds=5))
    publish(TurnQueued(turn.pk))
    return turn


def begin_turn(*, turn_id: int) -> Job | None:
    """Take the lease of a turn by compare-and-set. None when it is done, held by another worker, or overtaken
    by a newer owner; a turn that failed three workers calls a person instead."""
    now = timezone.now()
    free = Q(state=Turn.State.QUEUED) | Q(state=Turn.State.RUNNING, lease_until__lt=now)
    taken = Turn.objects.filter(free, pk=turn_id).update(
        state=Turn.State.RUNNING, lease_until=now + LEASE, attempts=F("attempts") + 1
    )
    if not taken:
        return None
    turn = Turn.objects.select_related("message", "conversation__project").get(pk=turn_id)
    with transaction.atomic():
        due.note("turn", now + LEASE)
    conversation = turn.conversation
    if conversation.owner != Conversation.Owner.AI or conversation.epoch != turn.epoch:
        drop_turn(turn_id=turn_id)
        return None
    if turn.attempts > MOST_ATTEMPTS:
        fail_turn(turn_id=turn_id, reason="The answer did not come, three times")
        return None
    return _job(turn)


def _job(turn: Turn) -> Job:
    conversation, episode = turn.conversation, turn.message.episode
    before = Message.objects.filter(conversation=conversation, episode=episode, seq__lt=turn.message.seq)
    texts = before.filter(kind=Message.Kind.TEXT).order_by("-seq")
    returned = before.filter(event="handed_back").order_by("-seq").values_list("seq", flat=True).first() or 0
    own = texts.filter(sender=Message.Sender.VISITOR, seq__gt=returned)[:MOST_REMEMBERED]
    standing = Handoff.objects.filter(episode=episode, state=Handoff.State.STANDING).exists()
    promise = ports.reachability(conversation.project, timezone.now(), conversation.is_test) if standing else None
    return Job(
        turn_id=turn.pk,
        message_id=turn.message_id,
        conversation_id=str(conversation.pk),
        epoch=turn.epoch,
        project_id=conversation.project_id,
        text=turn.message.text,
        language=conversation.language or conversation.project.language,
        history=tuple((one.sender, one.text) for one in reversed(texts[:MOST_REMEMBERED])),
        earlier=tuple(Heard(one.pk, one.text, one.mood) for one in reversed(own)),
        called=promise is not None and not promise.reachable,
        contact_asked=before.filter(event__in=["contact_asked", "contact_left"]).exists(),
    )


def keep_turn(*, turn_id: int, first_words: bool = False) -> bool:
    """Renew the lease; False when the turn's owner or epoch is past, and the worker must stop."""
    now = timezone.now()
    rows = Turn.objects.filter(
        pk=turn_id,
        state=Turn.State.RUNNING,
        epoch=F("conversation__epoch"),
        conversation__owner=Conversation.Owner.AI,
    )
    fresh: dict[str, Any] = {"lease_until": now + LEASE}
    if first_words:
        fresh["first_words_at"] = now
    return bool(Turn.objects.filter(pk__in=rows.values("pk")).update(**fresh))


def note_evidence(*, turn_id: int, evidence: dict[str, Any], confidence: float, decision: dict[str, Any]) -> None:
    """Keep what retrieval found and what judgement said, before a word is spoken."""
    Turn.objects.filter(pk=turn_id).update(evidence=evidence, confidence=confidence, decision=decision)


def note_moods(*, moods: dict[int, float]) -> None:
    """Keep how visitors' texts sound, by message id; what was judged before stays."""
    with transaction.atomic():
        fresh = Message.objects.filter(pk__in=moods, sender=Message.Sender.VISITOR, mood__isnull=True)
        noted = {message.conversation_id for message in fresh}
        for message_id, mood in moods.items():
            fresh.filter(pk=message_id).update(mood=mood)
        for conversation_id in noted:
            publish(MoodNoted(str(conversation_id)))


def drop_turn(*, turn_id: int) -> None:
    """The turn was overtaken: nothing is said."""
    Turn.objects.filter(pk=turn_id, state__in=[Turn.State.QUEUED, Turn.State.RUNNING]).update(
        state=Turn.State.DROPPED, finished_at=timezone.now()
    )


def _locked_turn(turn_id: int) -> tuple[Conversation, Turn] | None:
    """The conversation, locked, and its turn, if the turn may still speak; else the turn is dropped."""
    turn = Turn.objects.select_related("message").get(pk=turn_id)
    conversation = lock(turn.conversation_id)
    turn.refresh_from_db(fields=["state", "epoch"])
    current = turn.state == Turn.State.RUNNING and turn.epoch == conversation.epoch
    if not current or conversation.owner != Conversation.Owner.AI:
        drop_turn(turn_id=turn_id)
        return None
    return conversation, turn


def answer_turn(*, turn_id: int, text: str, outcome: str, citations: list[dict[str, Any]]) -> Message | None:
    """Store the AI's reply: `outcome` is `reply` or `unknown`. None when somebody else has the word by now."""
    with transaction.atomic():
        held = _locked_turn(turn_id)
        if held is None:
            return None
        conversation, turn = held
        data = {"turn": turn_id, "outcome": outcome, "citations": citations, "confidence": turn.confidence}
        message = append(conversation, AI, Entry(text=text, data=data), episode=turn.message.episode)
        _finish(turn, Turn.State.DONE)
        _publish_answer(turn, message, outcome, conversation.is_test)
        due.note("episodes", timezone.now() + timedelta(minutes=conversation_idle_minutes()))
    return message


def ask_contact(*, turn_id: int, kind: str, language: str = "") -> Message | None:
    """The turn ends with the offer to be written to, instead of an answer; `kind` is that of the triage. With an
    address known already it becomes a lead at once. None when somebody else has the word by now."""
    with transaction.atomic():
        held = _locked_turn(turn_id)
        if held is None:
            return None
        conversation, turn = held
        visitor = conversation.visitor
        text = sentences.contact(language or conversation.language or conversation.project.language, visitor.email)
        data = {"ask_email": not visitor.email, "triage": kind}
        entry = Entry(text=text, kind=Message.Kind.EVENT, event="contact_asked", data=data)
        message = append(conversation, AI, entry, episode=turn.message.episode)
        _finish(turn, Turn.State.DONE)
        if visitor.email:
            publish(ContactLeft(str(conversation.pk), visitor.name, visitor.email, turn.message.text))
        due.note("episodes", timezone.now() + timedelta(minutes=conversation_idle_minutes()))
    return message


def hand_over_turn(*, turn_id: int, trigger: str, reason: str, language: str = "") -> Message | None:
    """The turn ends with people instead of an answer."""
    with transaction.atomic():
        held = _locked_turn(turn_id)
        if held is None:
            return None
        conversation, turn = held
        _finish(turn, Turn.State.FAILED if trigger == Handoff.Trigger.FAILURE else Turn.State.DONE)
        evidence = dict(turn.evidence)
        question = turn.message.text
        message = hand_over(
            conversation, trigger, reason=reason, question=question, evidence=evidence, language=language
        )
        _publish_answer(turn, message, "handoff", conversation.is_test)
    return message


def fail_turn(*, turn_id: int, reason: str) -> Message | None:
    """No answer could be made: never silence, so people are called."""
    return hand_over_turn(turn_id=turn_id, trigger=Handoff.Trigger.FAILURE, reason=reason)


def _finish(turn: Turn, state: str) -> None:
    turn.state, turn.finished_at, turn.lease_until = state, timezone.now(), None
    turn.save(update_fields=["state", "finished_at", "lease_until"])


def _publish_answer(turn: Turn, message: Message, outcome: str, is_test: bool) -> None:
    conversation_id = str(turn.conversation_id)
    publish(AnswerGiven(turn.pk, conversation_id, message.pk, outcome, turn.confidence or 0.0, is_test))


def conversation_idle_minutes() -> int:
    """After how many silent minutes an episode that no human joined ends (design: 30)."""
    return 30


def sweep_turns() -> list[int]:
    """Turns that wait for a worker: queued, or left by one that died; oldest first, at most 200. While any turn
    is open, the schema stays due."""
    now = timezone.now()
    with transaction.atomic():
        if Turn.objects.filter(state__in=[Turn.State.QUEUED, Turn.State.RUNNING]).exists():
            due.note("turn", now + timedelta(seconds=5))
    free = Q(state=Turn.State.QUEUED, queued_at__lt=now - timedelta(seconds=2))
    free |= Q(state=Turn.State.RUNNING, lease_until__lt=now)
    return list(Turn.objects.filter(free).order_by("pk").values_list("pk", flat=True)[:200])
