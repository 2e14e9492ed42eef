"""The phrase files, and finding their phrases in a message: pure, one pass for all languages together.

phrases/<language>.txt holds what a language says, for native speakers to mend. `[section]` begins a subject
(`request` until one is named), each other line is one pattern: `(a|b)` alternatives (of one or
more words, with groups inside if need be), `word?` or `(a|b)?` optional,
`...` up to three words between, `stem*` any ending, `(#)` a number of 50 or more. A line that begins with `!` is
what only looks like the section's subject, and is taken out of the text before the others are tried; `=`
begins a line that must be the whole message; `# ` begins a comment. Matching ignores case, width, punctuation and
most accents. Scripts without spaces are matched sign by sign.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

FOLDER = Path(__file__).parent / "phrases"
LONGEST_READ = 2000
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_BREAK = re.compile(r"[.!?;:,…。！？；：，、\n]+")
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_PIECE = re.compile(r"\([^()]*\)\??|\.\.\.|[^\s()]+")
_STARRED = re.compile(r"\(([^()]*)\)\*")
_GAP_WORDS, _GAP_SIGNS = 3, 6
_STEM = 3  # a stem is found by its first letters, so it has at least as many
_LARGE = 50
_ARABIC = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ـ": None})
_INSIDE, _LOOKS_LIKE, _WHOLE = "", "!", "="

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase that stands in a message: its section, its file's language, and the tokens [start, end)."""

    section: str
    language: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A message's tokens and every phrase in it, in order of place; of one section and language none overlap.
    `breaks` are the tokens that come after a mark such as a full stop or a comma. `looks` are the sections whose
    subject something in the message only looks like."""

    tokens: Words
    hits: tuple[Hit, ...]
    breaks: frozenset[int] = frozenset()
    looks: frozenset[str] = frozenset()

    def of(self, *sections: str) -> list[Hit]:
        """The hits of some sections."""
        return [hit for hit in self.hits if hit.section in sections]

    def words(self, hit: Hit) -> str:
        """What a hit matched, normalised."""
        return spell(self.tokens[hit.start : hit.end])


@dataclass(frozen=True, slots=True)
class _Part:
    """One place of a pattern: alternatives of one or more words each; without any, a gap of up to `gap`."""

    options: tuple[Words, ...] = ()
    optional: bool = False
    gap: int = 0


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What follows a first word: the rest of its own alternative, then the parts."""

    section: str
    language: str
    kind: str
    first: Words
    rest: tuple[_Part, ...]


@dataclass(frozen=True)
class Lexicon:
    """Every pattern under its first word, or the first letters of its stem. `version` changes with the files."""

    by_word: dict[str, list[_Pattern]]
    by_stem: dict[str, list[_Pattern]]
    version: str


def normalise(text: str) -> str:
    """Lower case, one width, no accents of Latin, Greek or Cyrillic letters, no vowel signs of Hebrew and Arabic,
    punctuation as single spaces."""
    folded = unicodedata.normalize("NFKD", text[:LONGEST_READ]).casefold()
    kept = []
    for char in folded:
        if char.isalnum():
            kept.append(char)
            continue
        category = unicodedata.category(char)
        if category == "Mn" and (ord(char) < 0x0370 or 0x0591 <= ord(char) <= 0x0652):
            continue
        if category == "Cf" and char != "\u200c":
            continue
        kept.append(char if category[0] in "LNM" else " ")
    plain = unicodedata.normalize("NFC", "".join(kept)).translate(_ARABIC)
    return " ".join(plain.split())


def tokens(text: str) -> Words:
    """A text's words, normalised; in scripts without spaces its signs."""
    return tuple(_TOKEN.findall(normalise(text)))


def spell(words: Sequence[str]) -> str:
    """Tokens as a person would write them."""
    spaced = "".join(word if _is_sign(word) else f" {word} " for word in words)
    return " ".join(spaced.split())


def contains(message: Words, phrase: Words) -> bool:
    """Whether the phrase's words stand in the message, whole and in order."""
    size = len(phrase)
    return size > 0 and any(message[at : at + size] == phrase for at in range(len(message) - size + 1))


def _is_sign(word: str) -> bool:
    return len(word) == 1 and _TOKEN.match(word) is not None and re.match(rf"[{_UNSPACED}]", word) is not None


def _alternative(text: str) -> Words:
    found: list[str] = []
    for word in text.split():
        if word == "#":
            found.append("#")
        elif word.endswith("*"):
            found += [*tokens(word[:-1])[:-1], tokens(word[:-1])[-1] + "*"]
        else:
            found += tokens(word)
    return tuple(found)


def _flat(line: str) -> Iterator[str]:
    """The line without groups inside groups: one line for each alternative of a group that holds another."""
    depth = start = 0
    cuts: list[int] = []
    nested = False
    for at, sign in enumerate(line):
        if sign == "(":
            depth += 1
            nested = nested or depth > 1
            if depth == 1:
                start, cuts, nested = at, [at], False
        elif sign == "|" and depth == 1:
            cuts.append(at)
        elif sign == ")":
            depth -= 1
            if depth == 0 and nested:
                ends = [*cuts[1:], at]
                optional = line[at + 1 : at + 2] == "?"
                choices = [line[a + 1 : b] for a, b in zip(cuts, ends, strict=True)] + [""] * optional
                for choice in choices:
                    yield from _flat(line[:start] + choice + line[at + 1 + optional :])
                return
    yield line


