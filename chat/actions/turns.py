"""The life of a turn: queued with its message, held by lease, its reply written only while its epoch holds."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from chat import ports, quota, sentences
from chat.actions.ownership import hand_over
from chat.actions.questions import open_turn
from chat.changes import as_now
from chat.events import AnswerGiven, ContactLeft, MoodNoted, TurnQueued
from chat.log import AI, Entry, append, lock
from chat.models import Conversation, Handoff, Message, Turn
from tenants import due
from tenants.events import publish

LEASE = timedelta(seconds=10)  # renewed at least every second while a model is waited for
BETWEEN_WORDS = timedelta(seconds=9)  # promised are 10 s; what is left is for calling people instead
IN_ALL = timedelta(seconds=88)  # promised are 90 s
HURRY = timedelta(seconds=8)  # so long may an answer go on once the visitor has written again
MOST_ATTEMPTS = 3
MOST_REMEMBERED = 12


@dataclass(frozen=True)
class Hold:
    """A worker's lease of a turn. Who comes after it has another `attempt`: then this one can write no more."""

    turn_id: int
    attempt: int


class Word(enum.Enum):
    """Whether a running turn may speak on."""

    GO = "speak on"
    HURRY = "the visitor waits with something newer: come to an end"
    STOP = "somebody else has the word"


@dataclass(frozen=True)
class Heard:
    """A visitor's text, and its mood in -1..1 if it was judged. `is_open`: its turn was overtaken unanswered."""

    message_id: int
    text: str
    mood: float | None
    is_open: bool = False


@dataclass(frozen=True)
class Job:
    """A turn that this worker holds, as plain data. `history` is the episode so far: (sender, text), oldest first,
    without what this turn is to answer: `text`, and before it those of `earlier` that are open.

    `earlier` are the visitor's own texts of the episode, since the AI last got the word. `called`: people were called
    and nobody can come now. `contact_asked`: an address was asked for, or left, in this episode. The first words are
    due by `first_words_by`, the whole answer by `all_by`.
    """

    hold: Hold
    message_id: int
    conversation_id: str
    epoch: int
    project_id: int
    text: str
    language: str
    history: tuple[tuple[str, str], ...]
    first_words_by: datetime
    all_by: datetime
    earlier: tuple[Heard, ...] = ()
    called: bool = False
    contact_asked: bool = False


def queue_turn(conversation: Conversation, message: Message) -> Turn | None:
    """Ask for an answer to a visitor's message. Needs the conversation's lock.

    Turns that have said nothing yet are overtaken, and the new one answers for them too. One that speaks comes to
    its end first, so that no answer is said twice and none is torn off in the middle of a sentence for nothing.
    None where the business's plan lets the AI say nothing: people are called instead.
    """
    if (why := quota.why_silent(conversation, message.episode_id)) is not None:
        hand_over(conversation, Handoff.Trigger.FAILURE, reason=why, question=message.text)
        return None
    return open_turn(conversation, message)


def begin_turn(*, turn_id: int) -> Job | None:
    """Take the lease of a turn. None when it is over, held by another worker, overtaken, or has to wait until an
    earlier one has ended, which wakes it; a turn that failed three workers calls a person instead."""
    with transaction.atomic():
        turn = _free_turn(turn_id, timezone.now())
        if turn is None:
            return None
        if turn.attempts >= MOST_ATTEMPTS:
            end_with_people(turn, reason="The answer did not come, three times")
            return None
        turn.state, turn.lease_until, turn.attempts = Turn.State.RUNNING, timezone.now() + LEASE, turn.attempts + 1
        turn.save(update_fields=["state", "lease_until", "attempts"])
        due.note("turn", turn.lease_until)
    return _job(turn)


def _free_turn(turn_id: int, now: datetime) -> Turn | None:
    """The turn, its conversation locked, if a worker may take it. What was overtaken is dropped on the way."""
    found = Turn.objects.filter(pk=turn_id, state__in=Turn.OPEN).first()
    if found is None:
        return None
    conversation = lock(found.conversation_id)
    turn = Turn.objects.select_related("message__episode").get(pk=turn_id)
    turn.conversation = conversation
    others = Turn.objects.filter(conversation=conversation, state__in=Turn.OPEN).exclude(pk=turn_id)
    if turn.state not in Turn.OPEN or (turn.lease_until is not None and turn.lease_until >= now):
        return None
    overtaken = conversation.owner != Conversation.Owner.AI or conversation.epoch != turn.epoch
    if overtaken or others.filter(pk__gt=turn_id).exists():
        drop_turn(turn_id=turn_id)
        return None
    if others.filter(lease_until__gte=now).exists():
        return None
    others.update(state=Turn.State.DROPPED, finished_at=now)
    return turn


