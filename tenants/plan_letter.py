"""The letter to an owner about the plan: written when it leaves, and only if what it is about is still so."""

from __future__ import annotations

from typing import Any

from tenants import billing, mail
from tenants.billing import Kind
from tenants.hosts import primary_host, tenant_url
from tenants.models import Tenant
from tenants.workspace.models import Seat

LETTER = "plan"
State = Tenant.Subscription


def compose(payload: dict[str, Any]) -> mail.Letter | None:
    """`payload`: `about` (`trial_ending`, `ended`, `limit`, `beyond_limit`) and `seat`, the owner's id."""
    seat = Seat.objects.filter(pk=payload["seat"], is_active=True, role=Seat.Role.OWNER).exclude(email="").first()
    tenant = billing.current()
    said = _words(str(payload["about"]), tenant)
    if seat is None or said is None:
        return None
    subject, sentence = said
    link = tenant_url(primary_host(tenant), "/plan/")
    context = {"business": tenant.name, "heading": subject, "sentence": sentence, "link": link}
    text, html = mail.render("tenants/email/plan", context)
    return mail.Letter(seat.email, f"{tenant.name}: {subject}", text, html)


def _words(about: str, tenant: Tenant) -> tuple[str, str] | None:
    """Subject and sentence, or None once it is no longer so."""
    if about == "trial_ending":
        if tenant.standing() != State.TRIAL or tenant.trial_ends_at is None:
            return None
        until = billing.day(tenant.trial_ends_at)
        after = "Without a plan the AI rests from then on: visitors read that, and can leave an e-mail address."
        return f"your trial ends on {until}", f"Start a plan, and nothing changes. {after} Nothing is deleted."
    if about == "ended":
        return ("the AI rests", billing.ended_sentence(tenant)) if tenant.has_ended else None
    found = billing.allowance(tenant, Kind.CONVERSATIONS)
    return ("the month's conversations are used", found.sentence) if found.is_used_up else None
