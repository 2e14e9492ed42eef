"""Running a turn: retrieve, judge, then call people, or answer piece by piece and stop the moment somebody else has
the word."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.conf import settings

from chat import actions
from chat.actions.turns import Job
from chat.judgement.decision import LEAD, Earlier, Facts, assess, score
from chat.judgement.rules import Rules
from chat.models import Handoff, Message
from knowledge import embed
from knowledge.answers import Model, Outcome, Question, Said, answer
from knowledge.language import detect
from knowledge.search import Evidence, search
from tenants import push
from tenants.errors import ProductError
from tenants.schema import current_schema
from tenants.workspace.models import Project

log = logging.getLogger(__name__)
FLUSH_SECONDS = 0.08
_ALIKE_EARLIER = 5  # so many earlier texts are compared, and none so long that embedding it again takes a while
_ALIKE_CHARACTERS = 400


def run(turn_id: int) -> None:
    """Answer one turn, if it is still to be answered. An error never ends in silence: people are called."""
    job = actions.begin_turn(turn_id=turn_id)
    if job is None:
        return
    try:
        _answer(job)
    except ProductError as error:
        log.warning("turn %s failed: %s", turn_id, error.code)
        actions.fail_turn(turn_id=turn_id, reason="The AI could not answer: " + error.sentence)


def _answer(job: Job) -> None:
    project = Project.objects.get(pk=job.project_id)
    vector = embed.embed_query(job.text)
    evidence = search(job.project_id, job.text, vector=vector)
    facts = facts_of(job, Rules.of(project), vector=vector, confidence=evidence.confidence)
    decision = assess(facts)
    actions.note_evidence(
        turn_id=job.turn_id,
        evidence=asdict(evidence),
        confidence=evidence.confidence,
        decision=decision.record(facts),
    )
    actions.note_moods(moods={**moods_of(job, facts), job.message_id: decision.mood})
    language = detect(job.text) or job.language[:2]
    if decision.trigger:
        actions.hand_over_turn(
            turn_id=job.turn_id, trigger=decision.trigger, reason=decision.reason, language=language
        )
    elif decision.rule == LEAD:
        actions.ask_contact(turn_id=job.turn_id, kind=decision.scores["triage"], language=language)
    else:
        _speak(job, project, evidence)


def facts_of(job: Job, rules: Rules, *, vector: embed.Vector, confidence: float) -> Facts:
    """What judgement goes by. The visitor's last few texts are compared with this one: the same again is a sign."""
    expected = (job.language,)
    earlier = []
    for place, one in enumerate(job.earlier):
        near = place >= len(job.earlier) - _ALIKE_EARLIER and len(one.text) <= _ALIKE_CHARACTERS
        alike = float(embed.embed_query(one.text) @ vector) if near else 0.0
        mood = score(one.text, expected=expected).score if one.mood is None else one.mood
        earlier.append(Earlier(one.text, mood, alike))
    return Facts(
        job.text,
        tuple(earlier),
        expected=expected,
        confidence=confidence,
        called=job.called,
        contact_asked=job.contact_asked,
        rules=rules,
    )


def moods_of(job: Job, facts: Facts) -> dict[int, float]:
    """The moods of the visitor's earlier texts, by message id: turns that were overtaken left theirs unjudged."""
    said = zip(job.earlier, facts.earlier, strict=True)
    return {one.message_id: told.mood for one, told in said if told.mood is not None}


def _speak(job: Job, project: Project, evidence: Evidence) -> None:
    stream = Stream(job)
    stream.typing(on=True)
    try:
        outcome = stream.follow(answer(question_of(job, project, evidence)))
    finally:
        stream.typing(on=False)
    if outcome is None:
        actions.drop_turn(turn_id=job.turn_id)
    elif outcome.kind == "handoff":
        actions.hand_over_turn(
            turn_id=job.turn_id, trigger=Handoff.Trigger.REQUEST, reason="The AI called a person"
        )
    else:
        sources = citations(outcome.citations, evidence)
        actions.answer_turn(turn_id=job.turn_id, text=outcome.text, outcome=outcome.kind, citations=sources)


def question_of(job: Job, project: Project, evidence: Evidence) -> Question:
    """What the answerer is asked: the visitor's words, in the language they are written in."""
    told = tuple(
        Said("visitor" if sender == Message.Sender.VISITOR else "business", text) for sender, text in job.history
    )
    return Question(
        text=job.text,
        language=detect(job.text) or job.language[:2],
        history=told,
        passages=evidence.passages,
        confidence=evidence.confidence,
        persona=project.persona,
        project_name=project.name,
        model=model_of(project),
    )


def model_of(project: Project) -> Model | None:
    """The model that answers for a project; None quotes pages.

    An address of the project's own is called with its own key, or without any; else the operator's address is, with
    the project's key. On the operator's key the operator's model answers: whoever pays chooses.
    """
    if project.answerer != Project.Answerer.OPENAI:
        return None
    name, base_url = project.model_name or settings.OPENAI_MODEL, settings.OPENAI_BASE_URL
    if project.model_base_url:
        return Model(name=name, key=project.model_key, base_url=project.model_base_url)
    if project.model_key:
        return Model(name=name, key=project.model_key, base_url=base_url, is_operators=True)
    return Model(name=settings.OPENAI_MODEL, key=settings.OPENAI_API_KEY, base_url=base_url, is_operators=True)


def citations(numbers: tuple[int, ...], evidence: Evidence) -> list[dict[str, Any]]:
    """The sources of an answer: each cited passage's number (from 1), page, heading and address."""
    found = []
    for number in numbers:
        if 1 <= number <= len(evidence.passages):
            passage = evidence.passages[number - 1]
            url = f"{passage.url}#{passage.anchor}" if passage.anchor else passage.url
            found.append({"n": number, "title": passage.title, "heading": passage.heading, "url": url})
    return found


class Stream:
    """Sends an answer's pieces to everyone who follows the conversation, while the turn may still speak."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._group = push.conversation_group(current_schema(), job.conversation_id)
        self._sent = 0
        self._waiting = ""
        self._flushed_at = 0.0

    def typing(self, *, on: bool) -> None:
        """Show that the AI works on it."""
        self._relay({"type": "typing", "who": "ai", "name": "", "on": on})

    def follow(self, pieces: Iterator[str | Outcome]) -> Outcome | None:
        """Send text as it comes; the outcome at the end, or None when somebody else has the word."""
        for piece in pieces:
            if isinstance(piece, Outcome):
                return piece if self._flush() else None
            self._waiting += piece
            if time.monotonic() - self._flushed_at >= FLUSH_SECONDS and not self._flush():
                return None
        return None

    def _flush(self) -> bool:
        if not actions.keep_turn(turn_id=self._job.turn_id, first_words=self._sent == 0):
            return False
        if self._waiting:
            frame = {
                "turn": self._job.turn_id,
                "epoch": self._job.epoch,
                "offset": self._sent,
                "text": self._waiting,
            }
            self._relay({"type": "delta", **frame})
            self._sent += len(self._waiting)
        self._waiting, self._flushed_at = "", time.monotonic()
        return True

    def _relay(self, frame: dict[str, Any]) -> None:
        shown = {**frame, "conversation": self._job.conversation_id}
        push.send(self._group, {"type": "relay", "audience": "all", "frame": shown})
