"""From a question to its answer: what a live turn and every other way of asking share. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from knowledge.answers import Model, Outcome, Question, Said, answer
from knowledge.errors import KnowledgeError, ModelError
from knowledge.evidence import Evidence
from knowledge.language import detect
from knowledge.search import search
from knowledge.small_talk import small_talk
from tenants.workspace.models import Project


@dataclass(frozen=True)
class Answered:
    """An answer with its sources and evidence. `fallback` is the code of the model's error where the pages were
    quoted in its stead; '' otherwise."""

    outcome: Outcome
    evidence: Evidence
    milliseconds: int
    fallback: str = ""

    @property
    def confidence(self) -> float:
        """The model's quotes decide it, where a model had to quote; else the search."""
        return self.evidence.confidence if self.outcome.confidence is None else self.outcome.confidence

    @property
    def citations(self) -> list[dict[str, Any]]:
        return citations(self.outcome.citations, self.evidence)


def ask(project: Project, text: str) -> Answered:
    """What the AI would say to `text` as the first message of a conversation: the search and the answerer of a live
    turn. Nobody is called, whatever is asked. Raises KnowledgeError."""
    if not text.strip():
        raise KnowledgeError("question_empty", "There is no question.")
    began = time.monotonic()
    evidence = search(project.pk, text)
    question = question_on(project, evidence, text=text, language=detect(text) or project.language[:2])
    outcome, fallback = _outcome(question, project)
    return Answered(outcome, evidence, round((time.monotonic() - began) * 1000), fallback)


def _outcome(question: Question, project: Project) -> tuple[Outcome, str]:
    spoken: list[str] = []
    try:
        return _last(answer(question), spoken), ""
    except ModelError as error:
        if spoken or not may_quote(question, project):
            raise
        return _last(answer(replace(question, model=None)), spoken), error.code


def _last(pieces: Iterator[str | Outcome], spoken: list[str]) -> Outcome:
    for piece in pieces:
        if isinstance(piece, Outcome):
            return piece
        if piece:
            spoken.append(piece)
    raise ModelError("model_cut", "The answer broke off.", retryable=True)


def question_on(
    project: Project, evidence: Evidence, *, text: str, language: str, history: tuple[Said, ...] = ()
) -> Question:
    """What a project's answerer is asked; `language` is the visitor's."""
    return Question(
        text=text,
        language=language,
        history=history,
        passages=evidence.passages,
        confidence=evidence.confidence,
        persona=project.persona,
        project_name=project.name,
        model=model_of(project),
    )


def may_quote(question: Question, project: Project) -> bool:
    """Whether the pages' own words may stand in for a model that fails: they are good enough, or none are needed."""
    return question.confidence >= project.evidence_threshold or small_talk(question.text) is not None


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
