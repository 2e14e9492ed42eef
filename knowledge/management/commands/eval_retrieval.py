"""`manage.py eval_retrieval FILE.jsonl --host HOST --project KEY [--json] [--errors]`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from knowledge.errors import KnowledgeError
from knowledge.evaluation import DEPTH, Line, Verdict, figures, judge, read_lines, table
from knowledge.management.commands._project import ProjectCommand, project_named
from knowledge.models import Chunk
from knowledge.search import search

_TOLD_EVERY_SECONDS = 3.0


class Command(ProjectCommand):
    help = "How well a chatbot's search finds the right pages, and knows when there are none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help='JSON lines: {"question", "lang", "urls": [acceptable] or []}')
        super().add_arguments(parser)
        parser.add_argument("--errors", action="store_true", help="List every question whose page did not come first")

    def run(self, options: dict[str, Any]) -> None:
        project = project_named(options["project"])
        lines = _read(options["file"])
        if not Chunk.objects.filter(project=project, is_live=True).exists():
            self.tell("This project has no content that answers yet.")
        verdicts = [judge(line, search(project.pk, line.question, limit=DEPTH)) for line in self._told(lines)]
        self._print(verdicts, as_json=options["json"], with_errors=options["errors"])

    def _told(self, lines: list[Line]) -> Iterator[Line]:
        """The lines one by one, saying now and then how far we are."""
        told_at = time.monotonic()
        for done, line in enumerate(lines):
            if time.monotonic() - told_at >= _TOLD_EVERY_SECONDS:
                self.tell(f"{done} of {len(lines)} questions")
                told_at = time.monotonic()
            yield line

    def _print(self, verdicts: list[Verdict], *, as_json: bool, with_errors: bool) -> None:
        found = figures(verdicts)
        missed = [one.told() for one in verdicts if one.is_miss] if with_errors else []
        if as_json:
            shown = {**found, "errors": missed} if with_errors else found
            self.stdout.write(json.dumps(shown, ensure_ascii=False))
            return
        for row in table(found):
            self.stdout.write(row)
        for one in missed:
            self.stdout.write(json.dumps(one, ensure_ascii=False))


def _read(path: Path) -> list[Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise KnowledgeError("file_unreadable", f"{path} cannot be read: {error}") from error
    return read_lines(text)
