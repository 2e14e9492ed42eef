"""Episodes that no human joined end by themselves."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from chat.actions.ownership import end_episode
from chat.judgement.mood import running
from chat.log import IDLE, lock
from chat.models import Conversation, Episode, Handoff, Message
from tenants import due


def outcome_of(
    *, rating: int | None, standing: bool, last_outcome: str, upset: bool = False, by_people: bool = False
) -> str:
    """How an episode ended by itself: unresolved if a request for people stood open; else theirs, if they had
    given it back as done; else the AI's: confirmed by a rating of 4 or 5; unresolved with a low rating, a low
    mood, or a last answer that knew nothing or only asked back; else assumed resolved."""
    pleased = rating is not None and rating >= 4
    cross = (upset and not pleased) or (rating is not None and rating <= 2)
    if by_people and not standing:
        return Episode.Outcome.PEOPLE
    if standing or cross or last_outcome in ("unknown", "clarify", ""):
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


def judge(episode: Episode, mood_threshold: float) -> str:
    """How an episode without an agent's ending ended, or would end now. A request that its end closed stood open."""
    answer = Message.objects.filter(episode=episode, sender=Message.Sender.AI).order_by("-seq").first()
    handoffs = Handoff.objects.filter(episode=episode)
    return outcome_of(
        rating=episode.rating,
        standing=handoffs.filter(state__in=[*Handoff.OPEN, Handoff.State.CLOSED]).exists(),
        last_outcome=str(answer.data.get("outcome", "")) if answer else "",
        upset=_is_upset(episode, mood_threshold),
        by_people=handoffs.filter(state=Handoff.State.RESOLVED).exists(),
    )


def _end(conversation_id: object, episode_id: int, limit: object) -> int:
    with transaction.atomic():
        conversation = lock(str(conversation_id))
        episode = Episode.objects.filter(pk=episode_id, ended_at__isnull=True, last_message_at__lt=limit).first()
        if episode is None or conversation.owner != Conversation.Owner.AI:
            return 0
        end_episode(conversation, judge(episode, conversation.project.mood_threshold))
        return 1
