"""Reads one PDF from stdin, writes JSON to stdout. Runs in a process of its own (`python -m`), with limits.

With `--count` it only walks the page tree, and reads no text. A file that asks for gigabytes or never ends kills
this process and nothing else.
"""

from __future__ import annotations

import io
import json
import logging
import sys

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from knowledge.confine import confine, grant_cpu

MEMORY_BYTES = 300 * 1024 * 1024
CPU_SECONDS = 30
MAX_PAGES = 500
MAX_CHARACTERS = 2_000_000


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


def count(data: bytes) -> dict[str, object]:
    """`{"pages": number}`, or `{"error": code}`. Every page is looked up, so a loop or a missing one is found."""
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "pdf_locked"}
    pages = sum(1 for page in reader.pages if page.get("/Type") == "/Page")
    return {"pages": pages} if pages else {"error": "pdf_broken"}


def answer_to(data: bytes, *, only_count: bool) -> dict[str, object]:
    """What `count` or `read` says; a file that cannot be read is an answer too."""
    try:
        return count(data) if only_count else read(data)
    except MemoryError:
        return {"error": "pdf_too_big"}
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
        return {"error": "pdf_broken"}


def main() -> None:
    confine(memory_bytes=MEMORY_BYTES)
    grant_cpu(CPU_SECONDS)
    logging.disable(logging.CRITICAL)
    answer = answer_to(sys.stdin.buffer.read(), only_count="--count" in sys.argv[1:])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
