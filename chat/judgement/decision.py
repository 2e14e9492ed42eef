"""Whether a person is needed for a visitor's message, and why. Pure: text and facts in, a decision with reasons out.

`assess` is what the live turn, the evaluation commands and a replay of past conversations all run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from chat.judgement.head.scoring import Vector, head
from chat.judgement.lexicon import lexicon, read
from chat.judgement.mood import Mood, Run, mood_of, named, running, same_question
from chat.judgement.request import Ask, Heard, ask_in, hear
from chat.judgement.rules import Rules
from chat.judgement.topics import Topic, first_word, topics_of
from chat.judgement.triage import KINDS, kind_of
from knowledge.language import detect

VERSION = "3"
STRIKES = 2  # how often the answer did not help, or the same was asked again, before that is frustration

REQUEST, KEYWORD, MOOD, FRUSTRATION, WEAK_EVIDENCE, LEAD = (
    "request",
    "keyword",
    "mood",
    "frustration",
    "weak_evidence",
    "lead",
)
# Rule -> the handoff's trigger; a rule that is not here calls nobody.
TRIGGERS = {REQUEST: "request", KEYWORD: "keyword", MOOD: "mood", FRUSTRATION: "mood", WEAK_EVIDENCE: "weak_evidence"}


@dataclass(frozen=True)
class Earlier:
    """A message that the visitor wrote before in the episode: its mood if it was scored, and the cosine of its
    embedding with the present message's."""

    text: str
    mood: float | None = None
    alike: float = 0.0


@dataclass(frozen=True)
class Facts:
    """One message and what is known around it.

    `earlier` is oldest first, since the AI last took over. `expected` names languages that the visitor is known
    to use. `confidence` is the evidence's in 0..1, None where nothing was searched. `called`: people were called
    already and nobody can come now, so only an explicit wish calls them again. `contact_asked`: an address was asked
    for already, so no message of the episode asks for it again. `vector` is the text's own embedding, as a question;
    without one the head is not asked.
    """

    text: str
    earlier: tuple[Earlier, ...] = ()
    expected: tuple[str, ...] = ()
    confidence: float | None = None
    called: bool = False
    contact_asked: bool = False
    rules: Rules = field(default_factory=Rules)
    vector: Vector | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Decision:
    """Which rule fired (empty: none), the reason in words for the team, and every score."""

    rule: str
    reason: str
    scores: dict[str, Any]
    version: str

    @property
    def trigger(self) -> str:
        """The trigger of the handoff that it asks for, or an empty string."""
        return TRIGGERS.get(self.rule, "")

    @property
    def mood(self) -> float:
        """The message's own score in -1..1."""
        return float(self.scores["mood"])

    def record(self, facts: Facts) -> dict[str, Any]:
        """The decision with all that it came from, as it is stored with the turn; the text is the message's."""
        before = [{"mood": one.mood, "alike": round(one.alike, 3)} for one in facts.earlier]
        inputs = {"earlier": before, "confidence": facts.confidence, "called": facts.called}
        inputs["contact_asked"] = facts.contact_asked
        return {
            "rule": self.rule or None,
            "trigger": self.trigger or None,
            "reason": self.reason,
            "scores": self.scores,
            "version": self.version,
            "inputs": {**inputs, "expected": list(facts.expected), "rules": facts.rules.as_record()},
        }


@dataclass(frozen=True)
class _Seen:
    """What was read in the message."""

    ask: Ask | None
    heard: Heard | None
    keyword: str | None
    mood: Mood
    run: Run
    strikes: tuple[int, int]  # said that it did not help; asked the same before
    topics: list[Topic]
    kind: str | None


def version() -> str:
    """Of the rules, of the phrase files and of the head."""
    return f"{VERSION}-{lexicon().version}-{head().version}"


def languages_of(text: str, expected: Sequence[str] = ()) -> frozenset[str]:
    """The languages whose phrases count: the text's, the expected ones, and English, which is mixed into all.
    Empty (any) where the text's is unknown."""
    known = [code[:2] for code in expected if code]
    found = detect(text, likely=known)
    return frozenset({found, "en", *known}) if found else frozenset()


@lru_cache(maxsize=1024)
def score(text: str, *, expected: tuple[str, ...] = (), alike: tuple[float, ...] = ()) -> Mood:
    """The mood of one message alone. Cached: each message is read again with every later one of its episode."""
    return mood_of(text, read(text), languages=languages_of(text, expected), alike=alike)


