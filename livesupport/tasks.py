"""The watch over the queue. Bound to the kind `waiting` of `Due` by the composition root."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from livesupport.actions import give_up_waiting
from livesupport.listeners import WAITING
from livesupport.waiting import LOOK_EVERY
from tenants import due
from tenants.schema import TenantTask


@shared_task(base=TenantTask, name="livesupport.watch_waiting")
def watch_waiting() -> None:
    """Give up on handoffs nobody takes; come back while any still wait."""
    if give_up_waiting():
        due.note(WAITING, timezone.now() + LOOK_EVERY)