def _job(turn: Turn) -> Job:
    conversation, episode = turn.conversation, turn.message.episode
    log = Message.objects.filter(conversation=conversation, episode=episode).exclude(pk=turn.message_id)
    texts = log.filter(kind=Message.Kind.TEXT).order_by("-seq")
    returned = log.filter(event="handed_back").order_by("-seq").values_list("seq", flat=True).first() or 0
    own = texts.filter(sender=Message.Sender.VISITOR, seq__gt=returned, seq__lt=turn.message.seq)[:MOST_REMEMBERED]
    unanswered = _unanswered(turn)
    standing = Handoff.objects.filter(episode=episode, state=Handoff.State.STANDING).exists()
    promise = ports.reachability(conversation.project, timezone.now(), conversation.is_test) if standing else None
    remembered = as_now(texts.exclude(text=""))[:MOST_REMEMBERED]
    told = [one for one in reversed(remembered) if one.pk not in unanswered]
    return Job(
        hold=Hold(turn.pk, turn.attempts),
        message_id=turn.message_id,
        conversation_id=str(conversation.pk),
        epoch=turn.epoch,
        project_id=conversation.project_id,
        text=turn.message.text,
        language=conversation.language or conversation.project.language,
        history=tuple((one.sender, one.now) for one in told),
        first_words_by=turn.overdue_at,
        all_by=turn.queued_at + IN_ALL,
        earlier=tuple(Heard(one.pk, one.text, one.mood, one.pk in unanswered) for one in reversed(own)),
        called=promise is not None and not promise.reachable,
        contact_asked=log.filter(event__in=["contact_asked", "contact_left"]).exists(),
    )


def _unanswered(turn: Turn) -> set[int]:
    """The messages since the business last spoke whose turns were overtaken: this turn answers them too."""
    before = Message.objects.filter(episode=turn.message.episode, seq__lt=turn.message.seq)
    spoke = before.filter(sender__in=[Message.Sender.AI, Message.Sender.AGENT]).order_by("-seq")
    since = spoke.values_list("seq", flat=True).first() or 0
    overtaken = before.filter(seq__gt=since, turn__state=Turn.State.DROPPED, turn__epoch=turn.epoch)
    return set(overtaken.values_list("pk", flat=True))


def keep_turn(*, hold: Hold, words: bool = False) -> Word:
    """Renew the lease, and with `words` the time until the next ones are due. STOP when the turn's owner, epoch or
    lease is past."""
    now = timezone.now()
    fresh: dict[str, Any] = {"lease_until": now + LEASE}
    if words:
        fresh["first_words_at"] = Coalesce("first_words_at", Value(now))
        fresh["overdue_at"] = Least(Value(now + BETWEEN_WORDS), F("queued_at") + Value(IN_ALL))
    current = Turn.objects.filter(epoch=F("conversation__epoch"), conversation__owner=Conversation.Owner.AI)
    # The row's own state stands outside: after a wait for its lock, PostgreSQL looks at that alone again.
    held = Turn.objects.filter(pk=hold.turn_id, state=Turn.State.RUNNING, attempts=hold.attempt)
    if not held.filter(pk__in=current.values("pk")).update(**fresh):
        return Word.STOP
    waiting = Turn.objects.filter(conversation__turns=hold.turn_id, state=Turn.State.QUEUED, queued_at__lt=now - HURRY)
    return Word.HURRY if waiting.exists() else Word.GO


def give_back_turn(*, hold: Hold) -> None:
    """A worker that has to end lets go: the turn waits again, at once, and whoever takes it begins anew."""
    with transaction.atomic():
        held = Turn.objects.filter(pk=hold.turn_id, state=Turn.State.RUNNING, attempts=hold.attempt)
        if held.update(state=Turn.State.QUEUED, lease_until=None):
            due.note("turn", timezone.now())
            publish(TurnQueued(hold.turn_id))


def note_evidence(*, hold: Hold, evidence: dict[str, Any], confidence: float, decision: dict[str, Any]) -> None:
    """Keep what retrieval found and what judgement said, before a word is spoken; the lease is renewed."""
    Turn.objects.filter(pk=hold.turn_id, attempts=hold.attempt, state=Turn.State.RUNNING).update(
        evidence=evidence, confidence=confidence, decision=decision, lease_until=timezone.now() + LEASE
    )


def note_fallback(*, hold: Hold, code: str) -> None:
    """Keep that the pages were quoted because the model failed, and with which error."""
    turn = Turn.objects.get(pk=hold.turn_id)
    turn.decision = {**turn.decision, "fallback": code}
    turn.save(update_fields=["decision"])


