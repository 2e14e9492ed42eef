"""Does this message ask for a person? The phrase net, first of both nets: pure, below a millisecond; and the trained
head, which hears only what the phrases have no word on."""

from __future__ import annotations

from dataclasses import dataclass

from chat.judgement.head.scoring import Vector, head
from chat.judgement.lexicon import Reading, normalise, read

__all__ = ["Ask", "Heard", "find_ask", "normalise"]
SECTION = "request"


@dataclass(frozen=True)
class Ask:
    """A request for a person: the words that matched, normalised, and the languages whose files have them."""

    words: str
    languages: tuple[str, ...]

    def language(self, likely: str) -> str:
        """The language to reply in: the likely one (`de-AT`) if it fits, else English if it does, else the first."""
        for wanted in (likely[:2].lower(), "en"):
            if wanted in self.languages:
                return likely if wanted == likely[:2].lower() else wanted
        return self.languages[0]


@dataclass(frozen=True)
class Heard:
    """What the head made of a message: the probability that it asks for a person, and whether that counts. It does
    not where phrases found a request already, or found what only looks like one (a refusal, "are you a bot?")."""

    probability: float
    threshold: float
    counts: bool

    @property
    def asks(self) -> bool:
        """Whether it asks for a person, by the head alone."""
        return self.counts and self.probability >= self.threshold


def find_ask(text: str) -> Ask | None:
    """The request for a person in a visitor's message, or None."""
    return ask_in(read(text, (SECTION,)))


def ask_in(reading: Reading) -> Ask | None:
    """The longest request of a message that was read already, or None."""
    hits = reading.of(SECTION)
    if not hits:
        return None
    best = max(hits, key=lambda hit: (hit.end - hit.start, -hit.start))
    languages = {hit.language for hit in hits if (hit.start, hit.end) == (best.start, best.end)}
    return Ask(reading.words(best), tuple(sorted(languages)))


def hear(reading: Reading, vector: Vector) -> Heard:
    """The head's word on a message that was read and embedded already."""
    counts = SECTION not in reading.looks and not reading.of(SECTION)
    return Heard(head().probability(vector), head().threshold, counts)
