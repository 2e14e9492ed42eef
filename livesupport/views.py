"""The dashboard over HTTP: pages and partials to show, posts to act. The socket only tells what changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from chat import actions as chat
from chat import transfer
from chat.errors import Unavailable, UnknownConversation
from chat.models import Conversation
from chat.policies import get_attachment_for, get_conversation_for, may_claim, may_talk
from livesupport import actions
from livesupport.card import card as card_of
from livesupport.card import page_path
from livesupport.clock import Clock
from livesupport.models import Availability
from livesupport.queue import TABS, clock_of, listing, presence, with_details
from livesupport.queue import open_handoff as open_handoff_of
from livesupport.transcript import transcript
from tenants.access import SeatRequest, seat_required, wants_json
from tenants.errors import ProductError
from tenants.troubles import PASSING, SENTENCE
from tenants.workspace.models import Seat

log = logging.getLogger(__name__)
LONGEST_QUERY = 200
STATUS = {
    "already_taken": 409,
    "not_holder": 409,
    "plan_ended": 409,
    "not_allowed": 403,
    "too_late": 409,
    "message_deleted": 409,
    "unknown_conversation": 404,
    "unknown_message": 404,
    "unknown_lead": 404,
    **transfer.STATUS,
}


@require_GET
@never_cache
@seat_required()
def page(request: SeatRequest) -> HttpResponse:
    """The dashboard. `?c=` opens a conversation; one that is not there opens the list alone."""
    context = _queue_context(request) | {"here": "live", "seat": request.seat, "tabs": TABS}
    wanted = request.GET.get("c", "")
    if wanted:
        try:
            found = get_conversation_for(request.seat, wanted)
        except UnknownConversation:
            context["missing"] = True
        else:
            context |= _conversation_context(found, request.seat) | {"card": card_of(found)}
    row = Availability.objects.filter(seat=request.seat).first()
    context["away"] = row is not None and row.state == Availability.State.AWAY
    context["may_talk"] = may_talk(request.seat)
    return render(request, "livesupport/live.html", context)


@require_GET
@never_cache
@seat_required()
def queue(request: SeatRequest) -> HttpResponse:
    """The list: one tab, or what a search found."""
    return render(request, "livesupport/_queue.html", _queue_context(request))


@require_POST
@seat_required()
def missed(request: SeatRequest) -> HttpResponse:
    """What went back to the queue was read."""
    return _act(actions.note_missed_read, seat=request.seat)


@require_GET
@never_cache
@seat_required()
def conversation(request: SeatRequest, conversation_id: UUID) -> HttpResponse:
    """Header, log and composer of one conversation. A browser that is sent here gets the whole page."""
    if not wants_json(request) and request.headers.get("Sec-Fetch-Mode") == "navigate":
        return _redirect_to_page(conversation_id)
    try:
        found = get_conversation_for(request.seat, conversation_id)
    except ProductError as error:
        return _refusal(error)
    context = _conversation_context(found, request.seat, whole="whole" in request.GET)
    return render(request, "livesupport/_conversation.html", context)


@require_GET
@never_cache
@seat_required()
def card(request: SeatRequest, conversation_id: UUID) -> HttpResponse:
    """The handoff card of one conversation."""
    try:
        found = get_conversation_for(request.seat, conversation_id)
    except ProductError as error:
        return _refusal(error)
    context = {"card": card_of(found), "seat": request.seat, "now": timezone.now()}
    return render(request, "livesupport/_card.html", context)


@require_POST
@seat_required()
def claim(request: SeatRequest, conversation_id: UUID) -> HttpResponse:
    """Take it. A lost race is 409 and says who won."""
    return _act(actions.claim, seat=request.seat, conversation_id=conversation_id, via="dashboard")


@require_POST
@seat_required()
def release(request: SeatRequest, conversation_id: UUID) -> HttpResponse:
    """Back to the queue."""
    return _act(actions.release, seat=request.seat, conversation_id=conversation_id)


@require_POST
@seat_required()
def hand_back(request: SeatRequest, conversation_id: UUID) -> HttpResponse:
    """Back to the AI."""
    return _act(actions.hand_back, seat=request.seat, conversation_id=conversation_id)


@require_POST
@seat_required()
def resolve(request: SeatRequest, conversation_id: UUID) -> HttpResponse:
    """The end, with a note for the next one if `note` has words."""
    note = request.POST.get("note", "")
    return _act(actions.resolve, seat=request.seat, conversation_id=conversation_id, note=note)


@require_POST
@seat_required()
def availability(request: SeatRequest) -> HttpResponse:
    """`state` is `online` or `away`."""
    return _act(actions.set_availability, seat=request.seat, state=request.POST.get("state", ""))


@require_POST
@seat_required()
def lead_done(request: SeatRequest, lead_id: int) -> HttpResponse:
    """Somebody wrote to this lead."""
    return _act(actions.close_lead, seat=request.seat, lead_id=lead_id)


@require_POST
@seat_required()
def attach(request: SeatRequest, conversation_id: UUID) -> HttpResponse:
    """Send a picture or PDF to the visitor: a form with `file` and `client_id`."""
    try:
        get_conversation_for(request.seat, conversation_id)
        upload = transfer.uploaded(request)
        ack = chat.send_file_as_seat(conversation_id=conversation_id, seat_id=request.seat.pk, upload=upload)
    except ProductError as error:
        return _refusal(error)
    except PASSING:
        return _unavailable()
    return JsonResponse({"client_id": ack.client_id, "seq": ack.seq, "at": ack.at})


@require_POST
@seat_required()
def edit(request: SeatRequest, conversation_id: UUID, seq: int) -> HttpResponse:
    """Give an own text or note new words: a form with `text`, and `client_id` if it may be sent again."""
    return _change(chat.edit_message, request, conversation_id, seq, text=request.POST.get("text", ""))


@require_POST
@seat_required()
def delete(request: SeatRequest, conversation_id: UUID, seq: int) -> HttpResponse:
    """Take a text or note of the team back: a form with `client_id`, if it may be sent again."""
    return _change(chat.delete_message, request, conversation_id, seq)


@require_GET
@seat_required()
def attachment(request: SeatRequest, attachment_id: UUID) -> HttpResponse:
    """A file of a conversation that the seat may see."""
    try:
        return transfer.sent(get_attachment_for(request.seat, attachment_id))
    except ProductError as error:
        return _refusal(error)


def _change(
    action: Callable[..., chat.Ack], request: SeatRequest, conversation_id: UUID, seq: int, **words: str
) -> HttpResponse:
    """One change of the entry `seq`; the answer is a receipt, like an `ack`."""
    try:
        change = chat.Change(seq, transfer.client_id(request))
        ack = action(conversation_id=conversation_id, seat_id=request.seat.pk, change=change, **words)
    except ProductError as error:
        return _refusal(error)
    except PASSING:
        return _unavailable()
    return JsonResponse({"client_id": ack.client_id, "seq": ack.seq, "at": ack.at})


def _act(action: Callable[..., object], **arguments: Any) -> HttpResponse:
    try:
        action(**arguments)
    except ProductError as error:
        return _refusal(error)
    except PASSING:
        return _unavailable()
    return JsonResponse({"ok": True})


def _unavailable() -> HttpResponse:
    """Nothing was changed, and the same again may work."""
    log.exception("the database refused a deed")
    return _refusal(Unavailable(SENTENCE))


def _refusal(error: ProductError) -> HttpResponse:
    body = {"code": error.code, "sentence": error.sentence}
    return JsonResponse(body, status=STATUS.get(error.code, 400))


def _redirect_to_page(conversation_id: UUID) -> HttpResponse:
    return HttpResponse(status=302, headers={"Location": f"/live/?c={conversation_id}"})


def _queue_context(request: SeatRequest) -> dict[str, Any]:
    query = request.GET.get("q", "").strip()[:LONGEST_QUERY]
    found = listing(request.seat, tab=request.GET.get("tab", "now"), query=query)
    return {
        "listing": found,
        "waiting": found.waiting,
        "chosen": request.GET.get("c", ""),
        "now": timezone.now(),
        "seat": request.seat,
        "missed": Availability.objects.filter(seat=request.seat).values_list("missed", flat=True).first(),
    }


def _conversation_context(found: Conversation, seat: Seat, *, whole: bool = False) -> dict[str, Any]:
    now = timezone.now()
    detailed = with_details(Conversation.objects.filter(pk=found.pk)).get()
    handoff = open_handoff_of(detailed)
    clock: Clock | None = clock_of(detailed, handoff, now)
    held = found.owner == Conversation.Owner.AGENT
    mine = held and found.holder_id == seat.pk
    return {
        "conversation": found,
        "visitor": found.visitor,
        "presence": presence(found.visitor, now),
        "path": page_path(found.page_url),
        "began_on": page_path(str(found.pages[0].get("url", ""))) if found.pages else "",
        "handoff": handoff,
        "clock": clock,
        "mode": _mode(found, mine=mine, talks=may_talk(seat)),
        "may_claim": not held and may_claim(seat, found) and found.owner != Conversation.Owner.NONE,
        "log": transcript(found, seat, whole=whole),
        "seat": seat,
        "now": now,
    }


def _mode(found: Conversation, *, mine: bool, talks: bool) -> str:
    """What the composer is for: `mine`, `claim` (nobody has it), `other` (notes only), `ended`, `watch`."""
    if not talks:
        return "watch"
    if found.owner == Conversation.Owner.NONE:
        return "ended"
    if found.owner == Conversation.Owner.AGENT:
        return "mine" if mine else "other"
    return "claim"
