"""Conversations that are over, planted at a moment of one's choosing."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chat.models import Conversation, Episode, Handoff, Message, Turn, Visitor
from insights.actions import note_question, sort_questions
from insights.models import GapQuestion, KnowledgeGap
from tenants.workspace.models import Project


@dataclass
class Talk:
    """One conversation with one episode. Needs the tenant's schema."""

    episode: Episode

    @property
    def conversation(self) -> Conversation:
        return self.episode.conversation

    def handoff(self, trigger: str, *seconds: float | None, **fields: Any) -> Handoff:
        """`seconds`: request to queue, queue to claim, claim to first reply, claim to resolved."""
        times: dict[str, datetime | None] = {"requested_at": self.episode.started_at}
        steps = (
            ("queued_at", "requested_at"),
            ("claimed_at", "queued_at"),
            ("first_reply_at", "claimed_at"),
            ("resolved_at", "claimed_at"),
        )
        for (name, before), took in zip(steps, seconds, strict=False):
            begin = times.get(before)
            times[name] = begin + timedelta(seconds=took) if begin and took is not None else None
        return Handoff.objects.create(
            conversation=self.conversation,
            episode=self.episode,
            trigger=trigger,
            reason="because",
            state=Handoff.State.RESOLVED,
            **times,
            **fields,
        )

    def turn(self, text: str, **fields: Any) -> Turn:
        """A turn about a message of the visitor's."""
        return Turn.objects.create(conversation=self.conversation, message=self.say(text), epoch=1, **fields)

    def say(self, text: str, sender: str = "visitor", kind: str = "text") -> Message:
        seq = self.conversation.messages.count() + 1
        return Message.objects.create(
            conversation=self.conversation,
            episode=self.episode,
            seq=seq,
            sender=sender,
            sender_key=sender,
            kind=kind,
            text=text,
        )


def talk(project: Project, at: datetime, *, outcome: str = "", is_test: bool = False, **fields: Any) -> Talk:
    """A conversation that began at `at`; the visitor wrote a line unless `silent`."""
    silent = fields.pop("silent", False)
    token_hash = hashlib.sha256(secrets.token_bytes(16)).hexdigest()
    visitor = Visitor.objects.create(project=project, token_hash=token_hash, is_test=is_test)
    conversation = Conversation.objects.create(project=project, visitor=visitor, is_test=is_test, language="en")
    ended = at + timedelta(minutes=30) if outcome else None
    episode = Episode.objects.create(
        conversation=conversation, number=1, started_at=at, ended_at=ended, outcome=outcome, **fields
    )
    found = Talk(episode)
    if not silent:
        found.say("Where is my lamp?")
    return found


def gap_of(turn: Turn, confidence: float) -> KnowledgeGap:
    """The gap that a question without a good answer falls into."""
    note_question(turn=turn, confidence=confidence)
    sort_questions()
    gap = GapQuestion.objects.get(turn=turn).gap
    assert gap is not None
    return gap
