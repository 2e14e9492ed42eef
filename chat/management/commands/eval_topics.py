"""`manage.py eval_topics FILE.jsonl [--json] [--errors]`."""

from __future__ import annotations

from typing import Any

from chat.judgement.evaluation import Verdict, topics
from chat.management.commands._evaluate import EvalCommand


class Command(EvalCommand):
    help = "How well critical topics are told from all others. See docs/judgement.md."

    def measure(self, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Verdict]]:
        return topics(rows)
