"""How a visitor feels: each message scored in -1..1 with its signals named, and a running score of the episode. Pure.

The weights were set by hand on half of two public sets and are reported on the other half (docs/judgement.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chat.judgement.lexicon import Hit, Reading, tokens

# What one finding adds, and how many of its kind count.
WEIGHTS: dict[str, tuple[float, int]] = {
    "swearing": (-0.75, 2),
    "furious words": (-0.6, 2),
    "negative words": (-0.32, 3),
    "said it did not help": (-0.4, 2),
    "impatience": (-0.22, 2),
    "shouting": (-0.4, 1),
    "emphasis": (-0.12, 2),
    "asked the same again": (-0.3, 1),
    "angry emoji": (-0.5, 2),
    "trouble": (-0.06, 2),
    "positive words": (0.34, 3),
    "happy emoji": (0.4, 2),
}
SECTIONS = {
    "swearing": "swearing",
    "furious": "furious words",
    "negative": "negative words",
    "not_helped": "said it did not help",
    "impatient": "impatience",
    "trouble": "trouble",
    "positive": "positive words",
}
_TURNED = {"positive words": "negative words"}  # what a negation makes of it; other findings it takes away
_NEGATED = frozenset({"positive", "negative", "furious", "trouble"})
_NEGATION_REACH = 2
_LOUD = 1.3  # what runs of ! and ? make of a feeling that is there
_LOUD_ALONE = -0.08
# Cosine of two messages that ask the same in other words. English: 62% of paraphrases reach it, 0.3% of two questions
# of one site. Other languages lie closer together: it is set where as few turns of dialogues reach it.
SAME_IN_ENGLISH, SAME_ELSEWHERE = 0.92, 0.945
_FEWEST_WORDS = 5  # shorter messages are alike without being the same question
# What they sound like from one time to the next, whatever they answer.
_NO_QUESTION = frozenset({"said it did not help", "positive words"})
RECENT = 0.35  # what an earlier message counts, of the one after it
REMEMBERED = 6

_LETTERS = re.compile(r"[^\W\d_]+")
_RUN = re.compile(r"[!！]{2,}|[?？]{2,}|[!！][?？]|[?？][!！]")
_ANGRY = re.compile("[😠😡🤬😤👎💩🤮😾🖕😒🙄]")
_HAPPY = re.compile("[😀😃😄😁😊🙂😍🥰😘🤗👍🙏❤💖💕🎉🥳😂🤣]")
_CAPITAL_WORDS = 3
_CAPITAL_SHARE = 0.6


@dataclass(frozen=True)
class Mood:
    """One message: its score in -1..1, and how often each signal was found (see WEIGHTS, and `loud`)."""

    score: float
    signals: dict[str, int] = field(default_factory=dict)

    @property
    def not_helped(self) -> bool:
        """Whether it says that the answer did not help, or asks the same again."""
        return bool(self.signals.get("said it did not help") or self.signals.get("asked the same again"))


@dataclass(frozen=True)
class Run:
    """The episode so far, each in -1..1: where it is now, the best it was before, and how many messages ago."""

    now: float
    best: float
    messages: int


def mood_of(text: str, reading: Reading, *, languages: frozenset[str], alike: Sequence[float] = ()) -> Mood:
    """Score one message.

    `languages` are those that it may be written in; phrases of others do not count; empty: any. `alike` are
    the cosines of its embedding with the visitor's earlier messages of the episode.
    """
    signals = _phrases(reading, languages)
    shown = len(_RUN.findall(text))
    if _is_shouted(text, reading):
        signals["shouting"] = 1
    elif (emphasised := _emphasised(text, reading)) > 0:
        signals["emphasis"] = emphasised
    asks = len(reading.tokens) >= _FEWEST_WORDS and not signals.keys() & _NO_QUESTION
    if asks and any(one >= same_question(languages) for one in alike):
        signals["asked the same again"] = 1
    for name, pattern in (("angry emoji", _ANGRY), ("happy emoji", _HAPPY)):
        if found := len(pattern.findall(text)):
            signals[name] = found
    total = sum(WEIGHTS[name][0] * min(count, WEIGHTS[name][1]) for name, count in signals.items())
    if shown:
        signals["loud"] = shown
        total = total * _LOUD if abs(total) > 0.1 else total + _LOUD_ALONE
    return Mood(round(math.tanh(total), 3), signals)


def same_question(languages: frozenset[str]) -> float:
    """From which cosine on two messages in these languages ask the same."""
    return SAME_IN_ENGLISH if languages == {"en"} else SAME_ELSEWHERE


def running(scores: Sequence[float]) -> Run:
    """Where the running score of an episode's messages, oldest first, stands. Needs at least one."""
    steps = trail(scores)
    before = steps[:-1] or steps
    best = max(before)
    return Run(steps[-1], best, len(steps) - before.index(best))


