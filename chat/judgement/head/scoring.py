"""The fitted head, and the score of one vector. Pure: a file of this folder, read once a process."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).parent / "head.json"
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A quadratic form over a unit vector, moved by `mean` and made of unit length again: the first of `rows` is its
    linear part, the square of each other product counts with its sign in `signs`. `slope` and `bias` make a probability
    of the sum. A probability of `threshold` or more asks for a person. `space` is that of the vectors it was fitted on
    (`knowledge.embed.SPACE`); vectors of another one mean nothing to it."""

    mean: Vector
    rows: Vector
    signs: Vector
    slope: float
    bias: float
    threshold: float
    space: str
    version: str

    def probability(self, vector: Vector) -> float:
        """How surely the text of this unit vector, embedded as a question, asks for a person: 0..1."""
        moved = vector - self.mean
        products = self.rows @ moved / (float(np.sqrt(moved @ moved)) or 1.0)
        score = float(products[0]) + float(self.signs @ (products[1:] * products[1:]))
        return 0.5 * (1.0 + math.tanh(0.5 * (self.slope * score + self.bias)))


def parse(text: str) -> Head:
    """The head of a file's text; its version changes with every figure in it."""
    stored: dict[str, Any] = json.loads(text)
    mean = np.frombuffer(base64.b64decode(stored["mean"]), dtype="<i2").astype(np.float32)
    rows = np.frombuffer(base64.b64decode(stored["rows"]), dtype=np.int8).astype(np.float32)
    scales = np.array(stored["scales"], dtype=np.float32)
    return Head(
        mean=mean * np.float32(stored["mean_scale"]),
        rows=rows.reshape(len(scales), len(mean)) * scales[:, None],
        signs=np.array(stored["signs"], dtype=np.float32),
        slope=stored["slope"],
        bias=stored["bias"],
        threshold=stored["threshold"],
        space=stored["space"],
        version=hashlib.sha256(text.encode()).hexdigest()[:8],
    )


@lru_cache(maxsize=1)
def head() -> Head:
    """The head in use."""
    return parse(FILE.read_text(encoding="utf-8"))