def assess(facts: Facts) -> Decision:
    """Judge one message. Of several rules the first of: request, keyword, mood, frustration, weak evidence, lead."""
    seen = _look(facts)
    rule, reason = (
        _asked(seen, facts.rules)
        or (None if facts.called else _upset(seen, facts) or _weak(seen, facts) or _lead(seen, facts))
        or ("", "")
    )
    return Decision(rule, reason, _scores(seen, facts), version())


def _look(facts: Facts) -> _Seen:
    reading = read(facts.text)
    languages = languages_of(facts.text, facts.expected)
    mood = mood_of(facts.text, reading, languages=languages, alike=[one.alike for one in facts.earlier])
    before = [score(one.text, expected=facts.expected) for one in facts.earlier]
    moods = [old.score if one.mood is None else one.mood for one, old in zip(facts.earlier, before, strict=True)]
    not_helped = sum(1 for one in (*before, mood) if one.signals.get("said it did not help"))
    again = sum(one.alike >= same_question(languages) for one in facts.earlier)
    return _Seen(
        ask=ask_in(reading),
        heard=None if facts.vector is None else hear(reading, facts.vector),
        keyword=first_word(reading.tokens, facts.rules.person_words),
        mood=mood,
        run=running([*moods, mood.score]),
        strikes=(not_helped, again if "asked the same again" in mood.signals else 0),
        topics=topics_of(reading, languages=languages, own=facts.rules.topics),
        kind=kind_of(reading, languages=languages),
    )


def _scores(seen: _Seen, facts: Facts) -> dict[str, Any]:
    return {
        "request": seen.ask.words if seen.ask else None,
        "request_head": round(seen.heard.probability, 3) if seen.heard else None,
        "request_head_counts": bool(seen.heard and seen.heard.counts),
        "keyword": seen.keyword,
        "mood": seen.mood.score,
        "signals": seen.mood.signals,
        "running": seen.run.now,
        "best_before": seen.run.best,
        "not_helped": seen.strikes[0],
        "asked_before": seen.strikes[1],
        "topics": {topic.key: topic.words for topic in seen.topics},
        "triage": seen.kind,
        "confidence": facts.confidence,
    }


def _asked(seen: _Seen, rules: Rules) -> tuple[str, str] | None:
    if seen.ask and rules.request_enabled:
        return REQUEST, f"Wrote: “{seen.ask.words[:120]}”"
    if seen.keyword:
        return KEYWORD, keyword_reason(seen.keyword)
    if seen.heard and seen.heard.asks and rules.request_enabled:
        return REQUEST, f"Reads like a wish for a person ({seen.heard.probability:.3f} ≥ {seen.heard.threshold:.3f})"
    return None


def keyword_reason(word: str) -> str:
    """Why a project's own word called a person."""
    return f"Used your keyword “{word}”"


def _upset(seen: _Seen, facts: Facts) -> tuple[str, str] | None:
    """A mood below the threshold, or frustration; a message that is itself calm is never the reason."""
    if not facts.rules.mood_enabled:
        return None
    if seen.run.now < facts.rules.mood_threshold and seen.mood.score < 0:
        return MOOD, _fall(seen)
    if seen.mood.not_helped and sum(seen.strikes) >= STRIKES:
        return FRUSTRATION, _frustration(*seen.strikes)
    return None


def _fall(seen: _Seen) -> str:
    why = named(seen.mood.signals)
    words = f" ({why})" if why else ""
    if seen.run.messages < 2:
        return f"Mood at {seen.run.now:.1f}{words}"
    return f"Mood fell from {seen.run.best:.1f} to {seen.run.now:.1f} over {seen.run.messages} messages{words}"


def _frustration(not_helped: int, again: int) -> str:
    times = {2: "twice", 3: "three times"}
    if not again:
        return f"Said {times.get(not_helped, f'{not_helped} times')} that the answer did not help"
    if not not_helped:
        return f"Asked the same {times.get(again + 1, f'{again + 1} times')}"
    return "Asked the same again, and said that the answer did not help"


def _weak(seen: _Seen, facts: Facts) -> tuple[str, str] | None:
    """A critical topic and weak evidence, both."""
    needed = facts.rules.evidence_threshold
    if not (facts.rules.weak_evidence_enabled and seen.topics and facts.confidence is not None):
        return None
    if facts.confidence >= needed:
        return None
    return WEAK_EVIDENCE, f"{seen.topics[0].label}, evidence {facts.confidence:.2f} < {needed:.2f}"


def _lead(seen: _Seen, facts: Facts) -> tuple[str, str] | None:
    if seen.kind is None or seen.kind not in facts.rules.leads or facts.contact_asked:
        return None
    return LEAD, KINDS[seen.kind]
