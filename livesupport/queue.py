"""What the queue page lists, and in which order. Reads only; everything here is what one seat may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, IntegerField, OuterRef, Prefetch, Q, Subquery, TextField, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from chat.changes import as_now, saying
from chat.models import Conversation, ConversationQuerySet, Episode, Handoff, Message, Visitor
from chat.policies import visible_conversations
from livesupport.away import is_absent
from livesupport.clock import FIRST_REPLY_SECONDS, RESOLVE_SECONDS, Clock, span
from livesupport.models import Lead
from livesupport.mood import SHOWN, Face, face
from livesupport.policies import visible_leads
from tenants.workspace.models import Seat

TABS = {"now": "Now", "team": "Team", "resolved": "Resolved", "leads": "Leads"}
PRESENT_SECONDS = 45  # a visitor's page says so every 20 s
TALKING = timedelta(minutes=30)
MOST_ROWS = 200
MOST_FOUND = 50
_SAID = (Message.Kind.TEXT, Message.Kind.FILE)


@dataclass(frozen=True)
class Pill:
    """A fact in a word, with its icon; `tone` is empty, `late`, `warn` or `ok`."""

    icon: str
    words: str
    tone: str = ""


_ASKED = Pill("ask", "Asked for a person")
TRIGGER_PILLS = {
    Handoff.Trigger.BUTTON: _ASKED,
    Handoff.Trigger.REQUEST: _ASKED,
    Handoff.Trigger.KEYWORD: _ASKED,
    Handoff.Trigger.MOOD: Pill("upset", "Mood dropped", "late"),
    Handoff.Trigger.WEAK_EVIDENCE: Pill("noanswer", "No answer"),
    Handoff.Trigger.FAILURE: Pill("alert", "The AI could not answer", "warn"),
    Handoff.Trigger.COLLEAGUE: Pill("ci", "Passed on"),
}
OUTCOME_PILLS = {
    Episode.Outcome.AI_CONFIRMED: Pill("sq", "Resolved by the AI, said so", "ok"),
    Episode.Outcome.AI_ASSUMED: Pill("sq", "Resolved by the AI, assumed"),
    Episode.Outcome.PEOPLE: Pill("ci", "Resolved by a person", "ok"),
    Episode.Outcome.UNRESOLVED: Pill("alert", "Not resolved", "warn"),
}


@dataclass(frozen=True)
class Row:
    """One conversation in the list: who, last words, why, and its clock or its time."""

    id: str
    name: str
    language: str
    presence: str
    last: str
    pill: Pill
    is_test: bool
    last_by: str = ""
    clock: Clock | None = None
    at: datetime | None = None
    at_words: str = ""
    unread: int = 0
    holder: Seat | None = None
    via: str = ""  # where the holder claimed it: `dashboard`, `slack`, or empty without a handoff
    mood: Face | None = None
    is_holder_away: bool = False


@dataclass(frozen=True)
class Group:
    """Rows under one heading; `key` is stable for the page's script."""

    key: str
    title: str
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Listing:
    """A tab, or what a search found: groups of rows, or leads."""

    tab: str
    groups: list[Group]
    leads: list[Lead] = field(default_factory=list)
    query: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    waiting: int = 0  # real ones; tests do not count
    talking: int = 0  # conversations that the AI leads now
    speed: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to list."""
        return not self.leads and not any(group.rows for group in self.groups)


def presence(visitor: Visitor, now: datetime) -> str:
    """`here`, `away` (another tab is in front) or `left`."""
    if (now - visitor.seen_at).total_seconds() > PRESENT_SECONDS:
        return "left"
    return "away" if visitor.is_away else "here"


def clock_of(conversation: Conversation, handoff: Handoff | None, now: datetime) -> Clock | None:
    """The promise that runs in a conversation, if one does: to claim, then to reply, then to resolve."""
    if handoff is None:
        return None
    if handoff.state == Handoff.State.WAITING:
        return Clock.running(handoff.requested_at, conversation.project.claim_target_seconds, now, "claim")
    if handoff.state != Handoff.State.CLAIMED or handoff.claimed_at is None:
        return None
    if handoff.first_reply_at is None:
        return Clock.running(handoff.claimed_at, FIRST_REPLY_SECONDS, now, "first reply")
    return Clock.running(handoff.claimed_at, RESOLVE_SECONDS, now, "resolve")


def open_handoff(conversation: Conversation) -> Handoff | None:
    """The handoff that is not over, from the prefetched rows of `with_details`."""
    rows: Sequence[Handoff] = getattr(conversation, "open_handoffs", ())
    return rows[0] if rows else None


def with_details(conversations: ConversationQuerySet) -> ConversationQuerySet:
    """Everything a row shows, in a fixed number of queries."""
    # A file's text is its name; what was deleted has none.
    kept = Message.objects.filter(conversation=OuterRef("pk"), kind__in=_SAID).exclude(text="")
    texts = as_now(kept).order_by("-seq")
    theirs = Message.objects.filter(conversation=OuterRef("pk"), kind__in=_SAID, sender="visitor")
    unread = (
        theirs.filter(seq__gt=OuterRef("team_seen_seq"))
        .order_by()
        .values("conversation")
        .annotate(n=Count("pk"))
        .values("n")
    )
    open_one = Episode.objects.filter(conversation=OuterRef("conversation"), ended_at__isnull=True)
    judged = Message.objects.filter(
        conversation=OuterRef("pk"), mood__isnull=False, episode__in=open_one.values("pk")
    ).order_by("-seq")
    handoffs = Handoff.objects.open().order_by("-pk")
    return (
        conversations.select_related("visitor", "project", "holder__availability")
        .prefetch_related(Prefetch("handoffs", queryset=handoffs, to_attr="open_handoffs"))
        .annotate(
            last_text=Coalesce(Subquery(texts.values("now")[:1]), Value(""), output_field=TextField()),
            last_sender=Coalesce(Subquery(texts.values("sender")[:1]), Value(""), output_field=TextField()),
            last_seat=Subquery(texts.values("seat_id")[:1]),
            moods=ArraySubquery(judged.values("mood")[:SHOWN]),
            unread=Coalesce(Subquery(unread, output_field=IntegerField()), Value(0)),
        )
    )


def _row(conversation: Any, seat: Seat, now: datetime) -> Row:
    handoff = open_handoff(conversation)
    clock = clock_of(conversation, handoff, now)
    held = conversation.owner == Conversation.Owner.AGENT
    standing = handoff is not None and handoff.state == Handoff.State.STANDING
    by_you = conversation.last_seat == seat.pk
    in_slack = handoff is not None and handoff.claimed_via == "slack"
    claimed_at = handoff.claimed_at if handoff else None
    senders = {"agent": "You" if by_you else "Team", "ai": "AI"}
    return Row(
        id=str(conversation.pk),
        name=str(conversation.visitor),
        language=conversation.language[:2],
        presence=presence(conversation.visitor, now),
        last=conversation.last_text,
        last_by=senders.get(conversation.last_sender, ""),
        pill=TRIGGER_PILLS[Handoff.Trigger(handoff.trigger)] if handoff else _pill_without(conversation),
        is_test=conversation.is_test,
        clock=clock,
        at=None if clock or handoff is None else handoff.requested_at,
        at_words="asked" if standing else "",
        unread=conversation.unread if held else 0,
        holder=conversation.holder if held and conversation.holder_id != seat.pk else None,
        is_holder_away=held and not in_slack and is_absent(conversation.holder, now, claimed_at=claimed_at),
        via=handoff.claimed_via if held and handoff else "",
        mood=face(conversation.moods[::-1], conversation.project.mood_threshold),
    )


def _pill_without(conversation: Conversation) -> Pill:
    if conversation.owner == Conversation.Owner.AGENT:
        return Pill("ci", "Taken from the AI")
    return Pill("sq", "With the AI")


def _rows(conversations: Iterable[Conversation], seat: Seat, now: datetime) -> list[Row]:
    return [_row(conversation, seat, now) for conversation in conversations]


def now_groups(seat: Seat, now: datetime) -> list[Group]:
    """*Waiting for someone*: the furthest against its promise first, then those who asked while nobody was
    there; then *Mine*, the longest held first."""
    shown = with_details(visible_conversations(seat))
    asking = Handoff.objects.filter(state__in=[Handoff.State.WAITING, Handoff.State.STANDING])
    asked_at = asking.filter(conversation=OuterRef("pk")).order_by("requested_at").values("requested_at")[:1]
    untaken = shown.filter(owner__in=[Conversation.Owner.QUEUE, Conversation.Owner.AI])
    called = untaken.annotate(asked_at=Subquery(asked_at)).filter(asked_at__isnull=False)
    # Where there are too many to show: who waits in the queue before who stands, and the longest first.
    waiting = _rows(called.order_by("-owner", "asked_at")[:MOST_ROWS], seat, now)
    waiting.sort(key=lambda row: (row.clock is None, -(row.clock.share if row.clock else 0), row.at or now))
    held = shown.filter(owner=Conversation.Owner.AGENT, holder=seat).order_by("updated_at")[:MOST_ROWS]
    mine = _rows(held, seat, now)
    mine.sort(key=lambda row: row.clock.since if row.clock else now)
    return [Group("waiting", "Waiting for someone", waiting), Group("mine", "Mine", mine)]


def _with_ai(seat: Seat, now: datetime) -> ConversationQuerySet:
    recent = Episode.objects.filter(ended_at__isnull=True, last_message_at__gte=now - TALKING)
    return visible_conversations(seat).filter(owner=Conversation.Owner.AI, episodes__in=recent)


def team_groups(seat: Seat, now: datetime) -> list[Group]:
    """Who is with whom: teammates' conversations, and those that the AI leads now."""
    held = visible_conversations(seat).filter(owner=Conversation.Owner.AGENT).exclude(holder=seat)
    held_rows = _rows(with_details(held).order_by("-updated_at")[:MOST_ROWS], seat, now)
    led_rows = _rows(with_details(_with_ai(seat, now)).order_by("-updated_at")[:MOST_ROWS], seat, now)
    return [Group("team", "With teammates", held_rows), Group("ai", "With the AI", led_rows)]


