"""What is neither support nor urgent: partnerships, sales interest, job seekers, press, noise. Pure."""

from __future__ import annotations

from chat.judgement.lexicon import Reading

# Kind -> how a reason names it.
KINDS = {
    "partnership": "Partnership offer",
    "sales": "Sales interest",
    "job": "Job seeker",
    "press": "Press inquiry",
    "noise": "Noise",
}


def kind_of(reading: Reading, *, languages: frozenset[str]) -> str | None:
    """The kind that takes up most of the message, or None for a question like any other."""
    hits = [hit for hit in reading.of(*KINDS) if not languages or hit.language in languages]
    order = list(KINDS)
    best = min(hits, key=lambda hit: (hit.start - hit.end, order.index(hit.section)), default=None)
    return best.section if best else None