def note_proof(*, hold: Hold, confidence: float, quotes: list[dict[str, Any]], decision: dict[str, Any]) -> None:
    """Keep what the evidence is worth after a model had to quote the sentences that answer, those that stand in their
    passages, and what judgement says of it; retrieval's own confidence stays beside it, as `retrieval`."""
    with transaction.atomic():
        held = Turn.objects.filter(pk=hold.turn_id, attempts=hold.attempt, state=Turn.State.RUNNING)
        if (turn := held.select_for_update().first()) is None:
            return
        proof = {"confidence": confidence, "retrieval": turn.confidence, "quotes": quotes}
        turn.evidence, turn.confidence = {**turn.evidence, **proof}, confidence
        turn.decision = {**turn.decision, **decision}
        turn.save(update_fields=["evidence", "confidence", "decision"])


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
    Turn.objects.filter(pk=turn_id, state__in=Turn.OPEN).update(state=Turn.State.DROPPED, finished_at=timezone.now())


def _locked_turn(hold: Hold) -> Turn | None:
    """The turn, its conversation locked, if it may still speak; else it is dropped. A turn that another worker holds
    by now is left to that one."""
    turn = Turn.objects.select_related("message__episode").get(pk=hold.turn_id)
    turn.conversation = conversation = lock(turn.conversation_id)
    turn.refresh_from_db(fields=["state", "epoch", "attempts"])
    if turn.state != Turn.State.RUNNING or turn.attempts != hold.attempt:
        return None
    if turn.epoch != conversation.epoch or conversation.owner != Conversation.Owner.AI:
        drop_turn(turn_id=hold.turn_id)
        return None
    return turn


def answer_turn(*, hold: Hold, text: str, outcome: str, citations: list[dict[str, Any]]) -> Message | None:
    """Store the AI's reply: `outcome` is `reply`, `clarify` or `unknown`. None when somebody else has the word."""
    with transaction.atomic():
        turn = _locked_turn(hold)
        if turn is None:
            return None
        data = {"turn": turn.pk, "outcome": outcome, "citations": citations, "confidence": turn.confidence}
        message = append(turn.conversation, AI, Entry(text=text, data=data), episode=turn.message.episode)
        _finish(turn, Turn.State.DONE)
        _publish_answer(turn, message, outcome)
    return message


def ask_contact(*, hold: Hold, kind: str, language: str = "") -> Message | None:
    """The turn ends with the offer to be written to, instead of an answer; `kind` is that of the triage. With an
    address known already it becomes a lead at once. None when somebody else has the word by now."""
    with transaction.atomic():
        turn = _locked_turn(hold)
        if turn is None:
            return None
        conversation, visitor = turn.conversation, turn.conversation.visitor
        text = sentences.contact(language or conversation.language or conversation.project.language, visitor.email)
        data = {"ask_email": not visitor.email, "triage": kind}
        entry = Entry(text=text, kind=Message.Kind.EVENT, event="contact_asked", data=data)
        message = append(conversation, AI, entry, episode=turn.message.episode)
        _finish(turn, Turn.State.DONE)
        if visitor.email:
            publish(ContactLeft(str(conversation.pk), visitor.name, visitor.email, turn.message.text))
    return message


def hand_over_turn(*, hold: Hold, trigger: str, reason: str, language: str = "") -> Message | None:
    """The turn ends with people instead of an answer."""
    with transaction.atomic():
        turn = _locked_turn(hold)
        return end_with_people(turn, reason=reason, trigger=trigger, language=language) if turn else None


def fail_turn(*, hold: Hold, reason: str) -> Message | None:
    """No answer could be made: never silence, so people are called."""
    return hand_over_turn(hold=hold, trigger=Handoff.Trigger.FAILURE, reason=reason)


def end_with_people(turn: Turn, *, reason: str, trigger: str = Handoff.Trigger.FAILURE, language: str = "") -> Message:
    """Call people for an open turn that has the word. Needs its conversation's lock."""
    _finish(turn, Turn.State.FAILED if trigger == Handoff.Trigger.FAILURE else Turn.State.DONE)
    evidence = dict(turn.evidence)
    message = hand_over(
        turn.conversation, trigger, reason=reason, question=turn.message.text, evidence=evidence, language=language
    )
    _publish_answer(turn, message, "handoff")
    return message


def _finish(turn: Turn, state: str) -> None:
    """The turn is over. One that waited for its end is woken."""
    turn.state, turn.finished_at, turn.lease_until = state, timezone.now(), None
    turn.save(update_fields=["state", "finished_at", "lease_until"])
    waiting = Turn.objects.filter(conversation=turn.conversation_id, state=Turn.State.QUEUED)
    for turn_id in waiting.values_list("pk", flat=True):
        publish(TurnQueued(turn_id))


def _publish_answer(turn: Turn, message: Message, outcome: str) -> None:
    conversation_id, is_test = str(turn.conversation_id), turn.conversation.is_test
    publish(AnswerGiven(turn.pk, conversation_id, message.pk, outcome, turn.confidence or 0.0, is_test))
