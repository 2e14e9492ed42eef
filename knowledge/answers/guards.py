"""What a model's words may not do, even with a source behind them. Pure.

A model is assumed to obey whoever writes to it or into a page. It can do nothing, so it must not say that it did
something; it has no links, addresses, codes and figures but those of the passages; and its rules are not for telling.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from knowledge.answers.quotes import fold
from knowledge.evidence import Passage
from knowledge.sentences import split

# stop: nothing of the answer can be trusted. drop: this sentence says more than its source.
Verdict = Literal["", "drop", "stop"]
_FILE = Path(__file__).with_name("deeds.json")
_TOLD_WORDS = 7  # so many of our own words in a row are no accident
_SMALL = 12  # numbers that people count out, and add or take for hours
_HOURS = 24
_STOPS = " .,!;:。！"
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\([^)\n]*\)?")
_LINK = re.compile(r"\[([^\]\n]*)\]\(\s*((?:[^()\s]|\([^()\s]*\))*)[^)\n]*\)")
_SITE = re.compile(r"(?<![\w@.])[a-z0-9-]{3,}(?:\.[a-z0-9-]{2,})*\.[a-z]{2,10}(?![\w.]\w)", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.|\b(?:javascript|data|vbscript|file|mailto):)[^\s<>\")\]]*", re.IGNORECASE
)
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_CODE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9_-]*[A-Za-z])(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9][A-Za-z0-9_-]{3,}")
_MEASURE = re.compile(r"\d+-?[A-Za-z]{1,12}|[A-Za-z]{1,3}\d{1,3}|[A-Za-z][a-z]+\d{1,3}")  # 30-day, 2nd, GB12, Windows11
_NUMBER = re.compile(r"\d+(?:[.,:'’\u00a0\u202f ]\d{2,3}(?!\d)|[.,:]\d+)*")
_ROLE = re.compile(r"^\W*(?:system|assistant|agent|developer|operator|admin)\b[^.:\n]{0,20}:", re.IGNORECASE)


@dataclass(frozen=True)
class Ground:
    """What an answer stands on: the passages that it may cite, the hosts it may lead to, what was asked, and the rules
    that it was given."""

    passages: tuple[Passage, ...]
    hosts: frozenset[str]
    asked: str = ""
    rules: str = ""

    @functools.cached_property
    def folded(self) -> str:
        parts = (" ".join((one.title, one.heading.replace(" > ", " "), one.text)) for one in self.passages)
        return fold(" ".join(parts))

    @functools.cached_property
    def sentences(self) -> frozenset[str]:
        return frozenset(fold(sentence).strip(_STOPS) for one in self.passages for sentence in split(one.text))

    @functools.cached_property
    def figures(self) -> frozenset[str]:
        """Every number of the passages and of the question as digits, and each group of digits in them."""
        found = _figures(f"{self.folded} {fold(self.asked)}")
        return frozenset(digits for groups in found for digits in ("".join(groups), _round(groups), *groups))

    @functools.cached_property
    def runs(self) -> frozenset[tuple[str, ...]]:
        return frozenset(_runs(self.rules))


def hosts_of(passages: Iterable[Passage]) -> frozenset[str]:
    """The hosts of the pages that were found: the business's own."""
    return frozenset(host for one in passages if (host := urlsplit(one.url).hostname))


def cleaned(text: str, ground: Ground) -> str:
    """A text without images, without links to elsewhere (their words stay), and without signs that nobody sees."""
    seen = "".join(sign for sign in text if not _is_hidden(sign))
    seen = _IMAGE.sub("", seen)
    return _LINK.sub(lambda link: link[0] if _leads_home(link[2], ground) else link[1], seen)


def verdict(text: str, ground: Ground) -> Verdict:
    """What is to be done with a sentence, which may have some before it that it belongs to."""
    if _ROLE.match(text) or says_deed(text, ground) or any(run in ground.runs for run in _runs(text)):
        return "stop"
    if any(not _leads_home(found[0], ground) for found in _ADDRESS.finditer(text)):
        return "stop"
    if any(fold(found[0]) not in ground.folded for found in _EMAIL.finditer(text)):
        return "stop"
    for found in _CODE.finditer(_ADDRESS.sub("", text)):
        if not _MEASURE.fullmatch(found[0]) and fold(found[0]) not in ground.folded:
            return "stop"
    if any(fold(found[0]) not in ground.folded for found in _SITE.finditer(_ADDRESS.sub("", _EMAIL.sub("", text)))):
        return "drop"
    return "drop" if any(not _is_known(groups, ground) for groups in _figures(fold(text))) else ""


