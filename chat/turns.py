"""Running a turn: retrieve, judge, then call people, or answer piece by piece and stop the moment somebody else has
the word."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from chat import actions
from chat.actions import Job, Word
from chat.judgement.decision import LEAD, Decision, Earlier, Facts, assess, score
from chat.judgement.rules import Rules
from chat.models import Handoff, Message
from chat.running import running
from knowledge import embed
from knowledge.answering import citations, may_quote, question_on
from knowledge.answers import Outcome, Patience, Question, Said, answer, in_context
from knowledge.errors import ModelError
from knowledge.language import detect
from knowledge.search import Evidence, search
from tenants import push
from tenants.errors import ProductError
from tenants.schema import current_schema
from tenants.workspace.actions import note_model_problem
from tenants.workspace.models import Project

log = logging.getLogger(__name__)
FLUSH_SECONDS = 0.08
_ALIKE_EARLIER = 5  # so many earlier texts are compared, and none so long that embedding it again takes a while
_ALIKE_CHARACTERS = 400
_OVERTAKEN_TEXTS = 3
_OVERTAKEN_CHARACTERS = 300
_STAND_IN = timedelta(seconds=3)  # kept back of the time for first words, for quoting the pages or calling people
_BETWEEN_SECONDS = 8.0
# The team alone can help.
_NEEDS_SETTINGS = frozenset({"model_key", "model_error", "model_refused", "model_unstructured"})
_CITED = re.compile(r"\[(\d{1,2})\]")


def run(turn_id: int) -> None:
    """Answer one turn, if it is still to be answered. An error never ends in silence: people are called; only when
    the database is gone, another worker takes the turn over."""
    job = actions.begin_turn(turn_id=turn_id)
    if job is None:
        return
    try:
        with running.holding(job.hold):
            _answer(job)
    except ProductError as error:
        log.warning("turn %s failed: %s", turn_id, error.code)
        actions.fail_turn(hold=job.hold, reason="The AI could not answer: " + error.sentence)
    except DatabaseError:
        raise
    except Exception:
        log.exception("turn %s broke", turn_id)
        actions.fail_turn(hold=job.hold, reason="The AI could not answer: something broke on our side")


def _answer(job: Job) -> None:
    project = Project.objects.get(pk=job.project_id)
    asked = asked_of(job)
    vector = embed.embed_query(asked)
    evidence = search(job.project_id, asked, vector=vector)
    facts = facts_of(job, Rules.of(project), vector=vector, confidence=evidence.confidence)
    decision = judge(job, facts)
    question = question_of(job, project, evidence)
    if not decision.rule and evidence.confidence < project.evidence_threshold:
        question, evidence = with_context(job.project_id, question, evidence)
    actions.note_evidence(
        hold=job.hold,
        evidence=asdict(evidence) | ({"asked": question.context} if question.context else {}),
        confidence=evidence.confidence,
        decision=decision.record(facts),
    )
    actions.note_moods(moods={**moods_of(job, facts), job.message_id: decision.mood})
    language = detect(job.text) or job.language[:2]
    if decision.trigger:
        actions.hand_over_turn(hold=job.hold, trigger=decision.trigger, reason=decision.reason, language=language)
    elif decision.rule == LEAD:
        actions.ask_contact(hold=job.hold, kind=decision.scores["triage"], language=language)
    else:
        _speak(job, project, question, facts)


def asked_of(job: Job) -> str:
    """All that the visitor wrote since the business last spoke: texts that were overtaken, the last few of them and
    their beginnings, then the newest."""
    overtaken = [one.text[:_OVERTAKEN_CHARACTERS] for one in job.earlier if one.is_open]
    return "\n".join([*overtaken[-_OVERTAKEN_TEXTS:], job.text])


def judge(job: Job, facts: Facts) -> Decision:
    """The newest text is judged, and where it calls nobody, those before it that nobody answered: a hasty "hello?"
    must not hide what it follows."""
    newest = assess(facts)
    if newest.rule:
        return newest
    for place in reversed(range(len(job.earlier))):
        if job.earlier[place].is_open:
            text = job.earlier[place].text
            vector = embed.embed_query(text) if len(text) <= _ALIKE_CHARACTERS else None
            before = assess(replace(facts, text=text, earlier=facts.earlier[:place], vector=vector))
            if before.trigger:
                return replace(newest, rule=before.rule, reason=before.reason)
    return newest


def facts_of(job: Job, rules: Rules, *, vector: embed.Vector, confidence: float) -> Facts:
    """What judgement goes by. The visitor's last few texts are compared with this one: the same again is a sign.
    `vector` is of all that was asked: the newest text's own, where nothing before it waits."""
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
        vector=vector if asked_of(job) == job.text else embed.embed_query(job.text),
    )


def moods_of(job: Job, facts: Facts) -> dict[int, float]:
    """The moods of the visitor's earlier texts, by message id: turns that were overtaken left theirs unjudged."""
    said = zip(job.earlier, facts.earlier, strict=True)
    return {one.message_id: told.mood for one, told in said if told.mood is not None}


def _speak(job: Job, project: Project, question: Question, facts: Facts) -> None:
    stream = Stream(job)
    stream.typing(on=True)
    try:
        outcome = _say(job, stream, question, project)
    finally:
        stream.typing(on=False)
    if outcome is None:
        return  # somebody else has the word
    trigger, reason = judged_again(job, facts, outcome)
    if trigger:
        language = detect(job.text) or job.language[:2]
        actions.hand_over_turn(hold=job.hold, trigger=trigger, reason=reason, language=language)
    else:
        sources = citations(outcome.citations, Evidence(question.confidence, question.passages))
        actions.answer_turn(hold=job.hold, text=outcome.text, outcome=outcome.kind, citations=sources)


