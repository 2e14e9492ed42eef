"""Figures as people read them."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as `1.1 s`, `19 s`, `1:04` or `2 h 05`; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600} h {whole % 3600 // 60:02d}"


@register.filter
def percent(share: int | None) -> str:
    """A share in whole percents; a dash where there is nothing to take a share of."""
    return "–" if share is None else f"{share}%"


@register.filter
def score(value: float | None) -> str:
    """A score between 0 and 1, to two places."""
    return "–" if value is None else f"{value:.2f}"
