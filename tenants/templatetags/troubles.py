"""What does not work and waits for somebody who looks after the settings."""

from __future__ import annotations

from typing import Any

from django import template

from tenants.workspace import outbox
from tenants.workspace.models import Project
from tenants.workspace.policies import may_configure

register = template.Library()


@register.inclusion_tag("tenants/_troubles.html", takes_context=True)
def troubles(context: Any) -> dict[str, Any]:
    """Deliveries that failed for good, and models that do not answer. Owners and admins alone read them."""
    seat = getattr(context["request"], "seat", None)
    if seat is None or not may_configure(seat):
        return {}
    silent = Project.objects.exclude(model_problem="").filter(answerer=Project.Answerer.OPENAI).order_by("pk")
    return {"failures": outbox.failures(), "silent": list(silent)}
