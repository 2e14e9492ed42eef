"""From the object that a model writes to what the visitor reads: quotes are checked before any word is shown. Pure."""

from __future__ import annotations

import re
from typing import Any

from knowledge.answers import quotes
from knowledge.answers.gate import Gate
from knowledge.answers.guards import Ground, cleaned, hosts_of, verdict
from knowledge.answers.partial import PartialObject
from knowledge.answers.phrases import phrase
from knowledge.answers.question import Outcome, Question
from knowledge.answers.quotes import Quote
from knowledge.errors import ModelError
from knowledge.sentences import split

_LONGEST_QUESTION = 300
_ASKS = ("?", "？", "؟", "\u037e")
_SECRET = re.compile(
    r"pass(?:word|code|wort)|contrase|mot de passe|wachtwoord|senha|\bpin\b|\bcvv|iban|card num|credit ?card|"
    r"kreditkarte|tarjeta|carte bancaire|cartão|carta di credito",
    re.IGNORECASE,
)
# A verified quote is assumed to be nine times likelier where the passages hold the answer. A reader that found none
# outweighs the scores: what is left is weak at every usual threshold. To be measured with the model in use.
_ODDS_OF_QUOTE = 9.0
_LEFT_WITHOUT = 0.2


class Hearing:
    """`hear` what comes; it gives back what may be shown. `is_over` says that the rest does not matter; `outcome` is
    how the turn ends."""

    def __init__(self, question: Question, rules: str = "") -> None:
        self._question = question
        self._rules = rules
        self._object = PartialObject("text")
        self._gate: Gate | None = None
        self._early: Outcome | None = None
        self._read = 0  # characters of the text that went through the gate
        self._quotes: tuple[Quote, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether there is an object, as far as it came."""
        return self._object.has_begun and not self._object.is_broken

    @property
    def is_over(self) -> bool:
        shut = self._gate is not None and (self._gate.is_shut or self._gate.is_full)
        return self._early is not None or shut or self._object.is_done

    def hear(self, chunk: str) -> str:
        self._object.feed(chunk)
        if self._early is None and self._gate is None:
            self._decide(self._object.values.get("kind"))
        return self._pass()

    def end(self) -> str:
        """No more comes: the last words, if they may be shown."""
        if self._early is None and self._gate is None and "quotes" in self._object.values:
            self._decide(self._object.values.get("kind", "reply"))
        shown = self._pass()
        # What breaks off is no sentence.
        return shown + self._gate.finish() if self._gate and "text" in self._object.values else shown

    @property
    def outcome(self) -> Outcome:
        """Raises ModelError where no answer in the agreed form came, and nothing can be said of the passages."""
        if self._early is not None:
            return self._early
        if self._gate is None:
            raise ModelError("model_unstructured", "The language model does not answer in the form that is asked for.")
        if self._gate.is_shut:
            return self._unknown()
        if not self._gate.said:
            return self._quoted()
        return Outcome("reply", self._gate.said, self._gate.citations, self._raised(), self._proof())

    def _decide(self, kind: Any) -> None:
        """As soon as it is known what kind of answer it is."""
        if kind == "handoff":
            self._early = Outcome("handoff", "")
        elif kind == "unknown":
            self._early = self._unknown()
        elif kind == "clarify" and "text" in self._object.values:
            self._early = self._clarifying(self._object.text)
        elif kind == "reply" and "quotes" in self._object.values:
            passages = self._question.passages
            self._quotes = quotes.verified(quotes.read(self._object.values["quotes"]), passages)
            if self._quotes:
                self._gate = Gate(self._ground(), (quote.passage for quote in self._quotes))
            else:
                self._early = self._unknown()

    def _pass(self) -> str:
        if self._gate is None:
            return ""
        new, self._read = self._object.text[self._read :], len(self._object.text)
        return self._gate.feed(new)

    def _ground(self) -> Ground:
        asked = self._question
        cited = {quote.passage for quote in self._quotes}
        passages = tuple(one for number, one in enumerate(asked.passages, 1) if number in cited or not cited)
        return Ground(passages, hosts_of(asked.passages), asked.text, self._rules)

    def _quoted(self) -> Outcome:
        """The model found the place but named no source in its text: the sentences themselves."""
        passages = self._question.passages
        by_text = {quotes.in_full(quote, passages): quote.passage for quote in self._quotes}
        parts = [f"{text} [{number}]" for text, number in by_text.items() if text]
        if not parts:
            return self._unknown()
        language = passages[self._quotes[0].passage - 1].language
        if self._question.language and language and language != self._question.language:
            parts.insert(0, phrase(self._question.language, "other"))
        cited = tuple(dict.fromkeys(by_text.values()))
        return Outcome("reply", "\n\n".join(parts), cited, self._raised(), self._proof())

    def _clarifying(self, text: str) -> Outcome:
        """One question back, once: it states nothing, names nothing that the passages do not name, and asks for nothing
        secret."""
        if len(text) > 2 * _LONGEST_QUESTION:
            return self._unknown()
        asked = [one for one in split(cleaned(text, self._ground())) if one.endswith(_ASKS)]
        said = self._question.history[-1] if self._question.history else None
        asked_before = said is not None and said.who == "business" and said.text.rstrip().endswith(_ASKS)
        trusted = len(asked) == 1 and len(asked[0]) <= _LONGEST_QUESTION and not _SECRET.search(asked[0])
        if asked_before or not trusted or verdict(text, self._ground()):
            return self._unknown()
        return Outcome("clarify", asked[0])

    def _unknown(self) -> Outcome:
        return Outcome(
            "unknown",
            phrase(self._question.language, "unknown"),
            (),
            _LEFT_WITHOUT * self._question.confidence,
            self._proof(),
        )

    def _raised(self) -> float:
        """What the evidence is worth with a quote behind it."""
        certain = min(max(self._question.confidence, 0.001), 0.999)
        odds = certain / (1 - certain) * _ODDS_OF_QUOTE
        return odds / (1 + odds)

    def _proof(self) -> tuple[tuple[int, str], ...]:
        return tuple((quote.passage, quote.text) for quote in self._quotes)
