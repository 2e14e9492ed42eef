"""The set-up checklist of one chatbot: every tick is a fact of the database, none is somebody's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from chat.models import Conversation, Handoff, Visitor
from insights.rehearsal import rows_of
from knowledge import answers
from knowledge.answers.question import Outcome, Question
from knowledge.models import CrawlRun, Document, Source
from knowledge.policies import OPEN
from knowledge.search import search
from livesupport.availability import is_open, seats_there, stretches_of, zone_of
from livesupport.models import RehearsalRun
from livesupport.policies import may_rehearse
from livesupport.rehearsal_runs import newest_rehearsal
from livesupport.slack.errors import NotInPlan
from livesupport.slack.offer import offer_to
from tenants.access import SeatRequest, seat_required
from tenants.hosts import parse_host, tenant_url
from tenants.workspace.models import Project, Seat
from tenants.workspace.policies import may_configure, projects_of

SHOWN_PAGES = 5
LONGEST_QUESTION = 300
# Field of Handoff, words, target in seconds.
RELAY: tuple[tuple[str, str, int | None], ...] = (
    ("requested_at", "A person was asked for", None),
    ("queued_at", "In the queue", 2),
    ("claimed_at", "Claimed", None),
    ("first_reply_at", "First reply", 90),
    ("resolved_at", "Resolved", None),
)


@dataclass(frozen=True)
class Step:
    """One row: its `key` names the partial that shows the rest of `facts`; `fact` is the state in words."""

    key: str
    title: str
    fact: str
    done: bool
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """A source and where its newest reading stands; `share` is in percent, None while nothing was found yet."""

    source: Source
    run: CrawlRun | None
    live_pages: int
    pages: Sequence[Document]

    @property
    def is_open(self) -> bool:
        return self.run is not None and self.run.state in OPEN

    @property
    def done(self) -> int:
        return min(self.run.indexed + self.run.failed, self.run.found) if self.run else 0

    @property
    def share(self) -> int | None:
        return round(100 * self.done / self.run.found) if self.run and self.run.found else None


@dataclass(frozen=True)
class Hop:
    """One hop of a handoff: `seconds` since the one before it; `target` in seconds, None for none."""

    words: str
    target: int | None
    happened: bool
    seconds: float | None

    @property
    def is_late(self) -> bool:
        return self.target is not None and self.seconds is not None and self.seconds > self.target


@require_GET
@never_cache
@seat_required()
def setup(request: SeatRequest) -> HttpResponse:
    """`?project=` a key, `?open=` a step's; `?part=steps` and `?part=answer&ask=...` give the page's two live parts
    alone."""
    mine = list(projects_of(request.seat).order_by("pk"))
    project = next((each for each in mine if each.key == request.GET.get("project")), mine[0] if mine else None)
    context: dict[str, Any] = {
        "seat": request.seat,
        "projects": mine,
        "project": project,
        "may_configure": may_configure(request.seat),
        "may_rehearse": may_rehearse(request.seat),
    }
    if project is None:
        return render(request, "insights/setup_empty.html", context)
    part = request.GET.get("part", "")
    if part == "answer":
        return render(request, "insights/_setup_answer.html", context | _answer(project, request.GET.get("ask", "")))
    context |= _steps(project, request)
    return render(request, "insights/_setup_steps.html" if part == "steps" else "insights/setup.html", context)


def _steps(project: Project, request: SeatRequest) -> dict[str, Any]:
    host = parse_host(request.get_host()) or ""
    steps = [_content(project), _reasons(project), _answering(project), _team(), _embed(project, host), _test(project)]
    done = sum(step.done for step in steps)
    first_open = next((step.key for step in steps if not step.done), "")
    return {
        "steps": steps,
        "done": done,
        "share": round(100 * done / len(steps)),
        "first_open": first_open,
        "opened": request.GET.get("open", first_open),
        "ask_link": "?" + urlencode({"project": project.key, "part": "answer"}),
        "steps_link": "?" + urlencode({"project": project.key, "part": "steps"}),
        "project_link": reverse("admin:workspace_project_change", args=[project.pk]),
        "slack_link": reverse("livesupport:slack") + "?" + urlencode({"project": project.key}),
        "not_in_plan": NotInPlan.sentence,
        "team_link": reverse("admin:workspace_seat_changelist"),
        "source_link": reverse("admin:knowledge_source_add") + "?" + urlencode({"project": project.pk}),
    }


def _content(project: Project) -> Step:
    readings = [_reading(source) for source in project.sources.order_by("pk")]
    live = sum(reading.live_pages for reading in readings)
    reading = next((each for each in readings if each.is_open), None)
    failed = next((each for each in readings if each.run and each.run.state == CrawlRun.State.FAILED), None)
    if not readings:
        fact = "The address of your help pages is all it needs"
    elif reading and not live:
        fact = f"Reading {urlsplit(reading.source.url).netloc or reading.source}"
    elif failed and not live:
        fact = f"{failed.source} could not be read"
    elif live == 1:
        fact = "It answers from 1 page"
    else:
        fact = f"It answers from {live} pages" if live else "Nothing was read yet"
    return Step("content", "Connect your content", fact, live > 0, {"readings": readings, "reading": reading})


def _reading(source: Source) -> Reading:
    run = source.runs.order_by("-pk").first()
    pages: Sequence[Document] = ()
    if run:
        recent = run.documents.annotate(passages=Count("chunks")).order_by("-pk")
        troubled = list(recent.exclude(error="")[:2])
        fine = list(recent.filter(error="")[: SHOWN_PAGES - len(troubled)]) if run.state in OPEN else []
        pages = fine + troubled
    return Reading(source, run, source.documents.filter(is_live=True).count(), pages)


def _reasons(project: Project) -> Step:
    facts = {"own_words": len(project.keywords or ()), "own_topics": len(project.topics or ())}
    title = "When a person steps in"
    if not project.request_enabled:
        return Step("reasons", title, "Only by the button: asking in words is switched off", False, facts)
    more = [
        *(["when their mood drops"] if project.mood_enabled else []),
        *(["when a critical question has no answer"] if project.weak_evidence_enabled else []),
    ]
    return Step("reasons", title, "; ".join(["At once, when a visitor asks for one", *more]), True, facts)


def _answering(project: Project) -> Step:
    now = timezone.now()
    there = [seat.name for seat in seats_there(project, now, with_capacity=False)]
    hours, zone = stretches_of(project), zone_of(project.timezone)
    offer = offer_to(project)
    facts = {"there": there, "hours": hours, "opened": is_open(hours, zone, now), "zone": zone.key, "slack": offer}
    told = [f"#{offer.install.channel_name} in Slack"] if offer.is_working and offer.install else []
    if there:
        told.append(f"{there[0]} is there now" if len(there) == 1 else f"{len(there)} people are there now")
    elif hours:
        told.append(f"Business hours are set; {'open' if facts['opened'] else 'closed'} now")
    fact = "; ".join(told) or "Nobody has Live Support open, and no hours are set"
    return Step("answering", "Where people are called", fact, bool(told), facts)


def _team() -> Step:
    seats = list(Seat.objects.filter(is_active=True, is_rehearsal=False).order_by("pk"))
    fact = f"{len(seats)} people have a seat" if len(seats) > 1 else "Only you have a seat"
    return Step("team", "Bring your team", fact, len(seats) > 1, {"seats": seats[:6], "more": max(0, len(seats) - 6)})


def _embed(project: Project, host: str) -> Step:
    visitor = Visitor.objects.filter(project=project, is_test=False).order_by("-created_at").first()
    real = Conversation.objects.real().filter(project=project)
    page = real.exclude(page_url="").order_by("-updated_at").values_list("page_url", flat=True).first()
    site = urlsplit(page or "").netloc
    facts = {"src": tenant_url(host, "/widget.js"), "visitor": visitor, "site": site}
    if visitor is None:
        return Step("embed", "Put it on your site", "Waiting for the first visitor", False, facts)
    fact = f"Seen on {site}" if site else "Seen by a first visitor"
    return Step("embed", "Put it on your site", fact, True, facts)


def _test(project: Project) -> Step:
    """Done once a person claimed and resolved a handoff, a rehearsal's or a real one, and no newer rehearsal
    stopped on its way. The newest of each is shown."""
    handoffs = Handoff.objects.filter(conversation__project=project).select_related("conversation")
    resolved = handoffs.filter(state=Handoff.State.RESOLVED, claimed_at__isnull=False).order_by("-resolved_at").first()
    newest = handoffs.order_by("-requested_at").first()
    run = newest_rehearsal(project)
    facts: dict[str, Any] = {"run": run, "rows": rows_of(run)}
    if newest:
        facts |= {"hops": _hops(newest, project), "newest": newest, "is_test": newest.conversation.is_test}
    if run and run.is_running:
        return Step("test", "See one handoff work", "A test is under way", resolved is not None, facts)
    if run and run.ok is False and not _is_since(resolved, run):
        return Step("test", "See one handoff work", f"The last test stopped: {run.error}", False, facts)
    if resolved:
        who = "A test" if resolved.conversation.is_test else "A visitor"
        fact = f"{who} went all the way, answered by {resolved.claimed_name or 'a person'}"
    else:
        fact = "One is on its way" if newest else "Ask for a human yourself, then answer"
    return Step("test", "See one handoff work", fact, resolved is not None, facts)


def _is_since(resolved: Handoff | None, run: RehearsalRun) -> bool:
    """Whether a handoff went all the way after the run began."""
    return resolved is not None and resolved.resolved_at is not None and resolved.resolved_at > run.started_at


def _hops(handoff: Handoff, project: Project) -> list[Hop]:
    hops: list[Hop] = []
    before: datetime | None = None
    for name, words, promised in RELAY:
        target = project.claim_target_seconds if name == "claimed_at" else promised
        at: datetime | None = getattr(handoff, name)
        seconds = (at - before).total_seconds() if at and before else None
        hops.append(Hop(words, target, at is not None, seconds))
        before = at or before
    return hops


def _answer(project: Project, asked: str) -> dict[str, Any]:
    """What a visitor would be told now, in words quoted from the pages: no model is called for a try."""
    text = " ".join(asked.split())[:LONGEST_QUESTION]
    if not text:
        return {"asked": ""}
    evidence = search(project.pk, text)
    question = Question(text=text, passages=evidence.passages, confidence=evidence.confidence)
    outcome = next((piece for piece in answers.answer(question) if isinstance(piece, Outcome)), None)
    cited = [(number, evidence.passages[number - 1]) for number in outcome.citations] if outcome else []
    return {
        "asked": text,
        "outcome": outcome,
        "cited": cited,
        "confidence": evidence.confidence,
        "threshold": project.evidence_threshold,
        "is_weak": evidence.confidence < project.evidence_threshold,
    }
