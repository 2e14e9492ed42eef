"""Does this message ask for a person? The phrase net, first of the nets: pure, below a millisecond.

Phrases live in phrases/<language>.txt, one pattern a line, so that a native speaker can mend them:
`(a|b)` alternatives, `word?` or `(a|b)?` optional, `...` up to three words between; a line that begins with `!` is
what only looks like a request, and is taken out of the text before the others are tried; `=` begins a line
that must be the whole message. Matching ignores case, width, punctuation and most accents.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

UNSPACED = frozenset({"zh", "ja", "ko", "th", "km", "lo", "my"})
LONGEST_READ = 2000


@dataclass(frozen=True)
class Ask:
    """A request for a person: the phrase file's language, and the words that matched, normalised."""

    language: str
    words: str


@dataclass(frozen=True)
class PhraseSet:
    """One language's patterns, compiled."""

    language: str
    looks_like: re.Pattern[str] | None
    inside: re.Pattern[str] | None
    whole: re.Pattern[str] | None


def normalise(text: str) -> str:
    """Lower case, one width, no accents of Latin, Greek or Cyrillic letters, punctuation as single spaces."""
    folded = unicodedata.normalize("NFKD", text[:LONGEST_READ]).casefold()
    kept = []
    for char in folded:
        category = unicodedata.category(char)
        if category == "Mn" and ord(char) < 0x0370:
            continue
        kept.append(char if category[0] in "LNM" else " ")
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", "".join(kept)).strip())


def _pattern(line: str, *, spaced: bool) -> str:
    """The regular expression of one phrase line."""
    tokens = re.findall(r"\([^()]*\)\??|\.\.\.|[^\s()]+", line)
    parts: list[str] = []
    for token in tokens:
        optional = token.endswith("?")
        body = token[:-1] if optional else token
        if body == "...":
            parts.append(r"(?:\S+ ){0,3}" if spaced else r".{0,6}?")
            continue
        words = body[1:-1].split("|") if body.startswith("(") else [body]
        core = "|".join(re.escape(normalise(word)).replace(r"\ ", " ") for word in words)
        gap = " ?" if not spaced else " "
        parts.append(f"(?:(?:{core}){gap})?" if optional else f"(?:{core}){gap}")
    return "".join(parts)


def _compile(lines: list[str], *, spaced: bool) -> re.Pattern[str] | None:
    if not lines:
        return None
    body = "|".join(_pattern(line, spaced=spaced) for line in lines)
    return re.compile(rf"(?:(?<= )|^)(?:{body})" if spaced else f"(?:{body})")


@lru_cache(maxsize=1)
def phrase_sets() -> tuple[PhraseSet, ...]:
    """Every language's patterns, read once per process."""
    sets = []
    for path in sorted((Path(__file__).parent / "phrases").glob("*.txt")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        spaced = path.stem not in UNSPACED
        sets.append(
            PhraseSet(
                path.stem,
                _compile([line[1:].strip() for line in lines if line[0] == "!"], spaced=spaced),
                _compile([line for line in lines if line[0] not in "!="], spaced=spaced),
                _compile([line[1:].strip() for line in lines if line[0] == "="], spaced=spaced),
            )
        )
    return tuple(sets)


def find_ask(text: str) -> Ask | None:
    """The request for a person in a visitor's message, or None. First language that matches, in file order."""
    plain = normalise(text) + " "
    if plain == " ":
        return None
    for phrases in phrase_sets():
        rest = phrases.looks_like.sub("  ", plain) if phrases.looks_like else plain
        whole = phrases.whole.fullmatch(rest) if phrases.whole else None
        found = whole or (phrases.inside.search(rest) if phrases.inside else None)
        if found:
            return Ask(phrases.language, found.group().strip())
    return None