def resolved_groups(seat: Seat, now: datetime) -> list[Group]:
    """The last conversations that ended, newest first, each with how."""
    ended = (
        Episode.objects.filter(conversation__in=visible_conversations(seat), ended_at__isnull=False)
        .select_related("conversation__visitor")
        .order_by("-ended_at")
    )
    asked = Message.objects.filter(episode=OuterRef("pk"), kind=Message.Kind.TEXT, sender="visitor")
    first = asked.order_by("seq").values("text")[:1]
    rows = []
    episode: Any
    first_text = Coalesce(Subquery(first), Value(""), output_field=TextField())
    for episode in ended.annotate(first_text=first_text)[:MOST_FOUND]:
        conversation = episode.conversation
        pill = OUTCOME_PILLS.get(Episode.Outcome(episode.outcome), Pill("check", "Ended"))
        if episode.outcome == Episode.Outcome.PEOPLE and episode.resolved_by:
            pill = Pill("ci", f"Resolved by {episode.resolved_by}", "ok")
        rows.append(
            Row(
                id=str(conversation.pk),
                name=str(conversation.visitor),
                language=conversation.language[:2],
                presence=presence(conversation.visitor, now),
                last=episode.first_text,
                pill=pill,
                is_test=conversation.is_test,
                at=episode.ended_at,
            )
        )
    return [Group("resolved", "Ended lately", rows)]


