"""Fits the constants of `knowledge.evidence.confidence` on development data and says how well they separate.

    python -m benchmarks.confidence FAQ-FOLDER SITE-FOLDER [XQUAD-FOLDER]

Positives are questions with their page in the index, negatives the same questions with it taken out and
everything near it left in: the hard case, a related page without the answer. The constants are fitted on
StackFAQ (paraphrased questions) and on a multilingual help centre, where the titles of its Spanish and French
pages are asked of its English ones. XQuAD, whose passages have no headings, is only reported.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings

from knowledge import embed
from knowledge.chunks import cut, header
from knowledge.evidence import confidence
from knowledge.extract import extract

QUESTIONS = 300
random.seed(7)


@dataclass(frozen=True)
class Case:
    """Questions (n, 384), passages (m, 384), the page of each passage, and the page that answers each question."""

    name: str
    questions: np.ndarray
    passages: np.ndarray
    pages: np.ndarray
    gold: np.ndarray

    def by_page(self) -> np.ndarray:
        scores = self.questions @ self.passages.T
        return np.stack([scores[:, self.pages == page].max(axis=1) for page in range(self.pages.max() + 1)], axis=1)

    def best(self, *, hide: bool) -> np.ndarray:
        """The eight best pages' scores of each question, best first."""
        scores = self.by_page()
        if hide:
            scores[np.arange(len(self.gold)), self.gold] = -1
        return -np.sort(-scores, axis=1)[:, :8]

    def ranks(self) -> np.ndarray:
        """How many pages come before the one that answers."""
        scores = self.by_page()
        return (scores > scores[np.arange(len(self.gold)), self.gold][:, None]).sum(axis=1)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def asked(texts: list[str]) -> np.ndarray:
    return np.array([embed.embed_query(text) for text in texts])


def stackfaq(folder: Path) -> Case:
    passages = read(folder / "stackfaq_passages.jsonl")
    questions = random.sample(read(folder / "stackfaq_questions.jsonl"), QUESTIONS)
    vectors = np.array([embed.chunk_vector(p["question"], " ".join(p["answers"])[:700]) for p in passages])
    ids = [p["id"] for p in passages]
    gold = np.array([ids.index(q["pid"]) for q in questions])
    return Case("stackfaq", asked([q["q"] for q in questions]), vectors, np.arange(len(ids)), gold)


def help_centre(folder: Path) -> Case:
    manifest = read(folder / "manifest.jsonl")
    english = [page["url"] for page in manifest if page["lang"] == "en"]
    vectors, pages = [], []
    for number, url in enumerate(english):
        page = extract((folder / url.strip("/") / "index.html").read_bytes(), url=f"https://site.example{url}")
        for chunk in cut(page.blocks, embed.count_tokens):
            vectors.append(embed.chunk_vector(header(page.title, chunk.heading), chunk.text))
            pages.append(number)
    foreign = [page for page in manifest if page["lang"] in ("es", "fr") and page["url"][3:] in english]
    gold = np.array([english.index(page["url"][3:]) for page in foreign])
    return Case("site es,fr->en", asked([p["title"] for p in foreign]), np.array(vectors), np.array(pages), gold)


def xquad(folder: Path, language: str, passages: np.ndarray | None) -> Case:
    rows = read(folder / "passages.en.jsonl")
    questions = random.sample(read(folder / f"questions.{language}.jsonl"), QUESTIONS)
    if passages is None:
        named = [(row["title"].replace("_", " "), row["text"][:900]) for row in rows]
        passages = np.array([embed.chunk_vector(*pair) for pair in named])
    ids = [row["id"] for row in rows]
    gold = np.array([ids.index(q["pid"]) for q in questions])
    return Case(f"xquad {language}->en", asked([q["q"] for q in questions]), passages, np.arange(len(ids)), gold)


def features(best: np.ndarray) -> np.ndarray:
    return np.stack([best[:, 0], best[:, 0] - best[:, 3:].mean(axis=1)], axis=1)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    return float((positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean())


def fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method; columns are offset, top, margin."""
    x = np.column_stack([np.ones(len(x)), x])
    w = np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(3)
        w += np.linalg.solve(hessian, x.T @ (weight * (y - p)) - 1e-6 * w)
    return w


def fitted(cases: list[Case]) -> np.ndarray:
    """Each set counts the same, however many questions it has."""
    x, y, weight = [], [], []
    for case in cases:
        for hide in (False, True):
            rows = features(case.best(hide=hide))
            x.append(rows)
            y.append(np.full(len(rows), float(not hide)))
            weight.append(np.full(len(rows), 1 / len(rows)))
    return fit(np.concatenate(x), np.concatenate(y), np.concatenate(weight))


def report(case: Case) -> None:
    shown, hidden = case.best(hide=False), case.best(hide=True)
    yes, no = (np.array([confidence(row) for row in rows.tolist()]) for rows in (shown, hidden))
    ranks = case.ranks()
    say(
        f"{case.name:15} R@1 {np.mean(ranks == 0):.3f} R@5 {np.mean(ranks < 5):.3f}"
        f" | AUROC top {auroc(shown[:, 0], hidden[:, 0]):.3f}"
        f" margin {auroc(features(shown)[:, 1], features(hidden)[:, 1]):.3f} confidence {auroc(yes, no):.3f}"
        f" | shown p5 {np.quantile(yes, 0.05):.2f} p10 {np.quantile(yes, 0.1):.2f} median {np.median(yes):.2f}"
        f", hidden median {np.median(no):.2f} p90 {np.quantile(no, 0.9):.2f}"
        f" | top shown {np.median(shown[:, 0]):.3f} hidden {np.median(hidden[:, 0]):.3f}"
    )


def main() -> None:
    folders = [Path(argument) for argument in sys.argv[1:]]
    cases = [stackfaq(folders[0]), help_centre(folders[1])]
    say(f"fit (offset, top, margin): {np.round(fitted(cases), 1)}")
    for case in cases:
        say(f"  {case.name} alone: {np.round(fitted([case]), 1)}")
        report(case)
    if len(folders) > 2:
        first = xquad(folders[2], "en", None)
        report(first)
        report(xquad(folders[2], "es", first.passages))


if __name__ == "__main__":
    settings.configure(EMBEDDER="auto", EMBEDDER_DIR=Path(__file__).resolve().parents[1] / ".data" / "embedder")
    main()
