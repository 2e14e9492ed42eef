"""What an answerer gets and gives. Pure values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from knowledge.evidence import Passage

Kind = Literal["reply", "clarify", "unknown", "handoff"]


@dataclass(frozen=True)
class Said:
    """An earlier entry of the conversation. `who` is `visitor` or `business`."""

    who: Literal["visitor", "business"]
    text: str


@dataclass(frozen=True)
class Model:
    """Which language model answers, if any does.

    `is_operators` says that the endpoint was set by whoever runs the product; an endpoint that a tenant set
    must be a public address or on the private list.
    """

    name: str
    key: str = field(repr=False)
    base_url: str = ""
    is_operators: bool = False


@dataclass(frozen=True)
class Patience:
    """How long a model may take, in seconds: to connect, to the first words, between words, and in all."""

    connect: float = 5.0
    first: float = 14.0
    between: float = 8.0
    total: float = 80.0


@dataclass(frozen=True)
class Question:
    """One turn. `language` is the visitor's (ISO 639-1, '' if unknown); `passages` are best first, and their
    numbers in citations count from 1; `confidence` is the evidence's. `context` is the question with what the visitor
    asked before, where it was searched for so."""

    text: str
    context: str = field(default="", kw_only=True)
    language: str = ""
    history: tuple[Said, ...] = ()
    passages: tuple[Passage, ...] = ()
    confidence: float = 0.0
    persona: str = ""
    project_name: str = ""
    model: Model | None = None


@dataclass(frozen=True)
class Outcome:
    """How a turn ended: answered, one question asked back, not known, or the model called for a person.

    `text` is the whole reply as it was streamed; what is not known, and a question back, come at the end alone, and a
    reply that had to be taken back is replaced by it. `citations` are passage numbers in order of first use.
    `confidence` (0..1) is the evidence's after a model had to quote the sentences that answer; None where none was
    asked. `quotes` are those that stand in their passages, with their numbers.
    """

    kind: Kind
    text: str
    citations: tuple[int, ...] = ()
    confidence: float | None = None
    quotes: tuple[tuple[int, str], ...] = ()


Delta = str | Outcome


class Answerer(Protocol):
    """Text as it comes, then exactly one Outcome. Raises ModelError instead of an Outcome. An empty text says that
    it is still at work; there is at least one a second."""

    def __call__(self, question: Question, /) -> Iterator[Delta]: ...
