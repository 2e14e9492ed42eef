"""Fits the constants of `knowledge.evidence.confidence` on development data and says how well they separate.

    python benchmarks/confidence.py StackFAQ-folder XQuAD-folder

Positives are questions with their passage in the index, negatives the same questions with it taken out and
everything near it left in: the hard case, a related page without the answer. Takes about five minutes of CPU.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np

from knowledge import embed
from knowledge.chunks import header
from knowledge.evidence import confidence

QUESTIONS = 300


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


random.seed(7)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def features(questions: np.ndarray, vectors: np.ndarray, gold: np.ndarray, *, hide: bool) -> np.ndarray:
    """Top score and margin over the next five, per question."""
    scores = questions @ vectors.T
    if hide:
        scores[np.arange(len(gold)), gold] = -1
    best = -np.sort(-scores, axis=1)[:, :6]
    return np.stack([best[:, 0], best[:, 0] - best[:, 1:].mean(axis=1)], axis=1)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    return float((positive[:, None] > negative[None, :]).mean() + 0.5 * (positive[:, None] == negative[None, :]).mean())


def fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method, lightly held back; columns are offset, top, margin."""
    x = np.column_stack([np.ones(len(x)), x])
    w = np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(3)
        w += np.linalg.solve(hessian, x.T @ (y - p) - 1e-6 * w)
    return w


def stackfaq(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    passages = read(folder / "stackfaq_passages.jsonl")
    asked = random.sample(read(folder / "stackfaq_questions.jsonl"), QUESTIONS)
    vectors = np.array([embed.chunk_vector(p["question"], " ".join(p["answers"])[:700]) for p in passages])
    ids = [p["id"] for p in passages]
    gold = np.array([ids.index(q["pid"]) for q in asked])
    return np.array([embed.embed_query(q["q"]) for q in asked]), vectors, gold


def xquad(folder: Path, language: str, vectors: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Questions of a language about the English passages, which are embedded once."""
    passages = read(folder / "passages.en.jsonl")
    asked = random.sample(read(folder / f"questions.{language}.jsonl"), QUESTIONS)
    if vectors is None:
        named = [(header(p["title"].replace("_", " "), ""), p["text"][:900]) for p in passages]
        vectors = np.array([embed.chunk_vector(*pair) for pair in named])
    ids = [p["id"] for p in passages]
    gold = np.array([ids.index(q["pid"]) for q in asked])
    return np.array([embed.embed_query(q["q"]) for q in asked]), vectors, gold


def main() -> None:
    faq, squad = Path(sys.argv[1]), Path(sys.argv[2])
    sets = {"stackfaq": stackfaq(faq), "xquad en": xquad(squad, "en", None)}
    sets["xquad es->en"] = xquad(squad, "es", sets["xquad en"][1])
    shown = {name: features(*data, hide=False) for name, data in sets.items()}
    hidden = {name: features(*data, hide=True) for name, data in sets.items()}
    x = np.concatenate([*shown.values(), *hidden.values()])
    y = np.concatenate([np.ones(sum(map(len, shown.values()))), np.zeros(sum(map(len, hidden.values())))])
    say(f"offset, top, margin: {np.round(fit(x, y), 1)}")
    for name, (questions, vectors, gold) in sets.items():
        scores = questions @ vectors.T
        rank = (scores > scores[np.arange(len(gold)), gold][:, None]).sum(axis=1)
        now = [
            np.array([confidence(row.tolist()) for row in rows]) for rows in (_best(sets[name], False), _best(sets[name], True))
        ]
        say(
            f"{name:14} R@1 {np.mean(rank == 0):.3f} R@5 {np.mean(rank < 5):.3f}"
            f"  AUROC top {auroc(shown[name][:, 0], hidden[name][:, 0]):.3f}"
            f" margin {auroc(shown[name][:, 1], hidden[name][:, 1]):.3f} confidence {auroc(*now):.3f}"
            f"  median shown {np.median(now[0]):.2f} hidden {np.median(now[1]):.2f}"
            f"  shown p10 {np.quantile(now[0], 0.1):.2f} hidden p90 {np.quantile(now[1], 0.9):.2f}"
            f"  top shown {np.median(shown[name][:, 0]):.3f} hidden {np.median(hidden[name][:, 0]):.3f}"
        )


def _best(data: tuple[np.ndarray, np.ndarray, np.ndarray], hide: bool) -> np.ndarray:
    questions, vectors, gold = data
    scores = questions @ vectors.T
    if hide:
        scores[np.arange(len(gold)), gold] = -1
    return -np.sort(-scores, axis=1)[:, :6]


if __name__ == "__main__":
    main()
