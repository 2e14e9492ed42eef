"""Reading the log for one party: wire entries with `prev`, and who speaks now. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

from django.db.models import Max, Q, Subquery
from django.utils import timezone

from chat import ports
from chat.changes import texts_now
from chat.errors import NotAllowed, UnknownConversation
from chat.models import Conversation, Handoff, Message, Turn
from chat.policies import get_conversation_for, get_seat
from chat.watch import watch
from tenants.schema import current_schema
from tenants.workspace.models import Seat

Audience = Literal["visitor", "team"]
TEAM_ONLY_DATA = frozenset({"reason", "handoff", "confidence", "triage"})
MOST_ENTRIES = 200


def _seen_by(audience: Audience) -> Q:
    return Q(internal=False) if audience == "visitor" else Q()


def entries(
    conversation: Conversation, *, audience: Audience = "team", after: int = 0, seat_id: int | None = None
) -> list[dict[str, Any]]:
    """The entries after seq `after` that the party may see, in order, at most 200, as docs/protocol.md writes
    them. `prev` of the first is the last visible seq up to `after`; texts
    are as they read now. Of the team, `seat_id` is who reads: a client_id is its own sender's."""
    log = Message.objects.filter(_seen_by(audience), conversation=conversation)
    # With the one that was seen last.
    rows = list(log.filter(seq__gte=after).order_by("seq")[: MOST_ENTRIES + 1])
    texts = texts_now(rows, to_the_end=len(rows) <= MOST_ENTRIES)
    if rows and rows[0].seq == after:
        prev = rows.pop(0).seq
    else:
        prev = (log.filter(seq__lt=after).aggregate(last=Max("seq"))["last"] or 0) if rows and after else 0
    found = []
    for message in rows[:MOST_ENTRIES]:
        found.append(
            {
                **_wire(message, conversation, prev, audience),
                **_own(message, audience, seat_id),
                "text": texts[message.seq],
            }
        )
        prev = message.seq
    return found


def _own(message: Message, audience: Audience, seat_id: int | None) -> dict[str, str | None]:
    if audience == "visitor":
        mine = message.sender == "visitor" or message.sender_key == "system"
    else:
        mine = message.seat_id is not None and message.seat_id == seat_id
    return {"client_id": str(message.client_id) if message.client_id and mine else None}


def _wire(message: Message, conversation: Conversation, prev: int, audience: Audience) -> dict[str, Any]:
    data = message.data
    if audience == "visitor":
        hidden = TEAM_ONLY_DATA | ({"outcome"} if message.event == "resolved" else set())
        data = {key: value for key, value in data.items() if key not in hidden}
    return {
        "type": "message",
        "conversation": str(conversation.pk),
        "seq": message.seq,
        "prev": prev,
        "kind": message.kind,
        "sender": message.sender,
        "name": message.sender_name or (str(conversation.visitor) if message.sender == "visitor" else ""),
        "text": message.text,
        "event": message.event,
        "data": data,
        "target": message.target,
        "at": message.created_at.isoformat(),
        "epoch": conversation.epoch,
    }


def state(conversation: Conversation, audience: Audience = "team") -> dict[str, Any]:
    """The `state` frame: who speaks now, and what the party may expect."""
    handoff = _open_handoff(conversation)
    holder = conversation.holder if conversation.owner == Conversation.Owner.AGENT else None
    waiting = handoff is not None and handoff.state == Handoff.State.WAITING
    promise = ports.reachability(conversation.project, timezone.now(), conversation.is_test)
    frame: dict[str, Any] = {
        "type": "state",
        "conversation": str(conversation.pk),
        "owner": conversation.owner,
        "epoch": conversation.epoch,
        "agent": {"name": holder.name, "initials": holder.initials} if holder else None,
        "seen": {"visitor": conversation.visitor_seen_seq, "team": conversation.team_seen_seq},
        "waiting_since": handoff.requested_at.isoformat() if handoff and waiting else None,
        "promise": promise.as_wire(),
        "is_test": conversation.is_test,
    }
    if audience == "team":
        frame["handoff"] = _handoff_wire(handoff)
    return frame


