"""A conversation's log as the team reads it: wire entries in, lines for the page out. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from chat import delivery
from chat.changes import DELETED
from chat.judgement.triage import KINDS
from chat.models import Conversation, Message
from chat.policies import is_editable_at, may_delete, may_edit
from chat.render import Source, plain, rich, web_address
from tenants.workspace.models import Seat

NEWEST_SHOWN = 200
MOST_WIDTH, MOST_HEIGHT = 320, 300  # of a picture in the log, in pixels
Entry = dict[str, Any]


@dataclass(frozen=True)
class Citation:
    """A source under an answer; `url` is empty when it is no web address."""

    n: int
    words: str
    url: str


@dataclass(frozen=True)
class File:
    """A picture or PDF in the log. `width` and `height`, in pixels, are None for a PDF."""

    id: str
    name: str
    size_bytes: int
    width: int | None
    height: int | None

    @property
    def is_picture(self) -> bool:
        """Whether it is shown in its place; everything else is saved."""
        return self.width is not None

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height in the log: its own, or what fits in there. Known before it has loaded, so that the log
        does not jump under the reader."""
        width, height = self.width or 1, self.height or 1
        share = min(1, MOST_WIDTH / width, MOST_HEIGHT / height)
        return max(1, round(width * share)), max(1, round(height * share))


@dataclass(frozen=True)
class Line:
    """One thing in the log. `kind` is `text`, `note` or `event`; `sender` is `visitor`, `ai`, `agent` or `system`.
    `key` marks a change of owner; `lead` and `rest` are the words of an event. `text` is there where the reader may
    edit it; `deleted_by` names somebody other than its author."""

    seq: int
    kind: str
    sender: str
    name: str
    at: datetime
    html: str = ""
    file: File | None = None
    mine: bool = False
    initials: str = ""
    seen: bool = False
    edited: bool = False
    erased: bool = False
    deleted: bool = False
    deleted_by: str = ""
    text: str = ""
    may_edit: bool = False
    may_delete: bool = False
    turn: int | None = None
    citations: tuple[Citation, ...] = ()
    confidence: float | None = None
    icon: str = ""
    lead: str = ""
    rest: str = ""
    key: bool = False


@dataclass(frozen=True)
class Transcript:
    """The newest lines, oldest first. `earlier` is how many entries are not shown."""

    lines: list[Line] = field(default_factory=list)
    last_seq: int = 0
    earlier: int = 0


def transcript(conversation: Conversation, seat: Seat, *, whole: bool = False) -> Transcript:
    """The log of one conversation for a member of the team."""
    after = 0 if whole else max(0, conversation.last_seq - NEWEST_SHOWN)
    entries: list[Entry] = []
    seen = after
    while page := delivery.entries(conversation, audience="team", after=seen):
        entries += page
        seen = page[-1]["seq"]
    rows = Message.objects.filter(conversation=conversation, sender=Message.Sender.AGENT, seq__gt=after)
    view = _View(
        seat=seat,
        now=timezone.now(),
        team={row.seq: row for row in rows},
        visitor_seen=conversation.visitor_seen_seq,
        visitor_initials=_initials(conversation.visitor.name or "V"),
    )
    changes = {entry["target"]: entry for entry in entries if entry["target"]}
    lines: list[Line] = []
    for entry in entries:
        if not entry["target"]:
            lines += _lines(entry, changes.get(entry["seq"]), view)
    return Transcript(lines, seen if entries else 0, after)


@dataclass(frozen=True)
class _View:
    """Whose eyes read, and when; what people of the team did, by seq; how far the visitor has read, their avatar."""

    seat: Seat
    now: datetime
    team: dict[int, Message]
    visitor_seen: int
    visitor_initials: str

    def is_own(self, entry: Entry) -> bool:
        row = self.team.get(entry["seq"])
        return row is not None and row.seat_id == self.seat.pk

    def may_edit(self, entry: Entry) -> bool:
        row = self.team.get(entry["seq"])
        return row is not None and may_edit(self.seat, row) and is_editable_at(row, self.now)

    def may_delete(self, entry: Entry) -> bool:
        row = self.team.get(entry["seq"])
        return row is not None and may_delete(self.seat, row)


