"""`manage.py eval_triggers FILE.jsonl [--json] [--errors]`."""

from __future__ import annotations

from typing import Any

from chat.judgement.evaluation import Verdict, triggers
from chat.management.commands._evaluate import EvalCommand
from knowledge.embed import embed_query


class Command(EvalCommand):
    help = "How well requests for a person are found. See docs/judgement.md."

    def measure(self, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Verdict]]:
        return triggers(rows, embed_query)
