"""Greetings, thanks, farewells and nods: what is said without asking anything. Pure.

They need a polite line instead of a search, and they say nothing about what the content lacks.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Kind = Literal["hello", "thanks", "bye", "ok"]
_KINDS: tuple[Kind, ...] = get_args(Kind)
_ANY = "*"  # what is said everywhere, and sign pictures
_FILE = Path(__file__).parent / "data" / "small_talk.json"
_LONGEST_CHARACTERS = 120
_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}")
_RANK: dict[Kind, int] = {"thanks": 3, "bye": 2, "hello": 1, "ok": 0}  # which one is answered


@dataclass(frozen=True)
class SmallTalk:
    """What was said, and in which language (ISO 639-1) to answer."""

    kind: Kind
    language: str

    @property
    def reply(self) -> str:
        """One line in that language."""
        return str(_table()[self.language]["replies"][self.kind])


def small_talk(text: str, *, language: str = "") -> SmallTalk | None:
    """What a message says if it is nothing but small talk, else None: one word more and it may be a question.

    `language` is the visitor's, if known: it decides where several languages say the same, or all do ("Hi").
    Of "Hi, many thanks!" the thanks are answered.
    """
    folded = _fold(text) if len(text) <= _LONGEST_CHARACTERS else ""
    said = {code: kinds for code, phrases in _phrases().items() if (kinds := _said(folded, phrases))}
    if not said:
        return None
    base = language.partition("-")[0].lower()
    found = base if base in said else next(iter(said))
    return SmallTalk(max(said[found], key=_RANK.__getitem__), found)


def _said(folded: str, phrases: dict[str, Kind]) -> frozenset[Kind]:
    """The kinds of the phrases that make up the whole text, one after the other; none if they do not."""
    longest = max(map(len, phrases))
    reached: dict[int, frozenset[Kind]] = {0: frozenset()}
    for start in range(len(folded)):
        if start not in reached:
            continue
        for end in range(start + 1, min(start + longest, len(folded)) + 1):
            if kind := phrases.get(folded[start:end]):
                reached[end] = reached.get(end, frozenset()) | reached[start] | {kind}
    return reached.get(len(folded), frozenset()) if folded else frozenset()


def _fold(text: str) -> str:
    """Letters, marks and sign pictures only, in lower case, without spaces; a drawn-out letter counts once."""
    lower = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(sign for sign in lower if unicodedata.category(sign)[0] in "LMN" or _is_picture(sign))
    return _DRAWN_OUT.sub(r"\1", kept.replace("\ufe0f", "").replace("\ufe0e", ""))


def _is_picture(sign: str) -> bool:
    return unicodedata.category(sign) == "So"


@functools.cache
def _phrases() -> dict[str, dict[str, Kind]]:
    """Language -> folded phrase -> kind, the most widely read language first. Each also holds what is said
    everywhere."""
    table = _table()
    everywhere = _folded(table[_ANY])
    return {code: {**everywhere, **_folded(entry)} for code, entry in table.items() if code != _ANY}


def _folded(entry: dict[str, Any]) -> dict[str, Kind]:
    return {folded: kind for kind in _KINDS for phrase in entry[kind].split(",") if (folded := _fold(phrase))}


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return table
