"""Where a report leads."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from insights.models import KnowledgeGap


def answer(gap: KnowledgeGap) -> str:
    """The admin's form for the gap's answer: the entry written for it, else a new one with the question filled
    in, which brings the gap's id along."""
    if gap.answer_id is not None:
        return reverse("admin:knowledge_source_change", args=[gap.answer_id])
    fields = {"project": gap.project_id, "kind": "faq", "name": gap.question[:200], "prompted_by": f"gap:{gap.pk}"}
    return reverse("admin:knowledge_source_add") + "?" + urlencode(fields)
