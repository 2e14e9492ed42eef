"""The handoff card: the unanswered question first, then why, then what was found. Reads only; what is
missing is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db.models import OuterRef, Subquery
from django.utils.text import Truncator

from chat.models import Conversation, Episode, Handoff, Message, Turn
from chat.render import web_address
from livesupport.clock import span
from livesupport.models import Lead
from livesupport.mood import Line, line
from livesupport.queue import OUTCOME_PILLS, TRIGGER_PILLS, Pill

SAID_SHOWN = 4
_ASKED = frozenset({Handoff.Trigger.REQUEST, Handoff.Trigger.KEYWORD, Handoff.Trigger.BUTTON})
PASSAGES_SHOWN = 5
PAGES_SHOWN = 6


@dataclass(frozen=True)
class Passage:
    """What the search found, with its score in 0..1."""

    words: str
    url: str
    text: str
    score: float


@dataclass(frozen=True)
class PageSeen:
    """A page that the visitor was on; `url` is empty when it is no web address."""

    path: str
    url: str
    title: str
    at: datetime | None


@dataclass(frozen=True)
class Earlier:
    """An episode that ended."""

    question: str
    pill: Pill
    at: datetime | None
    rating: int | None


@dataclass(frozen=True)
class Card:
    """Everything beside a conversation. `confidence` and `threshold` are in 0..1."""

    conversation: Conversation
    handoff: Handoff | None
    pill: Pill | None
    question: str
    in_queue: str
    confidence: float | None
    threshold: float
    said: list[str] = field(default_factory=list)
    mood: Line | None = None
    passages: list[Passage] = field(default_factory=list)
    pages: list[PageSeen] = field(default_factory=list)
    leads: list[Lead] = field(default_factory=list)
    earlier: list[Earlier] = field(default_factory=list)

    @property
    def claimed_by(self) -> str:
        """Who took it, as they were called then; empty while nobody has."""
        return self.handoff.claimed_name if self.handoff and self.in_queue else ""

    @property
    def asked_for_person(self) -> bool:
        """Whether it came because they wanted a person, answered or not."""
        return self.handoff is not None and self.handoff.trigger in _ASKED

    @property
    def is_weak(self) -> bool:
        """Whether the best evidence stays below what the project asks for."""
        return self.confidence is not None and self.confidence < self.threshold


def card(conversation: Conversation) -> Card:
    """The card of a conversation's open, or else last, episode."""
    episode = Episode.objects.filter(conversation=conversation).order_by("-number").first()
    handoff = Handoff.objects.filter(episode=episode).order_by("-pk").first() if episode else None
    evidence = _evidence(episode, handoff)
    return Card(
        conversation=conversation,
        handoff=handoff,
        pill=TRIGGER_PILLS[Handoff.Trigger(handoff.trigger)] if handoff else None,
        question=unanswered(handoff) if handoff else "",
        in_queue=_in_queue(handoff),
        confidence=_number(evidence.get("confidence")),
        threshold=conversation.project.evidence_threshold,
        said=_said(episode),
        mood=_mood(episode, conversation.project.mood_threshold),
        passages=passages_of(evidence.get("passages", ())),
        pages=_pages(conversation.pages),
        leads=list(Lead.objects.filter(conversation=conversation).order_by("-pk")[:3]),
        earlier=_earlier(conversation),
    )


def unanswered(handoff: Handoff) -> str:
    """The words that stayed unanswered: of somebody who asked for a person, what they had asked before that."""
    if handoff.trigger not in _ASKED:
        return handoff.question
    said = Message.objects.filter(
        episode=handoff.episode_id, sender="visitor", kind=Message.Kind.TEXT, created_at__lte=handoff.requested_at
    )
    if handoff.trigger != Handoff.Trigger.BUTTON:
        said = said.exclude(text=handoff.question)
    return said.order_by("-seq").values_list("text", flat=True).first() or ""


def _evidence(episode: Episode | None, handoff: Handoff | None) -> dict[str, Any]:
    if handoff and handoff.evidence:
        return dict(handoff.evidence)
    turns = Turn.objects.filter(message__episode=episode, confidence__isnull=False)
    turn = turns.order_by("-pk").first() if episode else None
    return dict(turn.evidence) if turn else {}


def _in_queue(handoff: Handoff | None) -> str:
    if handoff is None or handoff.claimed_at is None:
        return ""
    return span(max(0, round((handoff.claimed_at - handoff.requested_at).total_seconds())))


def _said(episode: Episode | None) -> list[str]:
    """The AI's last answers in the episode, oldest first, each in a line or two."""
    if episode is None:
        return []
    rows = Message.objects.filter(episode=episode, sender="ai", kind=Message.Kind.TEXT).order_by("-seq")
    texts = list(rows.values_list("text", flat=True)[:SAID_SHOWN])
    return [Truncator(" ".join(text.split())).chars(160) for text in reversed(texts)]


def _mood(episode: Episode | None, threshold: float) -> Line | None:
    judged = Message.objects.filter(episode=episode, mood__isnull=False) if episode else Message.objects.none()
    moods = judged.order_by("seq").values_list("mood", flat=True)
    return line([mood for mood in moods if mood is not None], threshold)


def passages_of(rows: Iterable[dict[str, Any]]) -> list[Passage]:
    found = []
    for row in list(rows)[:PASSAGES_SHOWN]:
        words = " › ".join(dict.fromkeys(str(row[key]) for key in ("title", "heading") if row.get(key)))
        text = Truncator(" ".join(str(row.get("text", "")).split())).chars(180)
        url = web_address(str(row.get("url", "")))
        found.append(Passage(words or url, url, text, _number(row.get("score")) or 0.0))
    return found


def _number(value: Any) -> float | None:
    return min(1.0, max(0.0, float(value))) if isinstance(value, int | float) else None


def _pages(rows: Sequence[dict[str, Any]]) -> list[PageSeen]:
    """The last pages, the present one first."""
    seen = []
    for row in list(rows)[: -PAGES_SHOWN - 1 : -1]:
        url = str(row.get("url", ""))
        at = datetime.fromisoformat(row["at"]) if row.get("at") else None
        seen.append(PageSeen(page_path(url), web_address(url), str(row.get("title", "")), at))
    return seen


def page_path(url: str) -> str:
    """The part of an address that tells an agent where somebody is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts.path or "/" if parts.netloc else url


def _earlier(conversation: Conversation) -> list[Earlier]:
    asked = Message.objects.filter(episode=OuterRef("pk"), kind=Message.Kind.TEXT, sender="visitor")
    ended = Episode.objects.filter(conversation=conversation, ended_at__isnull=False).order_by("-number")
    episode: Any
    rows = []
    for episode in ended.annotate(question=Subquery(asked.order_by("seq").values("text")[:1]))[:5]:
        pill = OUTCOME_PILLS.get(Episode.Outcome(episode.outcome), Pill("check", "Ended"))
        rows.append(Earlier(episode.question or "", pill, episode.ended_at, episode.rating))
    return rows
