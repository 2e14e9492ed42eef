"""The few sentences that are ours, in the visitor's language."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Literal

_FILE = Path(__file__).with_name("phrases.json")
_SAME = {"no": "nb", "nn": "nb", "iw": "he", "in": "id", "sr": "hr", "bs": "hr"}


def phrase(language: str, kind: Literal["other", "unknown"]) -> str:
    """`other` introduces a quote in another language, `unknown` says that we do not know. English where we
    have no sentence in the language."""
    table = _table()
    base = language.split("-")[0].lower()
    return table.get(_SAME.get(base, base), table["en"])[kind]


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads(_FILE.read_text("utf-8"))
    return table
