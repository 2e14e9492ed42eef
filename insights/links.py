"""Where a report leads."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse


def answer(project_id: int, question: str) -> str:
    """The admin's form for a new question and answer, with the question filled in."""
    fields = {"project": project_id, "kind": "faq", "name": question[:200]}
    return reverse("admin:knowledge_source_add") + "?" + urlencode(fields)
