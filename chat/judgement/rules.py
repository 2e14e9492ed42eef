"""What a project has set about when a person is needed, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chat.judgement.topics import OwnTopic
from chat.judgement.triage import KINDS

PERSON, CRITICAL = "person", "critical"
ANSWER, LEAD = "answer", "lead"


class Settings(Protocol):
    """The settings as the project's row holds them."""

    request_enabled: bool
    mood_enabled: bool
    mood_threshold: float
    weak_evidence_enabled: bool
    evidence_threshold: float
    keywords: Any
    topics: Any
    triage: Any


@dataclass(frozen=True)
class Rules:
    """Switches, thresholds and words. The defaults are a new project's."""

    request_enabled: bool = True
    mood_enabled: bool = True
    mood_threshold: float = -0.4
    weak_evidence_enabled: bool = True
    evidence_threshold: float = 0.55
    person_words: tuple[str, ...] = ()
    topics: tuple[OwnTopic, ...] = ()
    leads: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """The rules of a project. Entries that are not of the stored shape count as absent."""
        words = list(_words(settings.keywords))
        critical = tuple(OwnTopic(word, (word,)) for word, kind in words if kind == CRITICAL)
        return cls(
            request_enabled=settings.request_enabled,
            mood_enabled=settings.mood_enabled,
            mood_threshold=settings.mood_threshold,
            weak_evidence_enabled=settings.weak_evidence_enabled,
            evidence_threshold=settings.evidence_threshold,
            person_words=tuple(word for word, kind in words if kind == PERSON),
            topics=(*_topics(settings.topics), *critical),
            leads=frozenset(kind for kind in KINDS if dict(settings.triage or {}).get(kind) == LEAD),
        )

    def as_record(self) -> dict[str, Any]:
        """Everything as JSON holds it."""
        return {
            "request_enabled": self.request_enabled,
            "mood_enabled": self.mood_enabled,
            "mood_threshold": self.mood_threshold,
            "weak_evidence_enabled": self.weak_evidence_enabled,
            "evidence_threshold": self.evidence_threshold,
            "person_words": list(self.person_words),
            "topics": [{"name": topic.name, "keywords": list(topic.keywords)} for topic in self.topics],
            "leads": sorted(self.leads),
        }


def _words(stored: Iterable[Any] | None) -> Iterable[tuple[str, str]]:
    for entry in stored or ():
        if isinstance(entry, Mapping) and entry.get("word"):
            yield str(entry["word"]), str(entry.get("kind", ""))


def _topics(stored: Iterable[Any] | None) -> Iterable[OwnTopic]:
    for entry in stored or ():
        if isinstance(entry, Mapping) and entry.get("name"):
            yield OwnTopic(str(entry["name"]), tuple(str(word) for word in entry.get("keywords", ()) if word))