def judged_again(job: Job, facts: Facts, outcome: Outcome) -> tuple[str, str]:
    """The trigger and reason of a handoff after the answer, or nothing: a model may call a person, and where it finds
    no sentence that answers, the evidence is weaker than it seemed."""
    weaker = replace(facts, confidence=outcome.confidence)
    found_nothing = outcome.kind == "unknown" and outcome.confidence is not None
    decision = judge(job, weaker) if found_nothing else None
    if outcome.confidence is not None:
        quotes = [{"n": number, "text": text} for number, text in outcome.quotes]
        record = decision.record(weaker) if decision else {}
        actions.note_proof(hold=job.hold, confidence=outcome.confidence, quotes=quotes, decision=record)
    if outcome.kind == "handoff":
        return Handoff.Trigger.REQUEST, "The AI called a person"
    return (decision.trigger, decision.reason) if decision else ("", "")


def _say(job: Job, stream: Stream, question: Question, project: Project) -> Outcome | None:
    """The answer, streamed. A model that fails before its first word is stood in for by the pages' own words, where
    they are good enough; raises ModelError where they are not."""
    try:
        outcome = stream.follow(answer(question, patience=patience_of(job, timezone.now())))
    except ModelError as error:
        if error.code in _NEEDS_SETTINGS and not error.retryable:
            note_model_problem(project_id=project.pk, sentence=error.sentence)
        if stream.has_spoken or not may_quote(question, project):
            raise
        log.warning("turn %s: the model failed (%s), the pages are quoted", job.hold.turn_id, error.code)
        actions.note_fallback(hold=job.hold, code=error.code)
        return stream.follow(answer(replace(question, model=None)))
    if question.model is not None and project.model_problem:
        note_model_problem(project_id=project.pk, sentence="")
    return outcome


def patience_of(job: Job, now: datetime) -> Patience:
    """How long a model may take, so that what stands in for it still comes in time."""
    first = (job.first_words_by - now - _STAND_IN).total_seconds()
    total = (job.all_by - now - _STAND_IN).total_seconds()
    return Patience(first=max(1.0, first), between=_BETWEEN_SECONDS, total=max(1.0, total))


def question_of(job: Job, project: Project, evidence: Evidence) -> Question:
    """What the answerer is asked: the visitor's words, in the language they are written in."""
    told = tuple(
        Said("visitor" if sender == Message.Sender.VISITOR else "business", text) for sender, text in job.history
    )
    language = detect(job.text) or job.language[:2]
    return question_on(project, evidence, text=asked_of(job), language=language, history=told)


def with_context(project_id: int, question: Question, evidence: Evidence) -> tuple[Question, Evidence]:
    """A question that finds little alone may lean on those before it ("and for students?"): with them, if that finds
    more. Judgement keeps to the text alone, so that nothing that was asked before hides a critical topic."""
    fuller = in_context(question)
    found = search(project_id, fuller) if fuller else evidence
    if found.confidence <= evidence.confidence:
        return question, evidence
    return replace(question, context=fuller, passages=found.passages, confidence=found.confidence), found


class Stream:
    """Sends an answer's pieces to everyone who follows the conversation, while the turn may still speak."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._group = push.conversation_group(current_schema(), job.conversation_id)
        self._sent = ""
        self._waiting = ""
        self._flushed_at = 0.0

    @property
    def has_spoken(self) -> bool:
        """Whether any word was shown."""
        return bool(self._sent)

    def typing(self, *, on: bool) -> None:
        """Show that the AI works on it."""
        self._relay({"type": "typing", "who": "ai", "name": "", "on": on})

    def follow(self, pieces: Iterator[str | Outcome]) -> Outcome | None:
        """Send text as it comes; the outcome at the end, or None when somebody else has the word. When the visitor has
        written again meanwhile and waits, what was said so far is the outcome."""
        for piece in pieces:
            if isinstance(piece, Outcome):
                return None if self._flush() is Word.STOP else piece
            self._waiting += piece
            if time.monotonic() - self._flushed_at < FLUSH_SECONDS:
                continue
            word = self._flush()
            if word is Word.STOP:
                return None
            if word is Word.HURRY and self._sent:
                return cut_short(self._sent)
        raise ModelError("model_cut", "The answer broke off.", retryable=True)

    def _flush(self) -> Word:
        """Keep the turn, then show what waits. An empty piece is a sign of life that shows nothing."""
        word = actions.keep_turn(hold=self._job.hold, words=bool(self._waiting))
        if word is not Word.STOP and self._waiting:
            frame = {
                "turn": self._job.hold.turn_id,
                "epoch": self._job.epoch,
                "offset": len(self._sent),
                "text": self._waiting,
            }
            self._relay({"type": "delta", **frame})
            self._sent += self._waiting
            self._waiting = ""
        self._flushed_at = time.monotonic()
        return word

    def _relay(self, frame: dict[str, Any]) -> None:
        shown = {**frame, "conversation": self._job.conversation_id}
        push.send(self._group, {"type": "relay", "audience": "all", "frame": shown})


def cut_short(said: str) -> Outcome:
    """What was said of an answer that made room for the next one."""
    numbers = dict.fromkeys(int(number) for number in _CITED.findall(said))
    return Outcome("reply", said.rstrip() + " …", tuple(numbers))
