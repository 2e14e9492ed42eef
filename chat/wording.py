"""The widget's own words, in the visitor's language. One JSON file a language beside this module."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "words"
FALLBACK = "en"
RIGHT_TO_LEFT = frozenset({"ar"})


@cache
def languages() -> frozenset[str]:
    """The languages that the widget speaks, as two-letter codes."""
    return frozenset(path.stem for path in FOLDER.glob("*.json"))


@cache
def words(language: str) -> dict[str, str]:
    """Every sentence of one of `languages()`; `{name}` marks what is filled in."""
    loaded: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return loaded


def pick(*wanted: str) -> str:
    """The first of the wanted tags (`de-AT`, `PT_br`) whose language the widget speaks, else English."""
    for tag in wanted:
        language = tag.replace("_", "-").partition("-")[0].lower()
        if language in languages():
            return language
    return FALLBACK


def direction(language: str) -> str:
    """`rtl` or `ltr`, as HTML writes it."""
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"
