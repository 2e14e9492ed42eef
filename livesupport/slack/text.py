"""Words on their way to Slack and back: escaping, and plain text from Slack's markup. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping

NOTE = re.compile(r"\s*(?:note|private)\s*:\s*", re.IGNORECASE)
_MARKUP = re.compile(r"<([^<>\n]*)>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))


def escape(text: str) -> str:
    """Text that Slack shows as it stands: no mention, no link, no command can be made of it."""
    kept = text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quoted(text: str) -> str:
    """Somebody's words as a quotation, escaped, so that they cannot pass for ours."""
    return "\n".join("> " + escape(line) for line in text.splitlines() or [""])


def cut(text: str, most: int) -> str:
    """At most so many characters, an ellipsis among them where something is left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def plain(markup: str, names: Mapping[str, str] | None = None) -> str:
    """What somebody wrote in Slack, as plain text. `names` maps Slack ids to people's names."""
    known = names or {}
    shown = _MARKUP.sub(lambda match: _word(match.group(1), known), markup)
    return _ENTITY.sub(lambda match: _ENTITIES[match.group(0)], shown).strip()


def _word(inside: str, names: Mapping[str, str]) -> str:
    """One `<...>` of Slack's: a person, a channel, a group, a command, or a link."""
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return "@" + (label or names.get(target[1:], "somebody"))
    if target.startswith("#"):
        return "#" + (label or "channel")
    if target.startswith("!"):
        return label or "@" + target[1:].split("^")[0]
    address = target.removeprefix("mailto:").removeprefix("tel:")
    return address if not label or label in (target, address) or label in address else f"{label} ({address})"


def pieces(text: str, *, longest: int, most: int) -> list[str]:
    """The text in order, in pieces of at most `longest` characters, cut at a blank where there is one; at most
    `most` of them, what is beyond is dropped."""
    found: list[str] = []
    rest = text.strip()
    while rest and len(found) < most:
        if len(rest) <= longest:
            end = len(rest)
        else:
            end = max(rest.rfind("\n", longest // 2, longest), rest.rfind(" ", longest // 2, longest))
            end = end if end > 0 else longest
        found.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [piece for piece in found if piece]


def as_note(text: str) -> str | None:
    """The words after `note:`, which are for the team alone; None for an answer to the visitor."""
    match = NOTE.match(text)
    return text[match.end() :] if match else None