def trail(scores: Sequence[float]) -> list[float]:
    """The running score after each message, oldest first; the newest message weighs most."""
    return [_weighed(scores[: end + 1]) for end in range(len(scores))]


def named(signals: dict[str, int]) -> str:
    """The signals that weigh on the mood, heaviest first, in words."""
    heavy = [name for name in signals if name in WEIGHTS and WEIGHTS[name][0] <= -0.1]
    return ", ".join(sorted(heavy, key=lambda name: WEIGHTS[name][0]))


def _weighed(scores: Sequence[float]) -> float:
    recent = list(reversed(scores))[:REMEMBERED]
    weights = [RECENT**age for age in range(len(recent))]
    return round(sum(map(float.__mul__, map(float, recent), weights)) / sum(weights), 3)


def _phrases(reading: Reading, languages: frozenset[str]) -> dict[str, int]:
    """How many places of the message hold each signal's phrases; one place counts once, in its gravest sense."""
    hits = [hit for hit in reading.of(*SECTIONS) if not languages or hit.language in languages]
    signals: dict[str, int] = {}
    taken: set[int] = set()
    order = list(SECTIONS)
    for hit in sorted(hits, key=lambda hit: (order.index(hit.section), hit.start)):
        places = range(hit.start, hit.end)
        if taken.intersection(places):
            continue
        taken.update(places)
        name: str | None = SECTIONS[hit.section]
        if hit.section in _NEGATED and _is_negated(hit, reading, taken):
            name = _TURNED.get(SECTIONS[hit.section])
        if name:
            signals[name] = signals.get(name, 0) + 1
    return signals


def _is_negated(hit: Hit, reading: Reading, taken: set[int]) -> bool:
    """Whether a negation stands before it, with no mark and nothing else between that it could belong to."""
    return any(
        one.language == hit.language
        and 0 <= hit.start - one.end < _NEGATION_REACH
        and not taken.intersection(range(one.end, hit.start))
        and not reading.breaks.intersection(range(one.end, hit.start + 1))
        for one in reading.of("negation")
    )


def _capital_words(text: str) -> list[str]:
    """Words of two or more letters, all capitals. Codes (with digits or underscores) are none."""
    found = []
    for piece in text.split():
        if any(sign.isdigit() or sign == "_" for sign in piece):
            continue
        found += [word for word in _LETTERS.findall(piece) if len(word) > 1 and word.isupper()]
    return found


def _is_shouted(text: str, reading: Reading) -> bool:
    """Most of it in capitals, and said by a person: an error message or a list of codes has none of the small
    words of speech, nor anger."""
    words = _capital_words(text)
    letters = sum(map(len, _LETTERS.findall(text)))
    if len(words) < _CAPITAL_WORDS or sum(map(len, words)) < _CAPITAL_SHARE * letters:
        return False
    return _spoken(words, reading) * 4 >= len(words) or bool(reading.of("swearing", "furious", "not_helped"))


def _emphasised(text: str, reading: Reading) -> int:
    """Words of speech in capitals within a message that is not."""
    words = _capital_words(text)
    return _spoken(words, reading) if len(words) * 2 <= len(_LETTERS.findall(text)) else 0


def _spoken(words: Sequence[str], reading: Reading) -> int:
    """How many of the words are small words of speech, words of feeling, or negations."""
    said = {reading.tokens[hit.start] for hit in reading.of("small", "negation", *(SECTIONS.keys() - {"trouble"}))}
    return sum(1 for word in words if said.intersection(tokens(word)))