def _lines(entry: Entry, change: Entry | None, view: _View) -> list[Line]:
    if entry["kind"] != "event":
        return [_said(entry, change, view)]
    event = _event(entry, view)
    if entry["event"] in {"handed_over", "standing", "contact_asked"} and entry["text"]:
        # One entry, two parties: the visitor reads the sentence, the team reads why.
        return [event, _said(entry, change, view)]
    return [event]


def _said(entry: Entry, change: Entry | None, view: _View) -> Line:
    by_ai = entry["sender"] == "ai" or entry["kind"] == "event"
    text = entry["text"]  # as it reads now
    deleted = change is not None and change["event"] == DELETED
    editable = bool(text) and view.may_edit(entry)
    citations = _citations(entry["data"].get("citations", ()))
    sources = {one.n: Source(one.words, one.url) for one in citations}
    hosts = frozenset(urlsplit(one.url).netloc for one in citations if one.url)
    return Line(
        seq=entry["seq"],
        kind="note" if entry["kind"] == "note" else "text",
        sender="ai" if by_ai else entry["sender"],
        name=entry["name"],
        at=_time(entry),
        html=rich(text, links=hosts, sources=sources) if by_ai else plain(text),
        file=_file(entry["data"].get("attachment")),
        mine=view.is_own(entry),
        initials=view.visitor_initials if entry["sender"] == "visitor" else _initials(entry["name"]),
        seen=view.visitor_seen >= entry["seq"],
        edited=bool(change) and bool(text),
        erased=not text,
        deleted=deleted,
        deleted_by=change["name"] if change and deleted and change["name"] != entry["name"] else "",
        text=text if editable else "",
        may_edit=editable,
        may_delete=bool(text) and view.may_delete(entry),
        turn=entry["data"].get("turn"),
        citations=citations,
        confidence=entry["data"].get("confidence"),
    )


def _file(data: dict[str, Any] | None) -> File | None:
    if not data:
        return None
    return File(str(data["id"]), str(data["name"]), int(data["bytes"]), data["width"], data["height"])


def _event(entry: Entry, view: _View) -> Line:
    own = view.is_own(entry)
    icon, lead, rest = _words(entry, own)
    name = str(entry["data"].get("name") or entry["name"])
    return Line(
        seq=entry["seq"],
        kind="event",
        sender=entry["sender"],
        name=name,
        at=_time(entry),
        mine=own,
        initials=str(entry["data"].get("initials", "")) if entry["event"] == "joined" else "",
        icon=icon,
        lead=lead,
        rest=rest,
        key=entry["event"] in {"handed_over", "standing", "joined", "handed_back", "resolved"},
    )


def _words(entry: Entry, own: bool) -> tuple[str, str, str]:
    """(icon, the bold subject, the rest) of an event line."""
    data = entry["data"]
    name = str(data.get("name") or entry["name"])
    who = "You" if own else name
    via = " from Slack" if data.get("via") == "slack" else ""
    return {
        "handed_over": ("ask", "Handed to the team", str(data.get("reason", ""))),
        "standing": ("clock", "Asked for a person; nobody is there", str(data.get("reason", ""))),
        "contact_asked": ("mail", "To be answered by mail", KINDS.get(str(data.get("triage")), "")),
        "joined": ("", f"{who} joined{via}", ""),
        "left": ("out", f"{name} was away", "back to the queue")
        if data.get("away")
        else ("out", f"{who} gave it back", "to the queue"),
        "handed_back": ("handback", f"{who} handed back", "the AI answers again"),
        "resolved": ("check", f"{who} resolved this" if name else "Ended", _ending(data)),
        "contact_left": ("mail", "Left an address", str(data.get("email", ""))),
        "rated": ("star", f"Rated {data.get('score', '')} of 5", str(data.get("comment", ""))),
    }.get(entry["event"], ("info", entry["event"].replace("_", " ").capitalize(), ""))


def _ending(data: dict[str, Any]) -> str:
    return {
        "ai_confirmed": "answered by the AI, the visitor said so",
        "ai_assumed": "answered by the AI, it seems",
        "unresolved": "not resolved",
    }.get(str(data.get("outcome", "")), "")


def _citations(rows: Iterable[dict[str, Any]]) -> tuple[Citation, ...]:
    return tuple(
        Citation(
            int(row.get("n", 0)),
            " › ".join(dict.fromkeys(part for part in (row.get("title"), row.get("heading")) if part)),
            web_address(str(row.get("url", ""))),
        )
        for row in rows
    )


def _time(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry["at"])


def _initials(name: str) -> str:
    return Seat(name=name).initials
