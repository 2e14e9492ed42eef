"""What stands in Slack: the handoff's first message, and the lines of its thread. Pure functions of facts.

People's words are quoted and escaped; every text object is verbatim, so that Slack makes no link, name or
command of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from livesupport.slack.text import cut, escape, pieces, quoted

Block = dict[str, Any]
SECTION_CHARACTERS = 2900  # Slack takes 3,000
LINES_SHOWN = 8
LINE_CHARACTERS = 280
PASSAGES_SHOWN = 3
MOST_BLOCKS = 50
STATES = {
    "waiting": "Waiting for someone",
    "standing": "Nobody was there; the AI goes on. It can still be taken.",
    "claimed": "With {name}",
    "resolved": "Resolved by {name}",
    "closed": "Ended without a person",
}
HOW = (
    "Reply in this thread: the first reply takes the conversation, and the visitor reads it at once. "
    "Begin with `note:` to keep a reply among the team."
)


@dataclass(frozen=True)
class Line:
    """One thing said: who, and what."""

    who: str
    text: str


@dataclass(frozen=True)
class Found:
    """A passage that the search found, with its score in 0..1."""

    title: str
    score: float


@dataclass(frozen=True)
class Card:
    """A handoff as its thread begins. `state` is a handoff's; `holder` is who claimed or resolved it."""

    visitor: str
    project: str
    trigger: str
    reason: str
    state: str
    open_url: str
    question: str = ""
    page: str = ""
    email: str = ""
    holder: str = ""
    confidence: float | None = None
    is_test: bool = False
    said: Sequence[Line] = field(default_factory=tuple)
    found: Sequence[Found] = field(default_factory=tuple)


@dataclass(frozen=True)
class Shown:
    """A message: `text` for notifications and screen readers, `blocks` for the eye."""

    text: str
    blocks: list[Block]


def card(facts: Card) -> Shown:
    """The first message of a thread: the unanswered question first, then why, then what was said and found."""
    mark = "[Test] " if facts.is_test else ""
    head = f"*{mark}{_inline(facts.visitor)}* · {_inline(facts.trigger)} · {_inline(facts.project)}"
    blocks = [_section(head)]
    if facts.question:
        blocks.append(_section(quoted(cut(facts.question, 1200))))
    blocks.append(_context(_state(facts)))
    details = [f"*Why:* {_inline(facts.reason)}"] if facts.reason else []
    details += [f"*Page:* {_inline(facts.page)}"] if facts.page else []
    details += [f"*E-mail:* {_inline(facts.email)}"] if facts.email else []
    if details:
        blocks.append(_section("\n".join(details)))
    blocks += _evidence(facts)
    blocks += _transcript(facts.said)
    blocks.append(_buttons(facts))
    if facts.state in {"waiting", "standing", "claimed"}:
        blocks.append(_context(HOW))
    asked = f": {escape(cut(' '.join(facts.question.split()), 200))}" if facts.question else ""
    text = f"{mark}{_inline(facts.visitor)} · {_inline(facts.trigger)}{asked}"
    return Shown(_whole(text), blocks[:MOST_BLOCKS])


def said(line: Line, *, is_edited: bool = False, lead: str = "") -> Shown:
    """Words of the conversation, for the thread. `lead` is a sentence of ours in the place of the name."""
    mark = " · edited" if is_edited else ""
    blocks = [_context(lead or f"*{_inline(line.who)}*{mark}")]
    blocks += [_section(quoted(piece)) for piece in _fitting(line.text)]
    return Shown(_whole(f"{_inline(line.who)}: {escape(line.text)}"), blocks)


def gone(who: str, sentence: str) -> Shown:
    """In the place of words that were deleted. The sentence is ours."""
    return Shown(f"{_inline(who)}: {sentence}", [_context(f"*{_inline(who)}*"), _context(f"_{sentence}_")])


def news(sentence: str) -> Shown:
    """Something happened: a quiet line in the thread. The sentence is ours, names in it escaped by the caller."""
    return Shown(_whole(sentence), [_context(sentence)])


def aside(user_id: str, sentence: str) -> Shown:
    """A word to one person in the thread."""
    known = user_id if user_id.isalnum() else ""
    text = (f"<@{known}> " if known else "") + escape(sentence)
    return Shown(_whole(text), [_section(text)])


def _state(facts: Card) -> str:
    return STATES.get(facts.state, facts.state).format(name=_inline(facts.holder) or "the team")


def _evidence(facts: Card) -> list[Block]:
    if not facts.found:
        return []
    rows = [f"{found.score:.2f}  {_inline(cut(found.title, 160))}" for found in facts.found[:PASSAGES_SHOWN]]
    sure = "" if facts.confidence is None else f" (confidence {facts.confidence:.2f})"
    return [_section("\n".join([f"*Found{sure}*", *rows]))]


def _transcript(lines: Sequence[Line]) -> list[Block]:
    """The last words, oldest first."""
    if not lines:
        return []
    shown = [f"*{_inline(line.who)}*\n{quoted(cut(line.text, LINE_CHARACTERS))}" for line in lines[-LINES_SHOWN:]]
    left_out = len(lines) - len(shown)
    if left_out > 0:
        shown.insert(0, f"_{left_out} earlier_")
    while len("\n".join(shown)) > SECTION_CHARACTERS and len(shown) > 1:
        shown.pop(0)
    return [{"type": "divider"}, _section("\n".join(shown))]


def _buttons(facts: Card) -> Block:
    offered: list[Block] = []
    if facts.state in {"waiting", "standing"}:
        offered.append(_button("claim", "Claim", style="primary"))
    if facts.state in {"waiting", "standing", "claimed"}:
        offered.append(_button("resolve", "Resolve"))
    offered.append({**_button("open", "Open in BuiltABot"), "url": facts.open_url})
    return {"type": "actions", "block_id": "handoff", "elements": offered}


def _button(action_id: str, words: str, **more: str) -> Block:
    label = {"type": "plain_text", "text": words, "emoji": False}
    return {"type": "button", "action_id": action_id, "text": label, "value": action_id, **more}


def _inline(text: str) -> str:
    """Words inside a line of ours: escaped, on one line, and without the star that would end our bold."""
    return escape(" ".join(text.split())).replace("*", "∗")


def _fitting(text: str) -> list[str]:
    """Pieces that stay within a section when quoted and escaped: `&` becomes five characters."""
    found: list[str] = []
    for longest in (SECTION_CHARACTERS, SECTION_CHARACTERS // 2, SECTION_CHARACTERS // 8):
        found = pieces(text, longest=longest, most=MOST_BLOCKS - 2)
        if all(len(quoted(piece)) <= SECTION_CHARACTERS for piece in found):
            break
    return found


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _whole(text), "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": _whole(text), "verbatim": True}]}


def _whole(text: str) -> str:
    """At most what a section takes; an entity is never cut in two."""
    if len(text) <= SECTION_CHARACTERS:
        return text
    kept = text[: SECTION_CHARACTERS - 1]
    start = kept.rfind("&", -5)
    if start >= 0 and ";" not in kept[start:]:
        kept = kept[:start]
    return kept + "…"
