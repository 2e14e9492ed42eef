"""Every write to uploaded files. Bytes go where rows say: first kept, then pointed at; first let go, then removed."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from knowledge import files
from knowledge.errors import FileRefused
from knowledge.events import SourceAdded
from knowledge.models import CrawlRun, Source, SourceFile
from tenants import due
from tenants.events import publish
from tenants.workspace.models import Project

LEFTOVERS = "leftovers"  # the kind of work in the public Due table


def add_file(
    *, project: Project, content: File[bytes], file_name: str, name: str = "", prompted_by: str = ""
) -> Source:
    """Keep an uploaded file as a source of its own, not read yet. Raises FileRefused; then nothing was kept."""
    with transaction.atomic():
        source = Source.objects.create(
            project=project, kind=Source.Kind.FILE, name=name or file_name[:200], prompted_by=prompted_by
        )
        _keep(source, content, file_name)
        publish(SourceAdded(source.pk, source.project_id, prompted_by))
    return source


def replace_file(*, source: Source, content: File[bytes], file_name: str) -> SourceFile:
    """Give a source a newer file. The old one answers, and opens, until the new one has been read."""
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk, kind=Source.Kind.FILE)
        file = _keep(source, content, file_name)
        Source.objects.filter(pk=source.pk).update(content_version=F("content_version") + 1)
        return file


def _keep(source: Source, content: File[bytes], file_name: str) -> SourceFile:
    head, size_bytes = content.read(files.HEAD_BYTES), content.seek(0, 2)
    content.seek(0)
    media_type = files.type_of(file_name, head=head, size_bytes=size_bytes)
    file_id = uuid4()
    key = files.keep(content, file_id=file_id, media_type=media_type)
    return SourceFile.objects.create(
        id=file_id, source=source, name=file_name[:200], media_type=media_type, size_bytes=size_bytes, key=key
    )


def newest_file(source: Source) -> SourceFile:
    """The file that a reading reads. Raises FileRefused where there is none."""
    found = source.files.order_by("-created_at", "-pk").first()
    if found is None:
        raise FileRefused("file_missing", "There is no file to read.")
    return found


def drop_superseded(*, source_id: int, run: CrawlRun) -> None:
    """Let go of the files that a finished run's replaced. In the caller's transaction, after the swap."""
    read = run.documents.exclude(file=None).order_by("-file__created_at").first()
    if read is None or read.file is None:
        return
    older = SourceFile.objects.filter(source_id=source_id, created_at__lt=read.file.created_at)
    if older.update(source=None):
        note_leftovers()


def note_leftovers() -> None:
    """Have the bytes of files without a source removed. In the caller's transaction, near its end."""
    if SourceFile.objects.filter(source=None).exists():
        due.note(LEFTOVERS, timezone.now())


def sweep_leftovers(*, delete: Callable[[str], None] = default_storage.delete) -> int:
    """Remove the bytes, then the rows, of files without a source; how many. A file whose bytes would not go
    keeps its row, and the error comes out, so that the sweep tries again."""
    found = list(SourceFile.objects.filter(source=None)[:200])
    for file in found:
        delete(file.key)
        file.delete()
    return len(found)
