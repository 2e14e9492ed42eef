"""Live Support's work: the watch over the queue and over who holds what (bound to the kinds `waiting` and
`holders` of `Due`), and rehearsals."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from livesupport.actions import give_up_waiting, take_back_from_absent
from livesupport.listeners import HOLDERS, WAITING
from livesupport.rehearsal_runs import play_rehearsal
from livesupport.waiting import LOOK_EVERY
from tenants import due
from tenants.schema import TenantTask


@shared_task(base=TenantTask, name="livesupport.watch_waiting")
def watch_waiting() -> None:
    """Give up on handoffs nobody takes; come back while any still wait."""
    if give_up_waiting():
        due.note(WAITING, timezone.now() + LOOK_EVERY)


@shared_task(base=TenantTask, name="livesupport.watch_holders")
def watch_holders() -> None:
    """Take back what agents who vanished hold; come back while anybody holds anything."""
    if (at := take_back_from_absent()) is not None:
        due.note(HOLDERS, at)


@shared_task(base=TenantTask, name="livesupport.rehearse")
def rehearse(rehearsal_id: int) -> None:
    """Play one test escalation against the running server; through Slack, it needs a second thread of its queue."""
    play_rehearsal(rehearsal_id=rehearsal_id)
