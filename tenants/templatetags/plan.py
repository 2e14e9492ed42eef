"""The plan's news at the top of a page."""

from __future__ import annotations

from typing import Any

from django import template

from tenants.billing import Kind as Limit
from tenants.billing import allowance, notice_for
from tenants.workspace.policies import may_configure

register = template.Library()


@register.inclusion_tag("tenants/_plan_notice.html", takes_context=True)
def plan_notice(context: Any, only: str = "") -> dict[str, Any]:
    """What the plan's owner and admins should know now. With `only` a tone, nothing milder: the whole team reads
    that the AI rests."""
    request = context["request"]
    seat = getattr(request, "seat", None)
    tells_all = only == "late"
    if seat is None or not (tells_all or may_configure(seat)):
        return {"notice": None}
    notice = notice_for(request.tenant)
    if notice is not None and only and notice.tone != only:
        notice = None
    return {"notice": notice, "may_configure": may_configure(seat)}


@register.simple_tag(takes_context=True)
def plan_allowance(context: Any, kind: str) -> Any:
    """One limit of the plan: `{% plan_allowance "projects" as room %}`."""
    return allowance(context["request"].tenant, Limit(kind))
