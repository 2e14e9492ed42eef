"""Uploaded files: what may be one, where its bytes are kept, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from typing import IO
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import default_storage

from knowledge.errors import ExtractFailed, FileRefused
from knowledge.extract import Extracted, decode
from knowledge.models import SourceFile
from knowledge.pages import read_page
from knowledge.pdf import extract_pdf
from tenants.hosts import primary_host, tenant_url
from tenants.models import Tenant
from tenants.schema import current_schema

MAX_BYTES = 20 * 1024 * 1024
MAX_CHARACTERS = 2_000_000  # as many as a PDF may have; a quarter of an hour of indexing
HEAD_BYTES = 8192
ENDINGS = (".pdf", ".txt", ".md", ".markdown", ".html", ".htm")
Type = SourceFile.Type
_TYPES: dict[str, Type] = {
    ".pdf": Type.PDF,
    ".txt": Type.TEXT,
    ".md": Type.MARKDOWN,
    ".markdown": Type.MARKDOWN,
    ".html": Type.HTML,
    ".htm": Type.HTML,
}
# How files begin that are no text, whatever they are called; zeros alone would not tell a PDF or an RTF.
_BINARY = (
    *(b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"\x7fELF", b"MZ\x90", b"\x1f\x8b", b"Rar!"),
    *(b"{\\rtf", b"\xd0\xcf\x11\xe0", b"7z\xbc\xaf", b"RIFF"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def type_of(name: str, *, head: bytes, size_bytes: int) -> Type:
    """What a file is, by its name's ending and its first HEAD_BYTES, which must agree. Raises FileRefused."""
    found = _TYPES.get(PurePath(name).suffix.lower())
    if found is None:
        raise FileRefused("file_type", f"{name}: only PDF, text, Markdown and HTML files can be read.")
    if size_bytes > MAX_BYTES:
        raise FileRefused("file_size", f"{name}: a file may have at most {MAX_BYTES // 1024**2} MB.")
    if not head.strip():
        raise FileRefused("file_empty", f"{name}: this file is empty.")
    is_pdf = b"%PDF-" in head[:1024]
    if found == Type.PDF and not is_pdf:
        raise FileRefused("file_content", f"{name}: this is not a PDF, whatever its name says.")
    is_text = not head.startswith(_BINARY) and (b"\0" not in head or head.startswith(_UTF16))
    if found != Type.PDF and not is_text:
        raise FileRefused("file_content", f"{name}: this is not a text file, whatever its name says.")
    return found


def keep(content: IO[bytes], *, file_id: UUID, media_type: str) -> str:
    """Put the bytes into the storage, in the present tenant's folder; the key they are under."""
    tenant_id = Tenant.objects.values_list("pk", flat=True).get(schema_name=current_schema())
    key = f"tenant/{tenant_id}/sources/{file_id}.{SourceFile.ENDINGS[media_type]}"
    return default_storage.save(key, File(content))


def content_of(file: SourceFile) -> bytes:
    """The bytes of a file. Raises ExtractFailed where the storage has lost them."""
    try:
        with default_storage.open(file.key) as stored:
            return bytes(stored.read())
    except OSError:
        raise ExtractFailed("file_lost", "The file is missing. Upload it again.") from None


def address(path: str) -> str:
    """The full address of a path on the present tenant's host."""
    tenant = Tenant.objects.get(schema_name=current_schema())
    return tenant_url(primary_host(tenant), path)


def read(file: SourceFile) -> Extracted:
    """What a file says; its title is its own or its name. Raises ExtractFailed."""
    found = _READERS[Type(file.media_type)](content_of(file), file.stem)
    if not found.blocks:
        raise ExtractFailed("file_silent", "There is no text in this file. Scanned pages are pictures.")
    return found


def _pdf(data: bytes, name: str) -> Extracted:
    return extract_pdf(data, name=name)


def _text(data: bytes, name: str) -> Extracted:
    return read_page(_decoded(data), kind="text", name=name)


def _markdown(data: bytes, name: str) -> Extracted:
    return read_page(_decoded(data), kind="markdown", name=name)


def _html(data: bytes, name: str) -> Extracted:
    """A page that somebody chose to upload is content, whatever it says about indexing."""
    found = read_page(_decoded(data), charset="utf-8")
    return replace(found, title=found.title or name)


def _decoded(data: bytes) -> bytes:
    """The file in UTF-8."""
    text = decode(data)
    if len(text) > MAX_CHARACTERS:
        raise ExtractFailed("file_long", "This file has more text than a document may. Split it.")
    return text.encode("utf-8", "replace")


_READERS: dict[Type, Callable[[bytes, str], Extracted]] = {
    Type.PDF: _pdf,
    Type.TEXT: _text,
    Type.MARKDOWN: _markdown,
    Type.HTML: _html,
}
