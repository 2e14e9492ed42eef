"""Embedding again what another engine has embedded, in the background.

A new version may bring another engine (`embed.engine_id`). The vectors that are there go on answering, as long as
their space is the same; new ones are kept aside, and a project's change all at once when the last one is there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from knowledge import embed
from knowledge.chunks import header
from knowledge.models import Chunk, RenewedVector
from tenants import due
from tenants.actions import beat
from tenants.patience import take_time

log = logging.getLogger(__name__)
VECTORS = "vectors"  # kind of work in the public Due table
TURN_SECONDS = 20.0  # less than the sweep waits before it sends the task again
_BATCH = 16


def note_stale(*, project_id: int) -> None:
    """Have a project's vectors renewed if what answers has any of another engine. Inside a transaction."""
    if _stale().filter(project_id=project_id).exists():
        due.note(VECTORS, timezone.now())


def renew_vectors(*, seconds: float = TURN_SECONDS) -> int:
    """Renew the tenant's vectors for about so long; how many were made. What is left is noted as due.

    Safe to run twice at once: the same vectors are made twice. A machine that had to fall back to another engine
    renews nothing, or two unlike machines would undo each other's work for ever.
    """
    projects = list(_stale().order_by("project_id").values_list("project_id", flat=True).distinct())
    if not projects:
        return 0
    if embed.engine_in_use() != embed.engine_id():
        log.warning("vectors are not renewed: %s is not in use here", embed.engine_id())
        return 0
    made, ends_at = 0, time.monotonic() + seconds
    for project_id in projects:
        for batch in _waiting(project_id):
            made += _keep(batch)
            beat("index")
            if time.monotonic() >= ends_at:
                with transaction.atomic():
                    due.note(VECTORS, timezone.now())
                return made
        swap(project_id=project_id)
    return made


def swap(*, project_id: int) -> bool:
    """Give all of a project's live passages their new vectors, or none of them while one is missing."""
    with transaction.atomic():
        take_time()
        stale = _stale().filter(project_id=project_id).select_for_update(no_key=True, of=("self",))
        wanted, found = set(stale.values_list("pk", flat=True)), _renewed()
        if wanted - set(found.filter(chunk__project_id=project_id).values_list("chunk_id", flat=True)):
            return False
        mine = Subquery(found.filter(chunk=OuterRef("pk")).values("embedding"))
        Chunk.objects.filter(pk__in=wanted).update(embedding=mine, engine=embed.engine_id())
        RenewedVector.objects.filter(chunk__project_id=project_id).delete()
        return True


def _stale() -> QuerySet[Chunk]:
    return Chunk.objects.filter(is_live=True).exclude(engine=embed.engine_id())


def _renewed() -> QuerySet[RenewedVector]:
    return RenewedVector.objects.filter(engine=embed.engine_id())


def _waiting(project_id: int) -> Iterator[list[Chunk]]:
    """The passages that have no new vector yet, a few at a time."""
    last = 0
    while batch := list(
        _stale()
        .filter(project_id=project_id, pk__gt=last)
        .exclude(pk__in=_renewed().values("chunk_id"))
        .select_related("document")
        .order_by("pk")[:_BATCH]
    ):
        yield batch
        last = batch[-1].pk


def _keep(batch: list[Chunk]) -> int:
    engine = embed.engine_in_use()
    made = {chunk.pk: embed.chunk_vector(header(chunk.document.title, chunk.heading), chunk.text) for chunk in batch}
    with transaction.atomic():
        # Those that a reading has replaced meanwhile are gone, and the others stay until this is written.
        there = Chunk.objects.filter(pk__in=made).select_for_update(no_key=True).values_list("pk", flat=True)
        rows = [RenewedVector(chunk_id=key, engine=engine, embedding=made[key]) for key in there]
        RenewedVector.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["chunk"], update_fields=["engine", "embedding"]
        )
    return len(rows)
