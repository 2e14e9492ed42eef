"""The short true sentences that visitors read when people are called, in their language (else English)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from chat.models import Handoff
from chat.ports import Promise

_HANDED_OVER: dict[str, str] = {
    Handoff.Trigger.FAILURE: "handed_over_failure",
    Handoff.Trigger.MOOD: "handed_over_mood",
    Handoff.Trigger.WEAK_EVIDENCE: "handed_over_weak_evidence",
}


@lru_cache(maxsize=1)
def _all() -> dict[str, dict[str, str]]:
    path = Path(__file__).with_name("sentences.json")
    loaded: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def sentence(key: str, language: str, **values: str) -> str:
    """The sentence `key` in `language` (ISO 639-1, a region is ignored), its {names} filled in."""
    wordings = _all()[key]
    return wordings.get(language[:2].lower(), wordings["en"]).format(**values)


def handed_over(language: str, trigger: str) -> str:
    """What is said when people were called and somebody can come."""
    return sentence(_HANDED_OVER.get(trigger, "handed_over"), language)


def contact(language: str, email: str) -> str:
    """What is said where an answer by mail is better than one by the AI."""
    return sentence("contact_known" if email else "contact", language, email=email)


def standing(language: str, promise: Promise, email: str, timezone: str) -> str:
    """What is said when nobody can come: when they are back, if that is known, and how an answer will arrive."""
    if email:
        return sentence("standing_known", language, email=email)
    if promise.opens_at is None:
        return sentence("standing", language)
    local = promise.opens_at.astimezone(ZoneInfo(timezone))
    return sentence("standing_opens", language, time=f"{local:%H:%M} ({local.tzname()})")


def taken_back(language: str, name: str) -> str:
    """What is said when the person who had taken the conversation is gone, and somebody else can come."""
    return sentence("taken_back", language, name=name)


def resting(language: str, email: str) -> str:
    """What is said when the business's plan is over: the AI is silent, the address still reaches the team."""
    return sentence("resting_known" if email else "resting", language, email=email)
