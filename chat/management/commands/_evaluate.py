"""Reading labelled lines and printing figures, for the `eval_*` commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.judgement.evaluation import Verdict
from knowledge.evaluation import table


class EvalCommand(BaseCommand):
    """Base of the commands that measure the judgement. Touches no database and needs no secret."""

    requires_system_checks: list[str] | tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="JSON lines")
        parser.add_argument("--json", action="store_true", help="Print the figures as one JSON object")
        parser.add_argument("--errors", action="store_true", help="List every line that was judged wrongly")

    def handle(self, *args: Any, **options: Any) -> None:
        figures, verdicts = self.measure(_rows(options["file"]))
        wrong = [one.row for one in verdicts if one.truth != one.said] if options["errors"] else []
        if options["json"]:
            shown = {**figures, "errors": wrong} if options["errors"] else figures
            self.stdout.write(json.dumps(shown, ensure_ascii=False))
            return
        for line in table(figures):
            self.stdout.write(line)
        for row in wrong:
            self.stdout.write(json.dumps(row, ensure_ascii=False))

    def measure(self, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Verdict]]:
        """The figures of the lines, and a verdict on each."""
        raise NotImplementedError


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from error
