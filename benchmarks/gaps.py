"""Where a question joins a knowledge gap: precision and recall of the clusters at each threshold.

    python -m benchmarks.gaps FAQ-FOLDER [BANKING-CSV]

Questions come one by one in random order, as visitors do; each joins the group whose questions are nearest on
average (inner product of the vectors, which is the inner product with the group's mean) or, for comparison, the
group of its single nearest question, if it is near enough, else it opens a group. Two questions of one StackFAQ
thread (or of one BANKING77 intent) belong together. Precision is the share of pairs put together that belong
together, recall the share of pairs that belong together and were put so. `few` keeps three questions a thread,
which is nearer to a real list of gaps, where most are asked only a few times.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from django.conf import settings

from knowledge import embed

ORDERS = 5


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def stackfaq(folder: Path) -> tuple[list[str], list[str]]:
    rows = [json.loads(line) for line in (folder / "stackfaq_questions.jsonl").read_text("utf-8").splitlines()]
    return [row["q"] for row in rows], [row["pid"] for row in rows]


def banking(path: Path) -> tuple[list[str], list[str]]:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def few(labels: list[str], most: int, chance: random.Random) -> list[int]:
    """Indexes of at most `most` questions a label."""
    order = list(range(len(labels)))
    chance.shuffle(order)
    taken: Counter[str] = Counter()
    kept = []
    for index in order:
        if taken[labels[index]] < most:
            taken[labels[index]] += 1
            kept.append(index)
    return kept


def clusters(scores: np.ndarray, order: list[int], threshold: float, *, by_mean: bool) -> dict[int, int]:
    """Question -> group, the questions taken in order."""
    groups: list[list[int]] = []
    found: dict[int, int] = {}
    for index in order:
        near = [scores[index, group].mean() if by_mean else scores[index, group].max() for group in groups]
        best = int(np.argmax(near)) if near else -1
        if best < 0 or near[best] < threshold:
            best = len(groups)
            groups.append([])
        groups[best].append(index)
        found[index] = best
    return found


def pairs(counts: Counter) -> int:
    return sum(n * (n - 1) // 2 for n in counts.values())


def judged(found: dict[int, int], labels: list[str]) -> tuple[float, float]:
    """Pairwise precision and recall."""
    both = pairs(Counter((group, labels[index]) for index, group in found.items()))
    together = pairs(Counter(found.values()))
    belong = pairs(Counter(labels[index] for index in found))
    return (both / together if together else 1.0), both / belong


def report(name: str, texts: list[str], labels: list[str], *, most: int) -> None:
    vectors = np.array([embed.embed_query(text) for text in texts])
    scores = vectors @ vectors.T
    same = np.array(labels)[:, None] == np.array(labels)
    apart = ~np.eye(len(labels), dtype=bool)
    for kind, of in (("same", same & apart), ("other", ~same)):
        marks = np.round(np.quantile(scores[of], [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]), 3)
        say(f"{name}: pairs of the {kind} topic, inner product at 1 5 25 50 75 95 99 %: {marks}")
    for threshold in np.arange(0.85, 0.945, 0.005):
        line = f"  {threshold:.3f}"
        for by_mean in (True, False):
            results, groups = [], []
            for seed in range(ORDERS):
                order = few(labels, most, random.Random(seed))  # noqa: S311  to repeat
                found = clusters(scores, order, float(threshold), by_mean=by_mean)
                results.append(judged(found, labels))
                groups.append(len(set(found.values())))
            precision, recall = np.mean(results, axis=0)
            f1 = 2 * precision * recall / (precision + recall)
            line += f" | {'mean' if by_mean else 'nearest'}: precision {precision:.3f} recall {recall:.3f} F1 {f1:.3f}"
            line += f" groups {np.mean(groups):.0f}"
        say(line)


def main() -> None:
    texts, labels = stackfaq(Path(sys.argv[1]))
    for most in (3, 1000):
        report(f"stackfaq, {'few' if most == 3 else 'all'}", texts, labels, most=most)
    if len(sys.argv) > 2:
        texts, labels = banking(Path(sys.argv[2]))
        report("banking77, few", texts, labels, most=3)


if __name__ == "__main__":
    settings.configure(EMBEDDER="auto", EMBEDDER_DIR=Path(__file__).resolve().parents[1] / ".data" / "embedder")
    main()
