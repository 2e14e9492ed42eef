"""Whether a quote stands in the passage that it names. Pure.

A quote is the proof that a passage answers: it must be there word for word, but for what a model changes without
meaning anything by it (spaces, quotation marks, dashes, case, list marks, ligatures and wide forms).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.evidence import Passage
from knowledge.sentences import split

MOST_QUOTES = 8
_LEAST = 12  # letters and digits of a whole quote
_LEAST_OF_LINE = 6  # where it is all of a line, such as a row of a table
_LEAST_OF_SPAN = 8  # of each side of an ellipsis
_MOST_SPANS = 2
_LONGEST_CHARACTERS = 1500
_MOST_SHOWN = 3  # sentences of one quote
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_SPACE_BESIDE = re.compile(f"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")
_MARK = re.compile(r"^\s*(?:[-*•–—]|\d{1,2}[.)])\s+", re.MULTILINE)
_ELLIPSIS = re.compile(r"\s*[\[(]?\.{3,}[\])]?\s*")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
_APOSTROPHES = dict.fromkeys(map(ord, "’‘‛`´ʼ"), "'")
_NOTHING = dict.fromkeys(map(ord, '"“”„‟«»‹›「」『』*'), "")
_TABLE = {**_DASHES, **_APOSTROPHES, **_NOTHING}
_EDGES = " '.,;:!?。、！？؟-"
_ASKS = ("?", "？", "؟", "\u037e")  # the last is the Greek one


@dataclass(frozen=True)
class Quote:
    """What a model says that a passage says; `passage` counts from 1."""

    passage: int
    text: str


def read(value: Any) -> tuple[Quote, ...]:
    """The quotes of a model's answer, whatever shape they are in; what is none is left out."""
    found = []
    for one in value[:MOST_QUOTES] if isinstance(value, list) else ():
        number, text = (one.get("passage"), one.get("text")) if isinstance(one, dict) else (None, None)
        digits = str(number).strip("[] ") if isinstance(number, int | str) and not isinstance(number, bool) else ""
        if isinstance(text, str) and digits.isdecimal() and len(digits) < 4:
            found.append(Quote(int(digits), text))
    return tuple(found)


def verified(quotes: Sequence[Quote], passages: Sequence[Passage]) -> tuple[Quote, ...]:
    """Those that stand in the passage that they name, in order."""
    return tuple(
        quote
        for quote in quotes
        if 1 <= quote.passage <= len(passages) and stands_in(quote.text, passages[quote.passage - 1])
    )


def stands_in(quote: str, passage: Passage) -> bool:
    """Whether a passage's text holds a quote, in one piece or, around an ellipsis, in two in this order.

    A heading is no answer, and neither is a question, nor a few letters out of the middle of a word.
    """
    if len(quote) > _LONGEST_CHARACTERS or all(one.endswith(_ASKS) for one in split(quote)):
        return False
    lines = _body(passage)
    page, whole = " ".join(lines), fold(quote).strip(_EDGES)
    if _find(page, whole, 0) >= 0:
        return weight(whole) >= _LEAST or (weight(whole) >= _LEAST_OF_LINE and whole in _bare(lines))
    spans = [span.strip(_EDGES) for span in _ELLIPSIS.split(whole)]
    if not 2 <= len(spans) <= _MOST_SPANS:
        return False
    at = 0
    for span in spans:
        at = _find(page, span, at) if weight(span) >= _LEAST_OF_SPAN else -1
        if at < 0:
            return False
        at += len(span)
    return True


def in_full(quote: Quote, passages: Sequence[Passage]) -> str:
    """The sentences of the passage that a verified quote is made of, as they stand there."""
    wanted = [span.strip(_EDGES) for span in _ELLIPSIS.split(fold(quote.text))]
    wanted.append(fold(quote.text).strip(_EDGES))
    shown = []
    for line in passages[quote.passage - 1].text.split("\n"):
        for sentence in split(_MARK.sub("", line)):
            own = fold(sentence).strip(_EDGES)
            if any(_find(own, span, 0) >= 0 or (weight(own) >= _LEAST_OF_LINE and own in span) for span in wanted):
                shown.append(sentence)
    return " ".join(shown[:_MOST_SHOWN])


def fold(text: str) -> str:
    """A text without what does not count."""
    plain = unicodedata.normalize("NFKC", text).translate(_TABLE)
    plain = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    spaced = " ".join(_MARK.sub("", plain).casefold().split())
    return _SPACE_BESIDE.sub("", spaced)


def _body(passage: Passage) -> list[str]:
    """The folded lines of a passage that are no heading."""
    headings = {fold(part).strip(_EDGES) for part in (passage.title, *passage.heading.split(" > "))}
    lines = (fold(line) for line in passage.text.split("\n"))
    return [line for line in lines if line and line.strip(_EDGES) not in headings]


def _bare(lines: Sequence[str]) -> set[str]:
    return {line.strip(_EDGES) for line in lines}


def _find(page: str, span: str, start: int) -> int:
    """Where `span` stands as whole words, from `start` on; -1 if nowhere."""
    at = page.find(span, start) if span else -1
    while at >= 0 and not (_is_edge(page, at) and _is_edge(page, at + len(span))):
        at = page.find(span, at + 1)
    return at


def _is_edge(page: str, at: int) -> bool:
    """Whether a word or number may begin or end here: "able" does not stand in "unable", nor "5" in "1.5"."""
    left, right = page[max(0, at - 1) : at], page[at : at + 1]
    if _IS_UNSPACED.match(left) or _IS_UNSPACED.match(right):
        return True
    if left.isalnum() and right.isalnum():
        return False
    inner = page[max(0, at - 2) : at + 2]
    return not (re.fullmatch(r"\d[.,]\d.?", inner) or re.fullmatch(r".?\d[.,]\d", inner))


def weight(text: str) -> int:
    """Letters and digits; those of scripts without spaces say about three times as much each."""
    return sum(3 if _IS_UNSPACED.match(sign) else 1 for sign in text if sign.isalnum())
