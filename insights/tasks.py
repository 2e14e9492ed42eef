"""Celery's side of insights."""

from __future__ import annotations

from celery import shared_task

from insights.proof import check_gaps
from tenants.schema import TenantTask


@shared_task(base=TenantTask, name="insights.check_gaps")
def check() -> None:
    """Ask the questions again whose answer has been read."""
    check_gaps()
