"""What a visitor is still owed an answer to: the turns that give it. All of it needs the conversation's lock."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from chat import quota
from chat.events import TurnQueued
from chat.models import FIRST_WORDS, Conversation, Message, Turn
from tenants import due
from tenants.events import publish

SWEPT_AFTER = timedelta(seconds=5)  # if the hint to the workers is lost
_LEFT_THE_AI = ("handed_over", "standing")


def open_turn(conversation: Conversation, message: Message) -> Turn:
    """A turn for a message. Those that have said nothing yet are overtaken: it answers for them too, and as soon."""
    now = timezone.now()
    silent = Q(state=Turn.State.QUEUED) | Q(state=Turn.State.RUNNING, first_words_at__isnull=True)
    overtaken = Turn.objects.filter(silent, conversation=conversation)
    promised = list(overtaken.values_list("overdue_at", flat=True))
    overtaken.update(state=Turn.State.DROPPED, finished_at=now)
    turn = Turn.objects.create(
        conversation=conversation,
        message=message,
        epoch=conversation.epoch,
        queued_at=now,
        overdue_at=min([*promised, now + FIRST_WORDS]),
    )
    _wake(turn.pk)
    return turn


def go_on(conversation: Conversation) -> None:
    """People were called and cannot come, so the AI keeps the word: what it was asked, it answers in the new epoch."""
    for turn_id in Turn.objects.filter(conversation=conversation, state__in=Turn.OPEN).values_list("pk", flat=True):
        again = {"state": Turn.State.QUEUED, "epoch": conversation.epoch, "lease_until": None, "first_words_at": None}
        Turn.objects.filter(pk=turn_id).update(**again)
        _wake(turn_id)


def answer_rest(conversation: Conversation, episode_id: int) -> None:
    """The AI has the word again: it answers the newest of what the visitor wrote to people and nobody answered."""
    log = Message.objects.filter(conversation=conversation, episode=episode_id)
    called = log.filter(event__in=_LEFT_THE_AI).order_by("-seq").values_list("seq", flat=True).first() or 0
    texts = log.filter(kind=Message.Kind.TEXT, seq__gt=called).order_by("-seq")
    last = texts.first()
    if last is None or last.sender != Message.Sender.VISITOR or hasattr(last, "turn"):
        return
    if quota.why_silent(conversation, episode_id) is None:
        open_turn(conversation, last)


def _wake(turn_id: int) -> None:
    due.note("turn", timezone.now() + SWEPT_AFTER)
    publish(TurnQueued(turn_id))
