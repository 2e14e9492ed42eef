"""Reads one PDF from stdin, writes JSON to stdout. Runs in a process of its own (`python -m`), with limits.

A file that asks for gigabytes or never ends kills this process and nothing else.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import sys

from pypdf import PdfReader
from pypdf.errors import PyPdfError

MEMORY_BYTES = 300 * 1024 * 1024
CPU_SECONDS = 30
MAX_PAGES = 500
MAX_CHARACTERS = 2_000_000


def limit() -> None:
    """Bound what this process may take from the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024 * 1024, 64 * 1024 * 1024))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read(data: bytes) -> dict[str, object]:
    """`{"title", "pages": [text, ...]}`, or `{"error": code}`."""
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "pdf_locked"}
    pages: list[str] = []
    for page in reader.pages[:MAX_PAGES]:
        pages.append(page.extract_text())
        if sum(map(len, pages)) > MAX_CHARACTERS:
            break
    title = reader.metadata.title if reader.metadata else ""
    return {"title": str(title or ""), "pages": pages}


def main() -> None:
    limit()
    logging.disable(logging.CRITICAL)
    try:
        answer = read(sys.stdin.buffer.read())
    except MemoryError:
        answer = {"error": "pdf_too_big"}
    # The library raises whatever a broken file happens to trip over.
    except (
        PyPdfError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OSError,
        RecursionError,
        ArithmeticError,
    ):
        answer = {"error": "pdf_broken"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
