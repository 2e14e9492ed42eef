"""Reads one picture from stdin and writes it anew to stdout. Runs in a process of its own (`python -m`), with limits.

What comes out holds the points that were drawn and nothing else: no place, no camera, no comment, nothing that
was hidden behind the picture's end. A picture that asks for gigabytes ends this process and nothing else.

stdin: the file. argv: its format (PNG, JPEG, WEBP, GIF). stdout: one line of JSON, `{"width", "height"}` or
`{"error": code}`, then the bytes of the new file.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import struct
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageOps, ImageSequence

MEMORY_BYTES = 768 * 1024 * 1024
CPU_SECONDS = 15
MOST_POINTS = 50_000_000  # a telephone's camera takes 48 million
MOST_MOVING_POINTS = 80_000_000  # all pictures of an animation together
LONGEST_SIDE = 4096
_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA"})
_HOW: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 88, "progressive": True},
    "PNG": {"compress_level": 6},
    "WEBP": {"quality": 88, "method": 3},
    "GIF": {},
}


class TooBig(Exception):
    """More points than one picture may have."""


def limit() -> None:
    """Bound what this process may take from the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def rewrite(data: bytes, form: str) -> tuple[dict[str, int], bytes]:
    """The picture's size and its new bytes, in the same format, upright, no side over LONGEST_SIDE. Raises TooBig,
    and whatever a broken file happens to trip over."""
    with Image.open(io.BytesIO(data), formats=(form,)) as picture:
        points = picture.width * picture.height
        if points > MOST_POINTS:
            raise TooBig
        count = getattr(picture, "n_frames", 1)
        if count > 1 and count * points > MOST_MOVING_POINTS:
            raise TooBig
        picture.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a big JPEG is decoded small at once
        times = [frame.info.get("duration", 100) for frame in ImageSequence.Iterator(picture)] if count > 1 else []
        frames = _frames(picture)
        first = next(frames)
        how = dict(_HOW[form])
        if times:
            how |= {"save_all": True, "append_images": frames, "duration": times, "loop": 0}
        out = io.BytesIO()
        first.save(out, form, **how)
        return {"width": first.width, "height": first.height}, out.getvalue()


def _frames(picture: Image.Image) -> Iterator[Image.Image]:
    if getattr(picture, "n_frames", 1) == 1:
        yield _bare(picture)
        return
    for frame in ImageSequence.Iterator(picture):
        yield _bare(frame)


def _bare(frame: Image.Image) -> Image.Image:
    """The points alone: what a file says about itself is in `info`, and some formats write that out again."""
    upright = ImageOps.exif_transpose(frame)
    fits = max(upright.size) <= LONGEST_SIDE
    kept: dict[str | tuple[int, int], Any] = {}
    if upright.mode == "P" and fits and frame.format == "PNG":
        kept["transparency"] = upright.info.get("transparency")
    else:
        if upright.mode not in _MODES:
            upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        if "transparency" in upright.info:
            upright = upright.convert("RGBA")
        upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=2.0)
    upright.info = {key: value for key, value in kept.items() if value is not None}
    return upright


def main() -> None:
    limit()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = MOST_POINTS
    written = b""
    answer: dict[str, Any]
    try:
        answer, written = rewrite(sys.stdin.buffer.read(), sys.argv[1])
    except (MemoryError, TooBig, Image.DecompressionBombError):
        answer = {"error": "too_big"}
    # The library raises whatever a broken file happens to trip over.
    except (
        OSError,
        ValueError,
        TypeError,
        SyntaxError,
        LookupError,
        AttributeError,
        EOFError,
        ArithmeticError,
        RecursionError,
        RuntimeError,
        struct.error,
    ):
        answer = {"error": "broken"}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + written)


if __name__ == "__main__":
    main()
