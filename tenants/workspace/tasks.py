"""The outbox, worked off. Bound to the kind `outbox` of `Due` by the composition root."""

from __future__ import annotations

from celery import shared_task

from tenants import actions
from tenants.schema import TenantTask
from tenants.workspace import outbox


@shared_task(base=TenantTask, name="workspace.deliver_outbox")
def deliver_outbox() -> None:
    """Deliver what may leave now."""
    outbox.deliver_due()


@shared_task(base=TenantTask, name="workspace.prune_outbox")
def prune_outbox() -> None:
    """Drop what left long ago."""
    outbox.prune()


@shared_task(base=TenantTask, name="workspace.watch_plan")
def watch_plan() -> None:
    """Note the end of a trial or plan, and tell the owners in time."""
    actions.watch_plan()
