"""Fitting the head: own lines and their vectors in, the text of its file out. Pure but for reading the lines; the
same lines and vectors give the same file, byte for byte."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINES = Path(__file__).parent / "lines"
SEED = 20261123
FOLDS = 8
PENALTIES = (0.03, 0.1, 0.3, 1.0)
CURVE = 3.0  # what the square of a cosine counts beside the cosine
PLANES = 12  # squares that are kept: 12 do as well as all 384, and the file stays below 10 kB
CALM = 1e-3  # keeps the slope finite where scores part the lines without a rest
FALSE_ALARMS = 0.003  # of the lines that ask for nobody, each scored by a fit that never saw it

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One line of the data: whether it asks for a person."""

    text: str
    language: str
    asks: bool


@dataclass(frozen=True)
class Fit:
    """A quadratic form over moved vectors of unit length: the linear part, then planes with their signs."""

    mean: Array
    linear: Array
    planes: Array
    signs: Array

    def scores(self, vectors: Array) -> Array:
        """Of each row; above 0 rather asks."""
        moved = _moved(vectors, self.mean)
        found: Array = moved @ self.linear + ((moved @ self.planes.T) ** 2) @ self.signs
        return found


def lines_of(folder: Path = LINES) -> list[Line]:
    """All data, by language. Raises ValueError for a line that is none, or that stands twice in a language."""
    return [line for path in sorted(folder.glob("*.tsv")) for line in _lines(path)]


def _lines(path: Path) -> Iterator[Line]:
    seen: set[str] = set()
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text, mark, label = raw.rpartition("\t")
        if not (text.strip() and mark) or label not in {"0", "1"} or text in seen:
            raise ValueError(f"{path.name}:{number}: not a new text, a tab, and 1 or 0")
        seen.add(text)
        yield Line(text, path.stem, label == "1")


def train(lines: Sequence[Line], vectors: Array, *, space: str) -> str:
    """The text of head.json.

    The penalty is the one of PENALTIES that finds most on languages that were left out, at FALSE_ALARMS; the threshold
    is the lowest that keeps FALSE_ALARMS on lines left out, whichever of both ways of leaving out needs the higher one.
    """
    truth = np.array([line.asks for line in lines])
    weight = _balance(lines)
    by_language = _folds([line.language for line in lines])
    by_line = _folds([f"{line.language}\t{line.text}" for line in lines])
    held = {penalty: _left_out(vectors, truth, weight, folds=by_language, penalty=penalty) for penalty in PENALTIES}
    penalty = max(PENALTIES, key=lambda one: _found(held[one], truth))
    slope, bias = (round(value, 4) for value in calibrated(held[penalty], truth, weight))
    unseen = _sigmoid(slope * held[penalty] + bias)
    seen = _sigmoid(slope * _left_out(vectors, truth, weight, folds=by_line, penalty=penalty) + bias)
    threshold = max(_threshold(unseen, truth), _threshold(seen, truth))
    about = {
        "space": space,
        "threshold": threshold,
        "slope": slope,
        "bias": bias,
        "penalty": penalty,
        "lines": len(lines),
        "requests": int(truth.sum()),
        "languages": len({line.language for line in lines}),
        "languages_left_out": _figures(unseen, truth, threshold),
        "lines_left_out": _figures(seen, truth, threshold),
    }
    return _written(fitted(vectors, truth, weight, penalty), about)


def fitted(vectors: Array, truth: NDArray[np.bool_], weight: Array, penalty: float) -> Fit:
    """Least squares to +1 and -1 with a quadratic kernel, one solve; then the PLANES greatest of its squares."""
    mean = vectors.mean(axis=0)
    moved = _moved(vectors, mean)
    alike = moved @ moved.T
    kernel = alike + CURVE * alike * alike
    share = weight / weight.mean()
    duals = np.linalg.solve(kernel + penalty * np.diag(1 / share), np.where(truth, 1.0, -1.0))
    values, axes = np.linalg.eigh(CURVE * (moved * duals[:, None]).T @ moved)
    kept = np.argsort(-np.abs(values), kind="stable")[:PLANES]
    planes = axes[:, kept].T * np.sqrt(np.abs(values[kept]))[:, None]
    # An axis and its opposite are the same square: the file has the one whose greatest part is positive.
    greatest = planes[np.arange(len(planes)), np.abs(planes).argmax(axis=1)]
    return Fit(mean, moved.T @ duals, planes * np.sign(greatest)[:, None], np.sign(values[kept]))


