"""What happened in a conversation. Ids are strings for conversations, integers for rows."""

from __future__ import annotations

from dataclasses import dataclass

from tenants.events import Event


@dataclass(frozen=True)
class MessagePosted(Event):
    """An entry joined the log; `for_team` says that the queue page shows it."""

    conversation_id: str
    seq: int
    for_team: bool


@dataclass(frozen=True)
class TurnQueued(Event):
    turn_id: int


@dataclass(frozen=True)
class VisitorHeard(Event):
    """A visitor wrote something that no turn answers: people have it, or were just called."""

    message_id: int


@dataclass(frozen=True)
class MoodNoted(Event):
    """Texts of a conversation were judged while people have it."""

    conversation_id: str


@dataclass(frozen=True)
class AnswerGiven(Event):
    """A turn ended: the AI's reply was stored, with the `outcome` `reply`, `clarify` or `unknown`, or people
    were called instead, `handoff`. `confidence` 0..1."""

    turn_id: int
    conversation_id: str
    message_id: int
    outcome: str
    confidence: float
    is_test: bool


@dataclass(frozen=True)
class HandoffRequested(Event):
    conversation_id: str
    handoff_id: int
    is_test: bool
    reachable: bool


@dataclass(frozen=True)
class HandoffStanding(Event):
    """Nobody came, or nobody is there: the AI goes on, people may take it later."""

    conversation_id: str
    handoff_id: int
    is_test: bool


@dataclass(frozen=True)
class ConversationClaimed(Event):
    conversation_id: str
    handoff_id: int | None
    seat_id: int
    via: str


@dataclass(frozen=True)
class ConversationReleased(Event):
    """An agent gave a conversation back: to the queue (`to` = `queue`) or to the AI (`ai`)."""

    conversation_id: str
    seat_id: int
    to: str


@dataclass(frozen=True)
class ConversationResolved(Event):
    conversation_id: str
    episode_id: int
    seat_id: int | None
    outcome: str


@dataclass(frozen=True)
class ContactLeft(Event):
    conversation_id: str
    name: str
    email: str
    question: str


@dataclass(frozen=True)
class SeatSeen(Event):
    """An agent's dashboard gave a sign of life."""

    seat_id: int
