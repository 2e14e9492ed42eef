"""Reads one page after the other from stdin, writes a line of JSON about each to stdout. Runs in a process of its
own (`python -m`), with limits: what takes too much, or crashes the parser, kills this process and nothing else.

A page is a line of JSON, `{"kind", "size", "url", "charset", "name"}`, and `size` bytes. The answer has the fields of
`Extracted`, or `error`. Arguments: after how many seconds without a page it ends, and how much memory it may take, in
bytes.
"""

from __future__ import annotations

import json
import select
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import accumulate, takewhile
from typing import Any

from knowledge.blocks import Block
from knowledge.confine import confine, grant_cpu
from knowledge.extract import Extracted, extract
from knowledge.texts import read_markdown, read_text

CPU_SECONDS = 10
MAX_CHARACTERS = 2_000_000  # as many as a PDF may have

_READERS: dict[str, Callable[[bytes, dict[str, Any]], Extracted]] = {
    "html": lambda body, asked: extract(body, url=asked["url"], charset=asked["charset"]),
    "text": lambda body, asked: read_text(body.decode(), name=asked["name"]),
    "markdown": lambda body, asked: read_markdown(body.decode(), name=asked["name"]),
}


def answer_to(asked: dict[str, Any], body: bytes) -> dict[str, Any]:
    """What one page says, cut at MAX_CHARACTERS; a page that cannot be read is an answer too."""
    try:
        found = _READERS[asked["kind"]](body, asked)
        return asdict(replace(found, blocks=tuple(_first(found.blocks))))
    except MemoryError:
        return {"error": "page_too_big"}
    except Exception:  # noqa: BLE001  the outermost frame of a page: the next one is another matter
        traceback.print_exc()
        return {"error": "page_broken"}


def _first(blocks: tuple[Block, ...]) -> Iterator[Block]:
    """Blocks up to the bound, headings counted as often as they stand above one."""
    sizes = accumulate(len(block.text) + sum(map(len, block.headings)) for block in blocks)
    within = takewhile(lambda pair: pair[1] <= MAX_CHARACTERS, zip(blocks, sizes, strict=True))
    return (block for block, _ in within)


def main() -> None:
    source, idle_seconds, memory_bytes = sys.stdin.buffer, float(sys.argv[1]), int(sys.argv[2])
    confine(memory_bytes=memory_bytes)
    while select.select([source], [], [], idle_seconds)[0] and (line := source.readline()):
        grant_cpu(CPU_SECONDS)
        asked = json.loads(line)
        answer = json.dumps(answer_to(asked, source.read(asked["size"])))
        print(answer, flush=True)  # noqa: T201  the answer is what this process is for


if __name__ == "__main__":
    main()
