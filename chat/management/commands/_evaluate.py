"""Reading labelled lines and printing figures, for the `eval_*` commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.judgement.evaluation import Verdict


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
        self._table(figures)
        for row in wrong:
            self.stdout.write(json.dumps(row, ensure_ascii=False))

    def measure(self, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Verdict]]:
        """The figures of the lines, and a verdict on each."""
        raise NotImplementedError

    def _table(self, figures: dict[str, Any]) -> None:
        names = [name for name, value in figures.items() if not isinstance(value, dict)]
        groups = {name: group for name, group in figures.items() if name.startswith("by_")}
        self.stdout.write(f"{'':14}" + "".join(f"{name:>18}" for name in names))
        for title, row in [("all", figures), *((key, row) for group in groups.values() for key, row in group.items())]:
            cells = ("-" if row[name] is None else str(row[name]) for name in names)
            self.stdout.write(f"{title:14}" + "".join(f"{cell:>18}" for cell in cells))


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from error
