"""`manage.py ask "question" --host HOST --project KEY [--json]`."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from knowledge.answering import Answered, ask
from knowledge.embed import embed_query
from knowledge.evidence import Passage
from knowledge.language import detect
from knowledge.management.commands._project import ProjectCommand, project_named


class Command(ProjectCommand):
    help = "Ask a chatbot, as a visitor's first message would: the answer, its sources, and what it was found in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("question")
        super().add_arguments(parser)

    def run(self, options: dict[str, Any]) -> None:
        project = project_named(options["project"])
        # A worker has its models loaded; what is timed is the answer, not this process's start.
        embed_query("warm")
        detect("Bitte einmal warm laufen.")
        answered = ask(project, options["question"])
        if options["json"]:
            self.stdout.write(json.dumps(_told(answered), ensure_ascii=False))
        else:
            self._print(answered)

    def _print(self, answered: Answered) -> None:
        self.stdout.write(answered.outcome.text + "\n")
        for source in answered.citations:
            self.stdout.write(f"[{source['n']}] {source['title']}  {source['url']}")
        fallback = f", quoted because the model failed ({answered.fallback})" if answered.fallback else ""
        self.stdout.write(
            f"{answered.outcome.kind}, confidence {answered.confidence:.2f}, {answered.milliseconds} ms{fallback}\n"
        )
        for number, passage in enumerate(answered.evidence.passages, 1):
            where = " > ".join(filter(None, (passage.title, passage.heading)))
            self.stdout.write(f"{number}. {passage.score:.3f}  {where}  {passage.url}")


def _told(answered: Answered) -> dict[str, Any]:
    return {
        "answer": answered.outcome.text,
        "kind": answered.outcome.kind,
        "citations": answered.citations,
        "confidence": round(answered.confidence, 4),
        "passages": [_passage(number, one) for number, one in enumerate(answered.evidence.passages, 1)],
        "milliseconds": answered.milliseconds,
        "fallback": answered.fallback,
    }


def _passage(number: int, passage: Passage) -> dict[str, Any]:
    names = ("url", "anchor", "title", "heading", "text", "language")
    return {"n": number, "score": round(passage.score, 4), **{name: getattr(passage, name) for name in names}}