def _parse(line: str) -> list[_Part]:
    line = _STARRED.sub(lambda group: "(" + group[1].replace("|", "*|") + "*)", line)
    parts: list[_Part] = []
    for piece in _PIECE.findall(line):
        if piece == "...":
            before = parts[-1].options[0][-1] if parts and parts[-1].options else ""
            parts.append(_Part(gap=_GAP_SIGNS if _is_sign(before) else _GAP_WORDS))
            continue
        optional = piece.endswith("?") and len(piece) > 1
        body = piece[:-1] if optional else piece
        choices = body[1:-1].split("|") if body.startswith("(") else [body]
        options = tuple(words for choice in choices if (words := _alternative(choice)))
        parts.append(_Part(options, optional))
    return parts


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """(section, pattern line) of a phrase file."""
    section = "request"
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and not line.startswith("# "):
            yield section, line


def _starts(parts: list[_Part]) -> Iterator[tuple[Words, tuple[_Part, ...]]]:
    """Each way that a pattern can begin: an alternative, and the parts after it."""
    for number, part in enumerate(parts):
        for option in part.options:
            yield option, tuple(parts[number + 1 :])
        if not part.optional:
            return


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """All phrase files, read once per process."""
    by_word: dict[str, list[_Pattern]] = {}
    by_stem: dict[str, list[_Pattern]] = {}
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        digest.update(text.encode())
        for section, line in _lines(text):
            kind = line[0] if line[0] in "!=" else _INSIDE
            starts = (start for flat in _flat(line.lstrip("!= ")) for start in _starts(_parse(flat)))
            for first, rest in starts:
                pattern = _Pattern(section, path.stem, kind, first, rest)
                stem = first[0].endswith("*")
                key = first[0][:_STEM] if stem else first[0]
                (by_stem if stem else by_word).setdefault(key, []).append(pattern)
    return Lexicon(by_word, by_stem, digest.hexdigest()[:8])


def _fits(word: str, token: str | None) -> bool:
    if token is None:
        return False
    if word == "#":
        return token.isdigit() and (len(token) > 2 or int(token) >= _LARGE)
    return token.startswith(word[:-1]) if word.endswith("*") else token == word


def _along(words: Words, message: Sequence[str | None], at: int) -> int:
    """The place after `words` if they stand at `at`, else -1."""
    if at + len(words) > len(message):
        return -1
    for word in words:
        if not _fits(word, message[at]):
            return -1
        at += 1
    return at


def _ends(parts: tuple[_Part, ...], message: Sequence[str | None], at: int) -> int:
    """The farthest place after all parts, -1 if they do not follow."""
    if not parts:
        return at
    part, rest = parts[0], parts[1:]
    if part.gap:
        spans = range(at, min(at + part.gap, len(message)) + 1)
        return max((_ends(rest, message, start) for start in spans), default=-1)
    best = -1
    for option in part.options:
        after = _along(option, message, at)
        if after >= 0:
            best = max(best, _ends(rest, message, after))
    return max(best, _ends(rest, message, at)) if part.optional else best


def _end(pattern: _Pattern, message: Sequence[str | None], start: int) -> int:
    """Where the pattern ends if it begins at `start`, else -1."""
    after = _along(pattern.first, message, start)
    end = _ends(pattern.rest, message, after) if after >= 0 else -1
    return -1 if pattern.kind == _WHOLE and (start, end) != (0, len(message)) else end


def _candidates(message: Words, sections: Collection[str] | None) -> list[tuple[int, _Pattern]]:
    """(place, pattern) wherever a first word stands."""
    known = lexicon()
    found = []
    for at, token in enumerate(message):
        number = known.by_word.get("#", ()) if _fits("#", token) else ()
        for pattern in (*known.by_word.get(token, ()), *known.by_stem.get(token[:_STEM], ()), *number):
            if sections is None or pattern.section in sections:
                found.append((at, pattern))
    return found


def read(text: str, sections: Collection[str] | None = None) -> Reading:
    """Every phrase in a message, of all sections or of some. Reads the first 2,000 characters."""
    parts = [tokens(part) for part in _BREAK.split(text[:LONGEST_READ])]
    message = tuple(token for part in parts for token in part)
    candidates = _candidates(message, sections)
    masks: dict[tuple[str, str], list[str | None]] = {}
    for start, pattern in candidates:
        if pattern.kind == _LOOKS_LIKE and (end := _end(pattern, message, start)) > start:
            mask = masks.setdefault((pattern.section, pattern.language), list(message))
            mask[start:end] = [None] * (end - start)
    found = []
    for start, pattern in candidates:
        shown = masks.get((pattern.section, pattern.language), message)
        if pattern.kind != _LOOKS_LIKE and (end := _end(pattern, shown, start)) > start:
            found.append(Hit(pattern.section, pattern.language, start, end))
    looks = frozenset(section for section, _ in masks)
    return Reading(message, tuple(_apart(found)), frozenset(accumulate(map(len, parts))), looks)


def _apart(hits: list[Hit]) -> list[Hit]:
    """Of hits of one section and language that overlap, the first and longest."""
    kept: list[Hit] = []
    ends: dict[tuple[str, str], int] = {}
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        key = (hit.section, hit.language)
        if hit.start >= ends.get(key, 0):
            ends[key] = hit.end
            kept.append(hit)
    return kept
