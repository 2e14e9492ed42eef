"""Small words for Live Support's templates."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote, urlencode

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from livesupport.models import Lead
from tenants.workspace.models import Seat

register = template.Library()

QUOTED = 1000  # characters: mail programs cut long addresses of letters
PRESENCE = {"here": "On the page", "away": "Tab in background", "left": "Left the page"}
_DOTS = {"here": "live", "away": "live live-away", "left": "live live-gone"}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A drawing of the sprite, hidden from screen readers: its words stand beside it."""
    return format_html('<svg class="i {}" aria-hidden="true"><use href="#i-{}"/></svg>', extra, name)


@register.simple_tag
def presence_dot(state: str) -> SafeString:
    """The visitor's presence as a shape with its words."""
    words = PRESENCE.get(state, "")
    return format_html(
        '<span class="{}" data-dot title="{}"><span class="sr">{}</span></span>', _DOTS.get(state, "live"), words, words
    )


@register.simple_tag
def moment(at: datetime, shape: str = "hm") -> SafeString:
    """A time that the page's script writes in the reader's own zone; in UTC until then.

    `shape`: `hm` 14:04, `hms` 14:04:07, `day` the time of today or else the date.
    """
    text = at.strftime("%H:%M:%S" if shape == "hms" else "%H:%M")
    return format_html('<time datetime="{}" data-moment="{}">{}</time>', at.isoformat(), shape, text)


@register.simple_tag
def reply_address(lead: Lead) -> str:
    """A `mailto:` that opens a letter to the lead in the agent's own program, their question quoted below."""
    words = lead.question.strip()[:QUOTED]
    quoted = "".join(f"\n> {line}" for line in words.splitlines())
    body = f"\n\nOn {lead.created_at.day} {lead.created_at:%B %Y} you asked:{quoted}" if words else ""
    subject = f"Your question to {lead.conversation.project.name}"
    fields = urlencode({"subject": subject, **({"body": body.replace("\n", "\r\n")} if body else {})}, quote_via=quote)
    return f"mailto:{quote(lead.email, safe='@+')}?{fields}"


@register.filter
def initials(name: str) -> str:
    """One or two capitals for an avatar."""
    return Seat(name=name).initials


@register.filter
def percent(share: float) -> str:
    """0.31 as `31%`, for the script that draws bars."""
    return f"{round(share * 100)}%"
