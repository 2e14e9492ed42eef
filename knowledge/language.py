"""Which language a text is written in."""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path

from lingua import IsoCode639_1, LanguageDetector, LanguageDetectorBuilder

_CODES = (
    *("en", "es", "fr", "de", "it", "pt", "nl", "pl", "ru", "uk", "cs", "sk", "ro", "hu", "bg", "el"),
    *("tr", "ar", "he", "fa", "hi", "bn", "ur", "ta", "te", "th", "vi", "id", "ms", "ja", "zh", "ko"),
    *("sv", "da", "nb", "fi", "hr", "sr", "lt", "lv", "et", "sl", "ca", "sw", "tl"),
)
_SURE = 0.5
_SURE_OF_SHORT = 0.8
_SHORT_CHARACTERS = 12
_LONG_ENOUGH_CHARACTERS = 2000
_WORDS = re.compile(r"[^\W\d_]+")
_DATA = Path(__file__).parent / "data" / "function_words.json"
_lock = threading.Lock()


def detect(text: str, *, likely: Sequence[str] = ()) -> str:
    """ISO 639-1 code of a text's language, '' if unsure.

    `likely` names languages expected here (the page's, the browser's, the last message's); they win close
    calls, which is what short messages are. The models are lingua's low-accuracy ones: 60 MB and 0.4 s of
    CPU at first use, where the full ones took 800 MB and 6 s; counting function words first makes up for
    most of the difference on short texts. Safe to call from several threads.
    """
    text = text[:_LONG_ENOUGH_CHARACTERS]
    votes = _function_word_votes(text)
    for code in likely:
        if votes.get(code, 0.0) > 0:
            votes[code] += 0.08
    ranked = sorted(votes.items(), key=lambda vote: -vote[1])
    if ranked and ranked[0][1] >= 0.25 and (len(ranked) == 1 or ranked[0][1] - ranked[1][1] >= 0.12):
        return ranked[0][0]
    return _by_letters(text, votes, likely)


def _by_letters(text: str, votes: dict[str, float], likely: Sequence[str]) -> str:
    """lingua's opinion, weighed by the function words seen and the languages expected."""
    with _lock:
        values = _detector().compute_language_confidence_values(text)
    scores = {}
    for value in values[:8]:
        code = value.language.iso_code_639_1.name.lower()
        scores[code] = value.value * (1 + 6 * votes.get(code, 0.0)) * (5 if code in likely else 1)
    total = sum(scores.values())
    if not total:
        return ""
    best = max(scores, key=lambda code: scores[code])
    sure = _SURE if len(text) >= _SHORT_CHARACTERS else _SURE_OF_SHORT
    return best if scores[best] / total >= sure else ""


def _function_word_votes(text: str) -> dict[str, float]:
    """Share of a text's words that are function words of each language."""
    words = _WORDS.findall(text.lower())
    if not words:
        return {}
    votes: dict[str, float] = {}
    for word in words:
        for code in _function_words().get(word, ()):
            votes[code] = votes.get(code, 0.0) + 1 / len(words)
    return votes


@functools.cache
def _function_words() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for code, words in json.loads(_DATA.read_text("utf-8")).items():
        for word in set(words.split()):
            table[word] = (*table.get(word, ()), code)
    return table


@functools.cache
def _detector() -> LanguageDetector:
    codes = [getattr(IsoCode639_1, code.upper()) for code in _CODES]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_low_accuracy_mode().build()
