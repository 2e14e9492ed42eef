"""PDF files as blocks, read in a child process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from knowledge.blocks import Block
from knowledge.errors import ExtractFailed
from knowledge.extract import Extracted
from knowledge.sentences import is_complete

_WALL_SECONDS = 45  # less than a run's lease, which nobody renews meanwhile
_ROOT = Path(__file__).resolve().parent.parent
# Nothing of ours: no address of a database, no key.
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "0"}
_SENTENCES = {
    "pdf_locked": "This PDF is protected by a password.",
    "pdf_too_big": "This PDF needs more memory than a document may.",
    "pdf_broken": "This PDF is damaged and cannot be read.",
    "pdf_timeout": "Reading this PDF took too long.",
}


def extract_pdf(data: bytes, *, name: str) -> Extracted:
    """Read a PDF; `name` is its title if it has none of its own. Raises ExtractFailed, never worse."""
    answer = _ask_child(data)
    if "error" in answer:
        raise _failure(str(answer["error"]))
    pages = [str(page) for page in answer["pages"]] if isinstance(answer["pages"], list) else []
    blocks = [block for number, page in enumerate(pages, 1) for block in page_blocks(page, number)]
    title = str(answer["title"]).strip() or name
    return Extracted(title[:300], "", tuple(blocks), (), "", is_noindex=False)


def count_pages(data: bytes) -> int:
    """How many pages a PDF has, without reading them; at least one. Raises ExtractFailed, never worse."""
    answer = _ask_child(data, "--count")
    pages = answer.get("pages")
    if not isinstance(pages, int):
        raise _failure(str(answer.get("error", "pdf_broken")))
    return pages


def page_blocks(text: str, number: int) -> list[Block]:
    """The paragraphs of one page. Lines are joined until a sentence ends; a short line that is no sentence,
    with prose after it, is a heading."""
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.replace("\0", " ").splitlines()]
    blocks: list[Block] = []
    heading, pieces = "", list[str]()
    anchor = f"page={number}"

    def close() -> None:
        if pieces:
            blocks.append(Block((heading,) if heading else (), anchor, "".join(pieces)))
        pieces.clear()

    for line, following in zip(lines, _followings(lines), strict=True):
        if not line:
            close()
        elif not pieces and _is_heading(line, following):
            heading = line
        else:
            _join(pieces, line)
            if is_complete(line) and (len(line) < 60 or not following[:1].islower()):
                close()
    close()
    return blocks


def _followings(lines: list[str]) -> list[str]:
    """For each line the next one that is not empty, or ''."""
    found, following = list[str](), ""
    for line in reversed(lines):
        found.append(following)
        following = line or following
    return found[::-1]


def _join(pieces: list[str], line: str) -> None:
    """Go on with a line; a word that was divided at the end of the last one is whole again."""
    if pieces and pieces[-1].endswith("-") and line[:1].islower():
        pieces[-1] = pieces[-1][:-1]
        pieces.append(line)
    else:
        pieces.append(f" {line}" if pieces else line)


def _is_heading(line: str, following: str) -> bool:
    if len(line) > 70 or is_complete(line) or line[-1] in ",;:" or not following:
        return False
    return line[:1].isupper() and not line[:1].isdigit() and following[:1].isupper() and len(following) > len(line)


def _ask_child(data: bytes, *options: str) -> dict[str, object]:
    command = [sys.executable, "-m", "knowledge.pdf_child", *options]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module, no shell
            command,
            input=data,
            capture_output=True,
            timeout=_WALL_SECONDS,
            cwd=_ROOT,
            env=ENVIRONMENT,
            check=False,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else {"error": "pdf_too_big"}
    except subprocess.TimeoutExpired:
        answer = {"error": "pdf_timeout"}
    except ValueError:
        answer = {"error": "pdf_broken"}
    return answer if isinstance(answer, dict) else {"error": "pdf_broken"}


def _failure(code: str) -> ExtractFailed:
    return ExtractFailed(code, _SENTENCES.get(code, _SENTENCES["pdf_broken"]))
