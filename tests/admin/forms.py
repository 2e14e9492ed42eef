"""Filling a form as a browser would: what the page offers, with some fields changed."""

from __future__ import annotations

from typing import Any

from django.forms.boundfield import BoundField
from django.test import Client


def filled(client: Client, page: str, **changes: Any) -> dict[str, Any]:
    """The fields of an admin page's forms with their present values, and `changes`. None leaves a field out."""
    context = client.get(page).context
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    data: dict[str, Any] = {}
    for form in forms:
        for field in form:
            data |= _value(field)
    return {name: value for name, value in (data | changes).items() if value is not None}


def _value(field: BoundField) -> dict[str, Any]:
    value = field.value()
    if value is None or value is False:
        return {}
    return {field.html_name: "on" if value is True else value}
