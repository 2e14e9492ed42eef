"""`manage.py eval_sentiment FILE.jsonl [--json] [--errors]`."""

from __future__ import annotations

from typing import Any

from chat.judgement.evaluation import Verdict, sentiment
from chat.management.commands._evaluate import EvalCommand
from knowledge.embed import embed_query


class Command(EvalCommand):
    help = "How well frustrated turns are found, and when people would be called. See docs/judgement.md."

    def measure(self, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Verdict]]:
        return sentiment(rows, embed_query)