def found_groups(seat: Seat, query: str, now: datetime) -> list[Group]:
    """Conversations whose transcript, notes included, or visitor holds the words; the newest first. The row
    shows the line that was found."""
    shown = visible_conversations(seat)
    lines: dict[Any, str] = {}
    hits = saying(Message.objects.filter(conversation__in=shown), query)
    for conversation_id, text in hits.order_by("-created_at").values_list("conversation", "text")[:MOST_ROWS]:
        lines.setdefault(conversation_id, text)
    by_name = Q(visitor__name__icontains=query) | Q(visitor__email__icontains=query)
    found = with_details(shown.filter(Q(pk__in=list(lines)) | by_name)).order_by("-updated_at")[:MOST_FOUND]
    rows = []
    for conversation in found:
        row = _row(conversation, seat, now)
        line = lines.get(conversation.pk)
        rows.append(row if line is None else Row(**{**vars(row), "last": line, "last_by": ""}))
    return [Group("found", "Found", rows)]


def recent_speed(seat: Seat, now: datetime) -> dict[str, str]:
    """Medians of the last 24 hours: claim, first reply, resolved. Missing ones are left out."""
    shown = visible_conversations(seat).real()
    rows = Handoff.objects.filter(conversation__in=shown, requested_at__gte=now - timedelta(hours=24))
    spans: dict[str, list[float]] = {"Claim": [], "First reply": [], "Resolved": []}
    for handoff in rows.only("requested_at", "claimed_at", "first_reply_at", "resolved_at"):
        claimed = handoff.claimed_at
        if claimed is None:
            continue
        spans["Claim"].append((claimed - handoff.requested_at).total_seconds())
        if handoff.first_reply_at:
            spans["First reply"].append((handoff.first_reply_at - claimed).total_seconds())
        if handoff.resolved_at:
            spans["Resolved"].append((handoff.resolved_at - claimed).total_seconds())
    return {label: span(round(median(values))) for label, values in spans.items() if values}


def listing(seat: Seat, *, tab: str = "now", query: str = "") -> Listing:
    """Everything that the queue pane shows to a seat now."""
    now = timezone.now()
    tab = tab if tab in TABS else "now"
    working = now_groups(seat, now)
    held_by_others = visible_conversations(seat).filter(owner=Conversation.Owner.AGENT).exclude(holder=seat).count()
    leads = visible_leads(seat).filter(state=Lead.State.OPEN).select_related("conversation__project")
    groups = working
    if query:
        groups = found_groups(seat, query, now)
    elif tab != "now":
        groups = {"team": team_groups, "resolved": resolved_groups, "leads": _no_groups}[tab](seat, now)
    return Listing(
        tab=tab,
        groups=groups,
        leads=list(leads.order_by("created_at")[:MOST_ROWS]) if tab == "leads" and not query else [],
        query=query,
        counts={"now": sum(len(g.rows) for g in working), "team": held_by_others, "leads": leads.count()},
        waiting=sum(1 for row in working[0].rows if not row.is_test),
        talking=_with_ai(seat, now).count(),
        speed=recent_speed(seat, now),
    )


def _no_groups(seat: Seat, now: datetime) -> list[Group]:
    return []
