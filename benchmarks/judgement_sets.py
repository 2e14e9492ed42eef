"""Turns public dialogue sets into the lines that `manage.py eval_sentiment` reads, in two halves by dialogue.

    python -m benchmarks.judgement_sets FOLDER OUT [DIALOGUES]

FOLDER holds emotion_xdailydialog.jsonl and satisfaction_uss.jsonl (turns with an emotion; user turns with a rating of
the system). OUT gets NAME.dev.jsonl, for choosing constants, and NAME.held.jsonl, for reporting: every second
dialogue, at most DIALOGUES (default 400) of each language or set. Anger and disgust count as frustration; sadness
and fear are left out, being neither that nor calm.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
NEITHER = frozenset({"sadness", "fear"})
UPSET = frozenset({"anger", "disgust"})


def read(path: Path) -> Iterator[Row]:
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line)


def emotions(path: Path) -> Iterator[tuple[str, str, Row]]:
    """(language, dialogue, turn) of each utterance."""
    for row in read(path):
        if row["emotion"] not in NEITHER:
            turn = {"text": row["text"], "frustrated": row["emotion"] in UPSET}
            yield row["lang"], f"{row['lang']}-{row['dialogue']}", turn


def ratings(path: Path) -> Iterator[tuple[str, str, Row]]:
    for row in read(path):
        language = "zh" if row["dataset"].startswith("JDDC") else "en"
        yield language, str(row["dialogue"]), {"text": row["text"], "frustrated": bool(row["dissatisfied"])}


def write(turns: Iterator[tuple[str, str, Row]], out: Path, name: str, most: int) -> None:
    dialogues: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for language, dialogue, turn in turns:
        dialogues[language][dialogue].append(turn)
    for number, half in enumerate(("dev", "held")):
        with (out / f"{name}.{half}.jsonl").open("w", encoding="utf-8") as file:
            for language, group in dialogues.items():
                mine = [key for key in group if zlib.crc32(key.rpartition("-")[2].encode()) % 2 == number]
                for key in sorted(mine, key=lambda key: zlib.crc32(b"order" + key.encode()))[:most]:
                    line = {"id": key, "lang": language, "turns": group[key]}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    write(emotions(folder / "emotion_xdailydialog.jsonl"), out, "emotion", most)
    write(ratings(folder / "satisfaction_uss.jsonl"), out, "satisfaction", most)


if __name__ == "__main__":
    main()
