"""`manage.py train_head [--cache FILE] [--check]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.judgement.head import scoring
from chat.judgement.head.train import Line, lines_of, train
from knowledge import embed


class Command(BaseCommand):
    """Touches no database and needs no secret."""

    help = "Fit the head over embeddings that finds requests for a person. See docs/judgement.md."
    requires_system_checks: list[str] | tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cache", type=Path, help="Keep the lines' vectors in this .npz file for the next time")
        parser.add_argument("--check", action="store_true", help="Write nothing; fail if the file would change")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = lines_of()
        except ValueError as error:
            raise CommandError(str(error)) from error
        vectors = _vectors(lines, options["cache"])
        text = train(lines, vectors.astype(np.float64), space=embed.SPACE)
        self.stdout.write(text[: text.index('"signs"')])
        if not options["check"]:
            scoring.FILE.write_text(text, encoding="utf-8")
        elif text != scoring.FILE.read_text(encoding="utf-8"):
            raise CommandError("head.json is not what these lines give: run manage.py train_head.")


def _vectors(lines: list[Line], cache: Path | None) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A row for each line; those of an earlier run, by the same engine, are taken from the cache."""
    engine = embed.engine_in_use()
    known: dict[str, Any] = {}
    if cache is not None and cache.exists():
        with np.load(cache) as stored:
            if str(stored["engine"]) == engine:
                known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
    texts = [line.text for line in lines]
    known |= {text: embed.embed_query(text) for text in dict.fromkeys(texts) if text not in known}
    rows = np.array([known[text] for text in texts], dtype=np.float32)
    if cache is not None:
        np.savez(cache, engine=np.array(engine), texts=np.array(texts), vectors=rows)
    return rows
