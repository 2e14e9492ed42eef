"""Whether the business's plan lets the AI answer: not after its end, and not beyond a month's conversations.

A conversation of the plan is what insights calls one: an episode of a real visitor who wrote something. They are
numbered in the order in which they began, so that one that began in time goes on with the AI to its end.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef

from chat.models import Conversation, Episode, EpisodeQuerySet, Message
from tenants import billing
from tenants.actions import tell_owners
from tenants.billing import Kind

ENDED = "The plan has ended, so the AI rests"
USED_UP = "The month's conversations are used up, so the AI leaves new ones to you"


def conversations_since(start: datetime) -> int:
    """How many conversations began since `start`. Bound to the plan's counter of conversations."""
    return _counted(start).count()


def _counted(start: datetime) -> EpisodeQuerySet:
    wrote = Message.objects.filter(episode=OuterRef("pk"), sender=Message.Sender.VISITOR, kind=Message.Kind.TEXT)
    return Episode.objects.real().filter(Exists(wrote), started_at__gte=start)


def rests() -> bool:
    """Whether the plan has ended: the AI says nothing but that, and nobody is promised."""
    return billing.current().has_ended


def why_silent(conversation: Conversation, episode_id: int) -> str | None:
    """Why the AI may not answer in this episode, in words for the team, or None. Belongs into the transaction of
    the visitor's message: the first conversation beyond a limit writes to the owners, once a month.

    Tests are not counted; an ended plan silences them too, for a test must not show more than visitors get.
    """
    tenant = billing.current()
    if tenant.has_ended:
        return ENDED
    limit = billing.limit_of(tenant, Kind.CONVERSATIONS)
    if limit is None or conversation.is_test:
        return None
    month = billing.month_of(tenant)
    episode = Episode.objects.get(pk=episode_id)
    if episode.started_at < month.start:
        return None
    number = _counted(month.start).filter(pk__lte=episode_id).count()
    beyond = number > billing.with_grace(limit)
    if number >= limit:
        about = "beyond_limit" if beyond else "limit"
        tell_owners(about=about, key=f"{about}:{month.start:%Y-%m-%d}")
    return USED_UP if beyond else None
