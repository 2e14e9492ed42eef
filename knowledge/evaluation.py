"""How good retrieval is on labelled lines: what `eval_retrieval` computes, and the figures that every evaluation
shares. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from knowledge.crawl.frontier import normalise
from knowledge.errors import KnowledgeError
from knowledge.evidence import MAX_PER_PAGE, Evidence

Figures = dict[str, Any]
PAGES = 10  # as deep as any figure looks
DEPTH = PAGES * MAX_PER_PAGE  # so many passages are never of fewer pages than that, where there are as many
NONE = "none"


@dataclass(frozen=True)
class Line:
    """One labelled question; no urls say that the content does not answer it."""

    number: int
    question: str
    lang: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What was found for a line: its pages, best first and each once, and the first acceptable one's rank from 1."""

    line: Line
    confidence: float
    pages: tuple[str, ...]
    rank: int | None

    @property
    def is_miss(self) -> bool:
        """Whether another page than an acceptable one came first."""
        return bool(self.line.urls) and self.rank != 1

    def told(self) -> Figures:
        """As a line of JSON, for whoever looks into it."""
        line = {"line": self.line.number, "question": self.line.question, "lang": self.line.lang}
        found = {"urls": self.line.urls, "rank": self.rank, "found": self.pages[:5]}
        return line | found | {"confidence": round(self.confidence, 4)}


def read_lines(text: str) -> list[Line]:
    """The lines {question, lang, urls} of a file. Raises KnowledgeError naming the first that is not one."""
    # Not splitlines(): a question may hold the separators that only Python takes for the end of a line.
    numbered = enumerate(text.removeprefix("\ufeff").split("\n"), 1)
    return [_line(number, one) for number, one in numbered if one.strip()]


def _line(number: int, text: str) -> Line:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise _refused("line_not_json", number, f"this is not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise _refused("line_not_object", number, 'an object is needed, like {"question": "...", "urls": []}.')
    question, lang, urls = row.get("question"), row.get("lang") or "", row.get("urls")
    if not isinstance(question, str) or not question.strip():
        raise _refused("line_without_question", number, "`question` must be a text that is not empty.")
    if not isinstance(lang, str):
        raise _refused("line_lang_invalid", number, "`lang` must be a language code, like en.")
    if not isinstance(urls, list) or not all(isinstance(url, str) and _is_address(url) for url in urls):
        raise _refused("line_urls_invalid", number, "`urls` must be a list of http(s) addresses, or of paths like /a.")
    return Line(number, question, lang, tuple(urls))


def _is_address(url: str) -> bool:
    if url.startswith("/"):
        return not url.startswith("//")
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _refused(code: str, number: int, why: str) -> KnowledgeError:
    return KnowledgeError(code, f"Line {number}: {why}")


def judge(line: Line, evidence: Evidence) -> Verdict:
    """Hold what was found against what is acceptable."""
    pages = tuple(dict.fromkeys(one.url.partition("#")[0] or f"#{one.document_id}" for one in evidence.passages))
    wanted = {_spelling(url) for url in line.urls}
    ranks = (rank for rank, page in enumerate(pages[:PAGES], 1) if wanted & {_spelling(page), _path(page)})
    return Verdict(line, evidence.confidence, pages[:PAGES], next(ranks, None))


def _spelling(url: str) -> str:
    """One spelling for one page, as the crawler has it; a path alone stays a path, which is on any host."""
    return _path("http://any.example" + url) if url.startswith("/") else normalise(url) or url.partition("#")[0]


def _path(url: str) -> str:
    parts = urlsplit(normalise(url) or url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def figures(verdicts: Sequence[Verdict]) -> Figures:
    """The figures of all lines, and with the same names those of each language, the most frequent first."""
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for one in verdicts:
        groups[one.line.lang or NONE].append(one)
    by_size = sorted(groups.items(), key=lambda pair: -len(pair[1]))
    return {**_figures(verdicts), "by_lang": {lang: _figures(group) for lang, group in by_size}}


def _figures(verdicts: Sequence[Verdict]) -> Figures:
    ranks = [one.rank for one in verdicts if one.line.urls]
    return {
        "n": len(verdicts),
        "recall_at_1": recall_at(1, ranks),
        "recall_at_5": recall_at(5, ranks),
        "mrr_at_10": mrr_at(10, ranks),
        "auroc": auroc([bool(one.line.urls) for one in verdicts], [one.confidence for one in verdicts]),
    }


def recall_at(most: int, ranks: Sequence[int | None]) -> float | None:
    """Share of the questions with an acceptable page among the first `most`; None without any question."""
    return _mean([rank is not None and rank <= most for rank in ranks])


def mrr_at(most: int, ranks: Sequence[int | None]) -> float | None:
    """Mean of 1/rank of the first acceptable page, 0 where it is not among the first `most`."""
    return _mean([1 / rank if rank is not None and rank <= most else 0.0 for rank in ranks])


def auroc(truth: Sequence[bool], strength: Sequence[float]) -> float | None:
    """Area under the ROC curve, ties counting half; None without both kinds."""
    labels, values = np.array(truth, dtype=bool), np.array(strength, dtype=float)
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not positive or not negative:
        return None
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    total = float(ranks[labels].sum()) - positive * (positive + 1) / 2
    return round(total / (positive * negative), 4)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def table(all_figures: Mapping[str, Any]) -> Iterator[str]:
    """Figures with their groups (`by_...`) as the lines of a table."""
    names = [name for name, value in all_figures.items() if not isinstance(value, dict)]
    groups = [group for name, group in all_figures.items() if name.startswith("by_")]
    yield f"{'':14}" + "".join(f"{name:>18}" for name in names)
    for title, row in [("all", all_figures), *((key, row) for group in groups for key, row in group.items())]:
        cells = ("-" if row[name] is None else str(row[name]) for name in names)
        yield f"{title:14}" + "".join(f"{cell:>18}" for cell in cells)
