"""The renderer for templates: `{{ text|plain }}` of people, `{{ text|rich:hosts }}` of the AI."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from chat import render

register = template.Library()


@register.filter
def plain(text: str) -> SafeString:
    """A person's words, escaped, with their lines."""
    return render.plain(text)


@register.filter
def rich(text: str, links: frozenset[str] = frozenset()) -> SafeString:
    """The AI's markdown; links only to the hosts given."""
    return render.rich(text, links=links)