def says_deed(text: str, ground: Ground) -> bool:
    """Whether a text says that something was, or will be, done for this visitor. A sentence that a passage has in the
    same words is no such claim."""
    return any(
        _claims(" ".join(unicodedata.normalize("NFKC", one).replace("’", "'").casefold().split()), ground)
        for one in split(text)
        if fold(one).strip(_STOPS) not in ground.sentences
    )


def _claims(sentence: str, ground: Ground) -> bool:
    for deeds in _deeds():
        if any(pattern.search(sentence) for pattern in deeds.said):
            return True
        for pattern in deeds.conditional:
            found = pattern.search(sentence)
            if found and not deeds.unless.search(sentence, 0, found.start()):
                return True
        if any(found[0] not in ground.folded for found in deeds.words.finditer(sentence)):
            return True
    return False


@dataclass(frozen=True)
class _Deeds:
    """How a language says that something was done. `conditional` is meant in general after "once", "if" and the like
    (`unless`); `words` are trusted where the passages have them."""

    said: tuple[re.Pattern[str], ...]
    conditional: tuple[re.Pattern[str], ...]
    unless: re.Pattern[str]
    words: re.Pattern[str]


@functools.cache
def _deeds() -> Sequence[_Deeds]:
    table: dict[str, dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return tuple(
        _Deeds(
            tuple(re.compile(text) for text in (*entry["own"], *entry["bare"])),
            tuple(re.compile(text) for text in entry["yours"]),
            re.compile(rf"\b(?:{entry['unless']})\b"),
            re.compile("|".join(entry["words"])),
        )
        for entry in table.values()
    )


def _leads_home(address: str, ground: Ground) -> bool:
    """Whether an address leads to the business's own pages, or stands in a passage."""
    bare = address.strip("<>").rstrip(".,;:!?")
    if fold(bare) and fold(bare) in ground.folded:
        return urlsplit(bare).scheme in ("http", "https", "") or bare.startswith("mailto:")
    try:
        parts = urlsplit(bare if "://" in bare else f"https://{bare}" if bare.startswith("www.") else bare)
        return parts.scheme in ("http", "https") and parts.username is None and parts.hostname in ground.hosts
    except ValueError:
        return False


def _is_hidden(sign: str) -> bool:
    """Signs without a shape; those that join or part letters belong to the spelling of some languages."""
    return unicodedata.category(sign) in ("Cf", "Co", "Cs") and sign not in "\u200c\u200d\u200e\u200f\u00ad"


def _runs(text: str) -> Iterable[tuple[str, ...]]:
    words = re.findall(r"\w+", fold(text))
    return zip(*(words[start:] for start in range(_TOLD_WORDS)), strict=False)


def _figures(text: str) -> list[list[str]]:
    """The numbers of a text as their groups of digits, without leading zeros: of "1,299.00" 1, 299 and nothing."""
    plain = "".join(str(unicodedata.digit(sign)) if sign.isdigit() else sign for sign in text)
    return [[part.lstrip("0") for part in re.findall(r"\d+", found[0])] for found in _NUMBER.finditer(plain)]


def _round(groups: Sequence[str]) -> str:
    """A number without its hundredths where they are nought."""
    return "".join(groups[:-1] if len(groups) > 1 and not groups[-1] else groups)


def _is_known(groups: Sequence[str], ground: Ground) -> bool:
    """Whether the digits stand in the ground, whole or each group: prices and times are written in many ways."""
    whole = "".join(groups)
    if not whole or whole in ground.figures or _round(groups) in ground.figures or int(whole) <= _SMALL:
        return True
    return all(not group or group in ground.figures or _by_clock(group, ground) for group in groups)


def _by_clock(group: str, ground: Ground) -> bool:
    """Whether it is an hour of the ground on the other clock, or small enough to be counted out."""
    if len(group) > 2 or int(group) > _HOURS:
        return False
    hour = int(group)
    return hour <= _SMALL or str(hour - 12) in ground.figures
