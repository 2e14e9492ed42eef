"""Episodes that no human joined end by themselves."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from chat.actions.ownership import end_episode, open_handoff
from chat.judgement.mood import running
from chat.log import IDLE, lock
from chat.models import Conversation, Episode, Message
from tenants import due


def outcome_of(*, rating: int | None, standing: bool, last_outcome: str, upset: bool = False) -> str:
    """How an episode ended that only the AI answered: confirmed by a rating of 4 or 5; unresolved with a
    standing request, a low rating, a low mood, or a last answer that knew nothing; else assumed resolved."""
    pleased = rating is not None and rating >= 4
    cross = (upset and not pleased) or (rating is not None and rating <= 2)
    if standing or cross or last_outcome in ("unknown", "handoff", ""):
        return Episode.Outcome.UNRESOLVED
    return Episode.Outcome.AI_CONFIRMED if pleased else Episode.Outcome.AI_ASSUMED


def end_idle_episodes() -> int:
    """End each open episode that the AI holds and in which nothing was said for the idle time. Returns how many.
    Work that is left asks for the next sweep."""
    limit = timezone.now() - IDLE
    open_ones = Episode.objects.filter(ended_at__isnull=True, conversation__owner=Conversation.Owner.AI)
    ended = 0
    for episode in open_ones.filter(last_message_at__lt=limit).order_by("last_message_at")[:200]:
        ended += _end(episode.conversation_id, episode.pk, limit)
    with transaction.atomic():
        if (oldest := open_ones.order_by("last_message_at").first()) is not None:
            due.note("episodes", oldest.last_message_at + IDLE + timedelta(seconds=5))
    return ended


def _is_upset(episode: Episode, threshold: float) -> bool:
    """Whether the visitor's mood stood below the threshold at the end."""
    judged = Message.objects.filter(episode=episode, sender=Message.Sender.VISITOR, mood__isnull=False)
    moods = list(judged.order_by("seq").values_list("mood", flat=True))
    return bool(moods) and running([mood for mood in moods if mood is not None]).now < threshold


def _end(conversation_id: object, episode_id: int, limit: object) -> int:
    with transaction.atomic():
        conversation = lock(str(conversation_id))
        episode = Episode.objects.filter(pk=episode_id, ended_at__isnull=True, last_message_at__lt=limit).first()
        if episode is None or conversation.owner != Conversation.Owner.AI:
            return 0
        answer = Message.objects.filter(episode=episode, sender=Message.Sender.AI).order_by("-seq").first()
        outcome = outcome_of(
            rating=episode.rating,
            standing=open_handoff(episode) is not None,
            last_outcome=str(answer.data.get("outcome", "")) if answer else "",
            upset=_is_upset(episode, conversation.project.mood_threshold),
        )
        end_episode(conversation, outcome)
        return 1
