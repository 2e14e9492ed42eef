"""Rehearsals that somebody started from the checklist: begun once at a time, played by a worker against the
running server, and written down step by step while the page looks on."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from livesupport.events import RehearsalStarted
from livesupport.models import RehearsalRun
from livesupport.rehearsal import REQUESTS, Rehearsal, Stage, Step, stage_at
from tenants import billing
from tenants.events import publish
from tenants.hosts import primary_host
from tenants.schema import current_schema, hop
from tenants.workspace.models import Project, Seat

log = logging.getLogger(__name__)
State = RehearsalRun.State
GONE = "It stopped without a word. Start it again."
BROKEN = "Something went wrong on our side."


def start_rehearsal(*, project: Project, seat: Seat) -> RehearsalRun:
    """Begin a test escalation of a project; while one runs in this business, that one is returned."""
    with transaction.atomic():
        _end_silent()
        running = RehearsalRun.objects.filter(state=State.RUNNING)
        if (found := running.first()) is not None:
            return found
        try:
            with transaction.atomic():
                run = RehearsalRun.objects.create(project=project, started_by=seat.name)
        except IntegrityError:  # somebody pressed at the same moment
            return running.get()
        publish(RehearsalStarted(run.pk))
        return run


def newest_rehearsal(project: Project) -> RehearsalRun | None:
    """The project's newest run; one whose player is gone has ended."""
    _end_silent()
    return RehearsalRun.objects.filter(project=project).order_by("-started_at", "-pk").first()


def play_rehearsal(*, rehearsal_id: int) -> None:
    """Play a run that nobody has taken yet, to its end, whatever happens."""
    now = timezone.now()
    free = RehearsalRun.objects.filter(pk=rehearsal_id, state=State.RUNNING, taken_at=None)
    if not free.update(taken_at=now, beat_at=now):
        return
    project = RehearsalRun.objects.select_related("project").get(pk=rehearsal_id).project
    tenant = billing.current()
    if tenant.has_ended:
        _end(rehearsal_id, ok=False, steps=[], error=billing.ended_sentence(tenant))
        return
    language = project.language[:2] if project.language[:2] in REQUESTS else "en"
    stage = stage_at(tenant, project, host=primary_host(tenant), language=language)
    recorder = Recorder(current_schema(), rehearsal_id)
    try:
        ok, error = asyncio.run(recorder.play(stage)), ""
    except Exception:
        # The outermost frame of this work: a run that trips over a bug of ours must still end, with a sentence.
        log.exception("rehearsal %s broke", rehearsal_id)
        ok, error = False, BROKEN
    _end(rehearsal_id, ok=ok, steps=recorder.steps, error=error)


class Recorder:
    """Writes each step down as it happens, without holding up the play."""

    def __init__(self, schema: str, rehearsal_id: int) -> None:
        self.steps: list[dict[str, Any]] = []
        self._schema = schema
        self._id = rehearsal_id
        self._writes: list[asyncio.Task[None]] = []

    async def play(self, stage: Stage) -> bool:
        """Whether every step happened; returns when all of them are written."""
        self._in_order = asyncio.Lock()
        ok = await Rehearsal(stage, self._note).run()
        await asyncio.gather(*self._writes)
        return ok

    def _note(self, step: Step) -> None:
        self.steps.append(asdict(step))
        self._writes.append(asyncio.get_running_loop().create_task(self._write(list(self.steps))))

    async def _write(self, steps: list[dict[str, Any]]) -> None:
        async with self._in_order:
            await hop(self._schema, _note_steps, self._id, steps)


def _note_steps(rehearsal_id: int, steps: list[dict[str, Any]]) -> None:
    running = RehearsalRun.objects.filter(pk=rehearsal_id, state=State.RUNNING)
    running.update(steps=steps, beat_at=timezone.now())


def _end(rehearsal_id: int, *, ok: bool, steps: list[dict[str, Any]], error: str) -> None:
    said = error or next((step["problem"] for step in steps if step["problem"]), "")
    RehearsalRun.objects.filter(pk=rehearsal_id, state=State.RUNNING).update(
        state=State.PASSED if ok else State.FAILED, steps=steps, error=said[:300], ended_at=timezone.now()
    )


def _end_silent() -> None:
    since = timezone.now() - timedelta(seconds=RehearsalRun.SILENT_SECONDS)
    silent = RehearsalRun.objects.filter(state=State.RUNNING, beat_at__lt=since)
    silent.update(state=State.FAILED, error=GONE, ended_at=timezone.now())
