"""Which matters a message touches that a business cannot afford to get wrong. Pure.

A topic found is no reason for a person by itself: only with weak evidence is it (decision.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chat.judgement.lexicon import Reading, Words, contains, tokens

# Topic -> how a reason names it.
CRITICAL = {
    "refund": "Refund question",
    "billing_dispute": "Billing dispute",
    "account_closure": "Account closure",
    "cancellation": "Cancellation",
    "contract_change": "Contract change",
    "legal": "Legal matter",
    "complaint": "Complaint",
    "privacy_data_request": "Privacy request",
    "large_purchase": "Large purchase",
}


@dataclass(frozen=True)
class OwnTopic:
    """A topic of the project: any of its keywords makes a message one of it."""

    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """A critical topic of a message: its key (`own:...` for a project's), its name in words, and what was found."""

    key: str
    label: str
    words: str


def topics_of(reading: Reading, *, languages: frozenset[str], own: Sequence[OwnTopic] = ()) -> list[Topic]:
    """The message's critical topics: the project's own first, then by how much of the message they take up."""
    found = [topic for one in own if (topic := _own(reading, one)) is not None]
    builtin: dict[str, Topic] = {}
    hits = [hit for hit in reading.of(*CRITICAL) if not languages or hit.language in languages]
    for hit in sorted(hits, key=lambda hit: hit.start - hit.end):
        builtin.setdefault(hit.section, Topic(hit.section, CRITICAL[hit.section], reading.words(hit)))
    return found + list(builtin.values())


def first_word(message: Words, words: Iterable[str]) -> str | None:
    """The first of a project's words that stands in the message's tokens, whole, case and accents aside."""
    return next((word for word in words if contains(message, tokens(word))), None)


def _own(reading: Reading, topic: OwnTopic) -> Topic | None:
    word = first_word(reading.tokens, topic.keywords)
    return None if word is None else Topic(f"own:{topic.name}", f"“{topic.name}” question", word)
