"""Who may do what in Live Support. What concerns one conversation is `chat.policies`'."""

from __future__ import annotations

from chat.errors import NotAllowed
from chat.policies import is_active, may_talk, visible_conversations
from livesupport.errors import UnknownLead
from livesupport.models import Lead, LeadQuerySet
from tenants.workspace.models import Seat


def may_watch(seat: Seat) -> bool:
    """Whether the seat may see the queue and read along. Analysts may; they cannot claim or write."""
    return is_active(seat)


def may_be_available(seat: Seat) -> bool:
    """Whether it means anything that this seat is online."""
    return may_talk(seat)


def may_rehearse(seat: Seat) -> bool:
    """Whether the seat may start a test escalation: whoever may answer the real ones."""
    return may_talk(seat) and not seat.is_rehearsal


def visible_leads(seat: Seat) -> LeadQuerySet:
    """The leads of the conversations a seat may see."""
    return Lead.objects.filter(conversation__in=visible_conversations(seat))


def get_lead_for(seat: Seat, lead_id: int) -> Lead:
    """A lead with its conversation. Raises UnknownLead when there is none or it is not the seat's to see."""
    if not may_talk(seat):
        raise NotAllowed
    lead = visible_leads(seat).select_related("conversation").filter(pk=lead_id).first()
    if lead is None:
        raise UnknownLead
    return lead