def calibrated(scores: Array, truth: NDArray[np.bool_], weight: Array) -> tuple[float, float]:
    """Slope and bias that make probabilities of scores: logistic regression, by Newton's method."""
    inputs = np.stack([scores, np.ones(len(scores))], axis=1)
    share = weight / weight.sum()
    at = np.array([1.0, 0.0])
    for _ in range(30):
        chance = _sigmoid(inputs @ at)
        pull = inputs.T @ (share * (chance - truth)) + CALM * at
        bend = (inputs * (share * chance * (1 - chance))[:, None]).T @ inputs + CALM * np.eye(2)
        at = at - np.linalg.solve(bend, pull)
    return float(at[0]), float(at[1])


def _moved(vectors: Array, mean: Array) -> Array:
    moved = vectors - mean
    found: Array = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
    return found


def _sigmoid(scores: Array) -> Array:
    found: Array = 0.5 * (1.0 + np.tanh(0.5 * scores))
    return found


def _balance(lines: Sequence[Line]) -> Array:
    """A language counts as the root of its lines, so that English does not drown the rest; within it, what asks and
    what does not count the same."""
    groups = Counter((line.language, line.asks) for line in lines)
    whole = Counter(line.language for line in lines)
    return np.array([math.sqrt(whole[line.language]) / groups[line.language, line.asks] for line in lines])


def _folds(groups: Sequence[str]) -> NDArray[np.int_]:
    """The number of the part that each line is in; lines of a group are in one."""
    names = sorted(set(groups))
    order = np.random.default_rng(SEED).permutation(len(names))
    part = {names[place]: number % FOLDS for number, place in enumerate(order)}
    return np.array([part[name] for name in groups])


def _left_out(
    vectors: Array, truth: NDArray[np.bool_], weight: Array, *, folds: NDArray[np.int_], penalty: float
) -> Array:
    """Each line's score by a fit to the other parts."""
    found = np.zeros(len(truth))
    for number in np.unique(folds):
        out = folds == number
        found[out] = fitted(vectors[~out], truth[~out], weight[~out], penalty).scores(vectors[out])
    return found


def _found(scores: Array, truth: NDArray[np.bool_]) -> float:
    """The share of requests that score above all but FALSE_ALARMS of the rest."""
    return float((scores[truth] > _highest_calm(scores, truth)).mean())


def _highest_calm(found: Array, truth: NDArray[np.bool_]) -> float:
    calm = np.sort(found[~truth])[::-1]
    return float(calm[int(FALSE_ALARMS * len(calm))])


def _threshold(found: Array, truth: NDArray[np.bool_]) -> float:
    """The lowest, in thousandths, at which no more than FALSE_ALARMS of those that ask for nobody reach it."""
    return min(0.999, max(0.5, (math.floor(_highest_calm(found, truth) * 1000) + 1) / 1000))


def _figures(found: Array, truth: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    said = found >= threshold
    return {
        "recall": round(float(said[truth].mean()), 4),
        "false_alarm_rate": round(float(said[~truth].mean()), 4),
    }


def _written(fit: Fit, about: dict[str, Any]) -> str:
    rows = np.vstack([fit.linear[None], fit.planes])
    scales = [float(f"{np.abs(row).max() / 127:.4g}") for row in rows]
    bytes_of_rows = np.rint(rows / np.array(scales)[:, None]).clip(-127, 127).astype(np.int8).tobytes()
    mean_scale = float(f"{np.abs(fit.mean).max() / 32767:.4g}")
    bytes_of_mean = np.rint(fit.mean / mean_scale).clip(-32767, 32767).astype("<i2").tobytes()
    told = {
        **about,
        "signs": [int(sign) for sign in fit.signs],
        "scales": scales,
        "mean_scale": mean_scale,
        "mean": base64.b64encode(bytes_of_mean).decode(),
        "rows": base64.b64encode(bytes_of_rows).decode(),
    }
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in told.items()) + "\n}\n"
