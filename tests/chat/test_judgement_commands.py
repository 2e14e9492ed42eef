"""The three commands that measure the judgement: what they print, and that labels change no decision."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from knowledge.evaluation import auroc
from tests.house import ROOT

TRIGGERS = [
    {"text": "talk to a human please", "lang": "en", "label": 1, "kind": "sentence", "source": "own"},
    {"text": "passez-moi un conseiller", "lang": "fr", "label": 1, "kind": "sentence"},
    {"text": "xyzzy person", "lang": "en", "label": 1, "kind": "odd"},
    {"text": "where is my order?", "lang": "en", "label": 0, "kind": "other"},
    {"text": "operator", "lang": "fr", "label": 0, "kind": "other", "conf": 0.5},
    {"text": "is this a bot?", "lang": "en", "label": None},
]
TOPICS = [
    {"text": "I want a refund", "lang": "en", "topic": "refund"},
    {"text": "delete my account", "lang": "en", "topic": "account_closure"},
    {"text": "please help", "lang": "en", "topic": "legal"},
    {"text": "where is my order", "lang": "en", "topic": "none"},
    {"text": "we want to become a reseller", "lang": "en", "topic": "partnership"},
    {"text": "kündigen", "lang": "de", "topic": "noise"},
]
TALKS = [
    {"id": "a", "lang": "en", "turns": [
        {"text": "hello, where is my order?", "frustrated": False},
        {"text": "that did not help", "frustrated": True},
        {"text": "you are thieves, this is a scam", "frustrated": True},
        {"text": "ok thank you", "frustrated": False},
    ]},
    {"id": 2, "lang": "de", "turns": [{"text": "Danke, super!", "frustrated": False}]},
]  # fmt: skip


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "lines.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def figures(name: str, path: Path, *flags: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command(name, str(path), "--json", *flags, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_triggers_are_counted(tmp_path: Path) -> None:
    found = figures("eval_triggers", written(tmp_path, TRIGGERS), "--errors")
    total = {"n": 5, "recall": 0.6667, "precision": 0.6667, "false_alarm_rate": 0.5}
    assert {key: found[key] for key in total} == total
    assert found["by_lang"]["fr"] == {"n": 2, "recall": 1.0, "precision": 0.5, "false_alarm_rate": 1.0}
    assert set(found["by_kind"]) == {"sentence", "odd", "other"}
    assert [row["text"] for row in found["errors"]] == ["xyzzy person", "operator"]


def test_topics_are_counted(tmp_path: Path) -> None:
    found = figures("eval_topics", written(tmp_path, TOPICS))
    total = {"n": 6, "critical_accuracy": 0.6667, "recall": 0.6667, "false_alarm_rate": 0.3333}
    assert {key: found[key] for key in total} == total
    assert set(found["by_lang"]["de"]) == set(total)
    assert found["by_topic"]["partnership"]["named_right"] == 1.0


def test_sentiment_is_counted_over_turns(tmp_path: Path) -> None:
    found = figures("eval_sentiment", written(tmp_path, TALKS))
    total = {"n": 5, "auc": 1.0, "recall": 0.5, "false_alarm_rate": 0.0}
    assert {key: found[key] for key in total} == total
    assert found["fires"] == {"a": 2, "2": None}
    assert set(found["by_lang"]) == {"en", "de"}


@pytest.mark.parametrize("name", ["eval_triggers", "eval_topics"])
def test_labels_change_no_decision(name: str, tmp_path: Path) -> None:
    rows = TRIGGERS if name == "eval_triggers" else TOPICS
    turned = [
        {**row, "lang": other["lang"], "kind": "x", "label": row.get("label"), "topic": row.get("topic")}
        for row, other in zip(rows, reversed(rows), strict=True)
    ]
    first = figures(name, written(tmp_path, rows))
    again = figures(name, written(tmp_path, turned))
    assert {key: first[key] for key in first if not key.startswith("by_")} == {
        key: again[key] for key in again if not key.startswith("by_")
    }


def test_the_table_is_for_people(tmp_path: Path) -> None:
    out = io.StringIO()
    call_command("eval_triggers", str(written(tmp_path, TRIGGERS)), stdout=out)
    assert out.getvalue().splitlines()[0].split() == ["n", "recall", "precision", "false_alarm_rate"]
    assert "0.6667" in out.getvalue()


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nothing\.jsonl"):
        call_command("eval_triggers", str(tmp_path / "nothing.jsonl"))


@pytest.mark.parametrize(
    ("name", "rows"), [("eval_triggers", TRIGGERS), ("eval_topics", TOPICS), ("eval_sentiment", TALKS)]
)
def test_they_need_no_database_and_no_secret(name: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "none"), "HOME": str(tmp_path)}
    command = [sys.executable, str(ROOT / "manage.py"), name, str(written(tmp_path, rows)), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=bare, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == {"eval_topics": 6}.get(name, 5)


@pytest.mark.parametrize(
    ("truth", "strength", "area"),
    [([True, False], [1, 0], 1.0), ([True, False], [0, 1], 0.0), ([True, False], [1, 1], 0.5), ([True], [1], None)],
)
def test_the_area_counts_ties_half(truth: list[bool], strength: list[float], area: float | None) -> None:
    assert auroc(truth, strength) == area
