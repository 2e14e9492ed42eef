"""The part of a chatbot's form that says which words call people, and what becomes of messages that are no support."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget

from tenants.workspace.lines import LinesField
from tenants.workspace.models import Project

MOST_WORDS, MOST_TOPICS = 100, 30
# Kind of message -> how the form names it. What is told apart as which kind is chat's to say.
TRIAGE = {
    "partnership": "Partnership offers",
    "sales": "Sales interest",
    "job": "Job seekers",
    "press": "Press",
    "noise": "Noise: greetings without a question, tests, advertising",
}


def _triage_field(label: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=[("answer", "Answer like any question"), ("lead", "Ask for an e-mail address")],
        widget=UnfoldAdminSelectWidget,
    )


class JudgementForm(forms.ModelForm[Project]):
    """Lists as lines to type, kept as the JSON that chat reads: `keywords`, `topics`, `triage` of Project."""

    person_words = LinesField(
        label="Your words that ask for a person",
        most=MOST_WORDS,
        help_text="One a line. A message with one of them goes to a person at once, like “talk to a human” does.",
    )
    critical_words = LinesField(
        label="Your critical words",
        most=MOST_WORDS,
        help_text="One a line. A message with one of them goes to a person if your content has no good answer to it.",
    )
    own_topics = LinesField(
        label="Your critical topics",
        most=MOST_TOPICS,
        help_text="One a line, a name and its words, like: Warranty claim: guarantee, broken glass. Refunds, billing "
        "disputes, cancellations, legal matters, complaints and privacy requests are known already.",
    )
    triage_partnership = _triage_field(TRIAGE["partnership"])
    triage_sales = _triage_field(TRIAGE["sales"])
    triage_job = _triage_field(TRIAGE["job"])
    triage_press = _triage_field(TRIAGE["press"])
    triage_noise = _triage_field(TRIAGE["noise"])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        stored = _as_lines(kwargs.get("instance") or Project())
        super().__init__(*args, **{**kwargs, "initial": {**stored, **(kwargs.get("initial") or {})}})

    def clean_own_topics(self) -> list[str]:
        return [_line(_topic(line)) for line in self.cleaned_data["own_topics"]]

    def save(self, commit: bool = True) -> Project:
        """Fields that the page does not show stay as they are."""
        found, project = self.cleaned_data, self.instance
        kept = _as_lines(project)
        words = {kind: found.get(f"{kind}_words", kept[f"{kind}_words"]) for kind in ("person", "critical")}
        project.keywords = [{"word": word, "kind": kind} for kind, listed in words.items() for word in listed]
        project.topics = [_topic(line) for line in found.get("own_topics", kept["own_topics"])]
        chosen = {kind: found.get(f"triage_{kind}") or kept[f"triage_{kind}"] for kind in TRIAGE}
        project.triage = {kind: value for kind, value in chosen.items() if value == "lead"}
        saved: Project = super().save(commit=commit)
        return saved


def _as_lines(project: Project) -> dict[str, Any]:
    """What is stored, as the fields show it."""
    words = [(str(one["word"]), one.get("kind")) for one in project.keywords or ()]
    lines: dict[str, Any] = {
        f"{kind}_words": [word for word, of in words if of == kind] for kind in ("person", "critical")
    }
    lines["own_topics"] = [_line(topic) for topic in project.topics or ()]
    return lines | {f"triage_{kind}": (project.triage or {}).get(kind, "answer") for kind in TRIAGE}


def _line(topic: dict[str, Any]) -> str:
    return f"{topic['name']}: {', '.join(topic['keywords'])}"


def _topic(line: str) -> dict[str, Any]:
    name, _, listed = line.partition(":")
    words = [word.strip() for word in listed.split(",") if word.strip()]
    if not name.strip() or not words:
        raise ValidationError(f"{line}: write a name, a colon and words, like Warranty claim: guarantee, broken glass")
    return {"name": name.strip(), "keywords": words}
