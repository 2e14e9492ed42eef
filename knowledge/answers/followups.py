"""Questions that lean on what was said before ("and for students?"). Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from knowledge.answers.quotes import weight
from knowledge.small_talk import small_talk

_MOST_LETTERS = 40
_MOST_WORDS = 8
_MOST_TEXTS = 3
_MOST_CHARACTERS = 300  # of each text that is carried along


def leans(text: str) -> bool:
    """Whether a text may be too short to be searched for alone. No word of any language is known here: a short question
    that stands alone finds its page alone, so whoever asks tries that first."""
    plain = unicodedata.normalize("NFKC", text)
    return 0 < weight(plain) <= _MOST_LETTERS and len(plain.split()) <= _MOST_WORDS and small_talk(text) is None


def carried(text: str, before: Sequence[str]) -> str:
    """A text behind those of the visitor that it may lean on, from the last one that says enough by itself; '' where it
    says enough itself, or nothing came before. `before` is oldest first."""
    if not leans(text):
        return ""
    told: list[str] = []
    for one in reversed(before):
        if not one.strip() or small_talk(one) is not None:
            continue
        told.insert(0, one.strip()[:_MOST_CHARACTERS])
        if not leans(one) or len(told) == _MOST_TEXTS:
            break
    return "\n".join([*told, text]) if told else ""
