"""Celery's side of insights."""

from __future__ import annotations

from celery import shared_task

from insights.actions import sort_questions
from insights.proof import check_gaps
from tenants.schema import TenantTask


@shared_task(base=TenantTask, name="insights.check_gaps")
def check() -> None:
    """Give what was asked without a good answer its gap, and ask the questions again whose answer has been read."""
    sort_questions()
    check_gaps()