def _open_handoff(conversation: Conversation) -> Handoff | None:
    return Handoff.objects.open().filter(conversation=conversation).order_by("-pk").first()


def _handoff_wire(handoff: Handoff | None) -> dict[str, Any] | None:
    if handoff is None:
        return None
    return {
        "id": handoff.pk,
        "trigger": handoff.trigger,
        "label": handoff.get_trigger_display(),
        "reason": handoff.reason,
        "state": handoff.state,
        "requested_at": handoff.requested_at.isoformat(),
    }


def _load(conversation_id: UUID | str) -> Conversation:
    return Conversation.objects.select_related("visitor").get(pk=conversation_id)


def visitor_news(conversation_id: str, after: int, with_state: bool) -> list[dict[str, Any]]:
    """Frames for a visitor's socket: the entries after `after`, and the state if asked or if an event came."""
    conversation = _load(conversation_id)
    frames = entries(conversation, audience="visitor", after=after)
    if with_state or any(frame["event"] for frame in frames):
        frames.append(state(conversation, "visitor"))
    return frames


def team_news(seat_id: int, conversation_id: str, after: int, with_state: bool) -> list[dict[str, Any]]:
    """Frames for a desk socket that follows a conversation. Raises NotAllowed, UnknownConversation."""
    conversation = get_conversation_for(get_seat(seat_id), conversation_id)
    frames = entries(conversation, audience="team", after=after, seat_id=seat_id)
    if with_state or any(frame["event"] for frame in frames):
        frames.append(state(conversation))
    return frames


def desk_state(seat_id: int, conversation_id: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """One conversation's `state` frame for a seat, and what it tells of as in `desk_snapshot`. Raises NotAllowed,
    UnknownConversation."""
    conversation = get_conversation_for(get_seat(seat_id), conversation_id)
    return state(conversation), (conversation.epoch, conversation.last_seq)


def presence(seat_id: int, frame: Mapping[str, Any]) -> dict[str, Any] | None:
    """A visitor's `presence` frame for a seat, with the page they are on; None for who may not see them."""
    try:
        conversation = get_conversation_for(get_seat(seat_id), frame["conversation"])
    except (NotAllowed, UnknownConversation):
        return None
    return {**frame, "page": conversation.page_url}


def seat_card(seat_id: int) -> dict[str, Any]:
    """The desk's `hello`: who the socket speaks for. Raises NotAllowed."""
    seat: Seat = get_seat(seat_id)
    return {"id": seat.pk, "name": seat.name, "initials": seat.initials, "role": seat.role}


def last_seqs(ids: Iterable[str]) -> dict[str, int]:
    """The end of each log, in one query, which also tells this process when the tenant's next turn is overdue."""
    pending = Turn.objects.filter(state__in=Turn.OPEN).order_by("overdue_at").values("overdue_at")[:1]
    rows = Conversation.objects.filter(pk__in=list(ids)).values_list("pk", "last_seq", Subquery(pending))
    ends = {}
    for pk, seq, overdue_at in rows:
        ends[str(pk)] = seq
        if overdue_at is not None:
            watch.note(current_schema(), overdue_at)
    return ends


def desk_snapshot() -> dict[str, tuple[int, int]]:
    """(epoch, last seq) of each conversation that people wait in or speak in; a change is news for the desk."""
    rows = Conversation.objects.filter(
        Q(owner__in=[Conversation.Owner.QUEUE, Conversation.Owner.AGENT]) | Q(handoffs__state=Handoff.State.STANDING)
    ).values_list("pk", "epoch", "last_seq")
    return {str(pk): (epoch, seq) for pk, epoch, seq in rows}
