"""Pages and texts as blocks, read by a child process that serves one after the other.

A new interpreter for every page would cost more than the page: a quarter of a second against some milliseconds.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Literal

from knowledge.blocks import Block
from knowledge.errors import ExtractFailed
from knowledge.extract import Extracted
from knowledge.pdf import ENVIRONMENT

WALL_SECONDS = 30.0  # with a fetch before it still less than a run's lease; three times the child's own CPU time
IDLE_SECONDS = 60.0  # after which the child goes home; its memory is not needed until the next reading
MEMORY_BYTES = 512 * 1024 * 1024  # an honest page of five megabytes takes half of it
_MOST_BYTES = 64 * 1024 * 1024  # of an answer; the child's own bound on characters is far below
_ROOT = Path(__file__).resolve().parent.parent
_TOO_BIG = "This page is too large, or too tangled, to be read."
_SENTENCES = {"page_too_big": _TOO_BIG, "page_broken": "This page could not be understood."}


def read_page(
    body: bytes, *, kind: Literal["html", "text", "markdown"] = "html", url: str = "", charset: str = "", name: str = ""
) -> Extracted:
    """Read an HTML page, or a text in UTF-8 whose title is `name` unless it has one. Raises ExtractFailed."""
    asked = {"kind": kind, "size": len(body), "url": url, "charset": charset, "name": name}
    line = _CHILD.ask(json.dumps(asked).encode() + b"\n", body)
    answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {"error": "page_too_big"}
    if code := answer.get("error"):
        raise ExtractFailed(code, _SENTENCES.get(code, _TOO_BIG))
    blocks = tuple(Block(**{**block, "headings": tuple(block["headings"])}) for block in answer.pop("blocks"))
    return Extracted(**{**answer, "blocks": blocks, "links": tuple(answer["links"])})


class _Child:
    """The one child of this process; started when it is needed, and again after it has died or gone home idle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, line: bytes, body: bytes) -> bytes:
        """The line that the child answers; less than a line where it died of the question."""
        with self._lock:
            answer = self._talk(line, body)
            if not answer and self._end() == 0:  # it had gone home before it heard the question
                answer = self._talk(line, body)
            if not answer.endswith(b"\n") or b'"error"' in answer[:9]:
                self._end()
            return answer

    def _talk(self, line: bytes, body: bytes) -> bytes:
        child = self._process = self._process or _start()
        if child.stdin is None or child.stdout is None:
            raise ValueError("The child has no pipes.")
        alarm = threading.Timer(WALL_SECONDS, child.kill)
        alarm.start()
        try:
            child.stdin.write(line + body)
            child.stdin.flush()
            return child.stdout.readline(_MOST_BYTES)
        except OSError:
            return b""
        finally:
            alarm.cancel()

    def close(self) -> None:
        """End the child, if there is one; the next question starts another."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._end()

    def _end(self) -> int:
        """End the child, if it has not ended; its exit code."""
        child, self._process = self._process, None
        if child is None:
            return 0
        try:
            code = child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                _close(pipe)
        return code


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:  # what the child never read
        return


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
        [sys.executable, "-m", "knowledge.page_child", str(IDLE_SECONDS), str(MEMORY_BYTES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        env=ENVIRONMENT,
    )


_CHILD = _Child()
atexit.register(_CHILD.close)
