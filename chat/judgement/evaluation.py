"""How good the judgement is on labelled lines: what the `eval_*` commands compute. Pure.

Every line goes through `assess`, as a live message does; language, label, kind and topic only group the results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chat.judgement.decision import MOOD, REQUEST, TRIGGERS, Earlier, Facts, assess
from chat.judgement.rules import Rules
from chat.judgement.topics import CRITICAL
from knowledge.embed import Vector
from knowledge.evaluation import auroc

Row = dict[str, Any]
NONE = "none"
# People asked for in words are another figure (eval_triggers): here the mood alone calls them.
_MOOD_ALONE = Rules(request_enabled=False)
_REMEMBERED = 12  # as many earlier messages as the live turn sees


@dataclass(frozen=True)
class Verdict:
    """One line: whether the thing is there, whether we say so, and how strongly."""

    row: Row
    truth: bool
    said: bool
    strength: float = 0.0


def triggers(rows: Iterable[Row], embed: Callable[[str], Vector]) -> tuple[Row, list[Verdict]]:
    """Explicit requests: lines {text, lang, label: 1|0|null}, null not scored. The figures, and every verdict."""
    verdicts = [
        Verdict(row, row["label"] == 1, assess(Facts(row["text"], vector=embed(row["text"]))).rule == REQUEST)
        for row in rows
        if row.get("label") is not None
    ]
    figures = _trigger_figures(verdicts)
    figures["by_lang"] = _grouped(verdicts, "lang", _trigger_figures)
    figures["by_kind"] = _grouped(verdicts, "kind", _trigger_figures)
    return figures, verdicts


def sentiment(rows: Iterable[Row], embed: Callable[[str], Vector]) -> tuple[Row, list[Verdict]]:
    """Frustration: lines {id, lang, turns: [{text, frustrated}]}. The figures over turns at the default threshold,
    with the turn (from 0) at which the escalation would fire, and every verdict."""
    verdicts: list[Verdict] = []
    fires: dict[str, int | None] = {}
    for row in rows:
        turns = _follow(row, embed)
        fires[str(row["id"])] = next((at for at, turn in enumerate(turns) if turn.said), None)
        verdicts += turns
    figures = _mood_figures(verdicts)
    figures["by_lang"] = _grouped(verdicts, "lang", _mood_figures)
    figures["fires"] = fires
    return figures, verdicts


def topics(rows: Iterable[Row]) -> tuple[Row, list[Verdict]]:
    """Critical topics: lines {text, lang, topic}; `none` and the kinds of triage are not critical. The figures, and
    every verdict, whose row has the found topic as `found`."""
    verdicts = []
    for row in rows:
        scores = assess(Facts(row["text"])).scores
        found = next(iter(scores["topics"]), scores["triage"]) or NONE
        verdicts.append(Verdict({**row, "found": found}, row["topic"] in CRITICAL, bool(scores["topics"])))
    figures = _topic_figures(verdicts)
    figures["by_lang"] = _grouped(verdicts, "lang", _topic_figures)
    figures["by_topic"] = _grouped(verdicts, "topic", _topic_figures)
    for name, group in figures["by_topic"].items():
        named = [one.row["found"] == name for one in verdicts if one.row["topic"] == name]
        group["named_right"] = _share(sum(named), len(named))
    return figures, verdicts


def _follow(row: Row, embed: Callable[[str], Vector]) -> list[Verdict]:
    """One conversation, turn after turn, each judged on what came before."""
    earlier: list[Earlier] = []
    vectors: list[Vector] = []
    verdicts = []
    for turn in row["turns"]:
        vector = embed(turn["text"])
        alike = [float(vector @ other) for other in vectors[-_REMEMBERED:]]
        recent = tuple(replace(one, alike=near) for one, near in zip(earlier[-_REMEMBERED:], alike, strict=True))
        decision = assess(Facts(turn["text"], recent, rules=_MOOD_ALONE))
        line = {"id": row["id"], "lang": row.get("lang", ""), "text": turn["text"], "found": decision.reason}
        said = decision.trigger == TRIGGERS[MOOD]
        verdicts.append(Verdict(line, bool(turn["frustrated"]), said, -decision.scores["running"] - decision.mood))
        earlier.append(Earlier(turn["text"], decision.mood))
        vectors.append(vector)
    return verdicts


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _counts(verdicts: Sequence[Verdict]) -> tuple[int, int, int, int]:
    """(found, there, said though it is not there, not there)."""
    there = sum(one.truth for one in verdicts)
    found = sum(one.truth and one.said for one in verdicts)
    false = sum(one.said and not one.truth for one in verdicts)
    return found, there, false, len(verdicts) - there


def _trigger_figures(verdicts: Sequence[Verdict]) -> Row:
    found, there, false, absent = _counts(verdicts)
    return {
        "n": len(verdicts),
        "recall": _share(found, there),
        "precision": _share(found, found + false),
        "false_alarm_rate": _share(false, absent),
    }


def _mood_figures(verdicts: Sequence[Verdict]) -> Row:
    found, there, false, absent = _counts(verdicts)
    return {
        "n": len(verdicts),
        "auc": auroc([one.truth for one in verdicts], [one.strength for one in verdicts]),
        "recall": _share(found, there),
        "false_alarm_rate": _share(false, absent),
    }


def _topic_figures(verdicts: Sequence[Verdict]) -> Row:
    found, there, false, absent = _counts(verdicts)
    return {
        "n": len(verdicts),
        "critical_accuracy": _share(found + absent - false, len(verdicts)),
        "recall": _share(found, there),
        "false_alarm_rate": _share(false, absent),
    }


def _grouped(verdicts: Sequence[Verdict], key: str, figures: Callable[[Sequence[Verdict]], Row]) -> Row:
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for one in verdicts:
        groups[str(one.row.get(key) or NONE)].append(one)
    return {name: figures(group) for name, group in sorted(groups.items(), key=lambda pair: -len(pair[1]))}
