"""The pictures and PDFs that visitors and agents send each other: what may pass, and where it is kept.

A file is what its first bytes and its name's ending both say, or it is refused. A picture is never kept as it came:
a child process decodes it and writes it anew, so that neither its place and camera nor anything that hides in it
reaches the other side. A PDF cannot be written anew; it must have a sound page tree, and it is only ever saved,
never shown.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from chat.errors import FileBroken, FileTooLarge, FileTypeRefused, PictureTooLarge, Unavailable, UnknownAttachment
from chat.models import Attachment
from knowledge.errors import ExtractFailed
from knowledge.pdf import count_pages
from tenants.models import Tenant
from tenants.schema import current_schema

LARGEST_BYTES = 10 * 1024 * 1024
LARGEST_KEPT_BYTES = 2 * LARGEST_BYTES  # a picture that was packed very tightly grows when it is written anew
LONGEST_NAME = 120
Type = Attachment.Type
ENDINGS: dict[str, frozenset[str]] = {
    Type.PNG: frozenset({"png"}),
    Type.JPEG: frozenset({"jpg", "jpeg", "jpe", "jfif"}),
    Type.WEBP: frozenset({"webp"}),
    Type.GIF: frozenset({"gif"}),
    Type.PDF: frozenset({"pdf"}),
}
_FORMS = {Type.PNG: "PNG", Type.JPEG: "JPEG", Type.WEBP: "WEBP", Type.GIF: "GIF"}
_ROOT = Path(__file__).resolve().parent.parent
_WALL_SECONDS = 40
_WAIT_SECONDS = 20
# Letters and marks of every script may stay; what steers, hides or breaks a line may not.
_UNWANTED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Each picture may take a child with hundreds of megabytes: two at a time in one process, and the others wait.
_children = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Upload:
    """A file as it came. `name` is what its sender calls it; `client_id` makes a repeat the same upload."""

    name: str
    data: bytes
    client_id: UUID | None = None


@dataclass(frozen=True)
class Checked:
    """A file that may be kept: harmless bytes, its true type, a name that is safe to show. Sizes in pixels."""

    name: str
    data: bytes
    media_type: str
    width: int | None = None
    height: int | None = None


def check(upload: Upload) -> Checked:
    """The file as it may be kept. Raises FileTooLarge, PictureTooLarge, FileTypeRefused, FileBroken; Unavailable
    when too many others are being looked at."""
    if len(upload.data) > LARGEST_BYTES:
        raise FileTooLarge
    name = clean_name(upload.name)
    media_type = type_of(name, upload.data)
    if not _children.acquire(timeout=_WAIT_SECONDS):
        raise Unavailable
    try:
        if media_type == Type.PDF:
            _check_pdf(upload.data)
            return Checked(name, upload.data, media_type)
        return _rewritten(name, upload.data, media_type)
    finally:
        _children.release()


def type_of(name: str, data: bytes) -> Type:
    """The one type that the first bytes and the name's ending agree on. Raises FileTypeRefused."""
    found = _type_by_bytes(data)
    if found is None or name.rpartition(".")[2].lower() not in ENDINGS[found]:
        raise FileTypeRefused
    return found


def _type_by_bytes(data: bytes) -> Type | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Type.PNG
    if data.startswith(b"\xff\xd8\xff"):
        return Type.JPEG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return Type.WEBP
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Type.GIF
    return Type.PDF if data.startswith(b"%PDF-") else None


def clean_name(name: str) -> str:
    """The name as it may be shown: no folders, nothing invisible, one line, at most 120 characters. The ending
    survives the cut, since people go by it."""
    base = unicodedata.normalize("NFC", name.replace("\\", "/")).rpartition("/")[2]
    seen = "".join(one for one in base if unicodedata.category(one) not in _UNWANTED)
    stem, dot, ending = " ".join(seen.split()).rstrip(". ").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    kept = stem.strip(". ")[: LONGEST_NAME - 12] or "file"
    return f"{kept}.{ending[:10]}" if ending else kept


def _check_pdf(data: bytes) -> None:
    try:
        count_pages(data)
    except ExtractFailed as error:
        raise FileBroken(error.sentence) from error


def _rewritten(name: str, data: bytes, media_type: Type) -> Checked:
    answer, fresh = _ask_child(data, _FORMS[media_type])
    if answer.get("error") == "too_big" or len(fresh) > LARGEST_KEPT_BYTES:
        raise PictureTooLarge
    width, height = answer.get("width"), answer.get("height")
    if not fresh or not isinstance(width, int) or not isinstance(height, int):
        raise FileBroken
    return Checked(name, fresh, media_type, width, height)


def _ask_child(data: bytes, form: str) -> tuple[dict[str, object], bytes]:
    """What the child said, and the picture it wrote; one that was ended says nothing."""
    command = [sys.executable, "-m", "chat.picture_child", form]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module, no shell
            command, input=data, capture_output=True, timeout=_WALL_SECONDS, cwd=_ROOT, env={}, check=False
        )
        said, _, fresh = done.stdout.partition(b"\n")
        answer = json.loads(said) if done.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError):
        return {}, b""
    return (answer, fresh) if isinstance(answer, dict) else ({}, b"")


def keep(checked: Checked) -> str:
    """Write the bytes to the file storage; the key under which they are found again. Names are generated."""
    tenant_id = Tenant.objects.values_list("pk", flat=True).get(schema_name=current_schema())
    return default_storage.save(f"tenant/{tenant_id}/attachments/{uuid4()}", ContentFile(checked.data))


def drop(key: str) -> None:
    """Remove the bytes; those that are gone already are no error."""
    default_storage.delete(key)


def read(attachment: Attachment) -> bytes:
    """The bytes. Raises UnknownAttachment when the storage no longer has them."""
    try:
        with default_storage.open(attachment.key) as file:
            data: bytes = file.read()
    except FileNotFoundError as error:
        raise UnknownAttachment from error
    return data
