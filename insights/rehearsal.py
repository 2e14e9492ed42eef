"""The checklist's button: starts the test escalation, and shows how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from livesupport.models import RehearsalRun
from livesupport.policies import may_rehearse
from livesupport.rehearsal import STEP_NAMES, TARGETS_MS
from livesupport.rehearsal_runs import newest_rehearsal, start_rehearsal
from tenants.access import SeatRequest, refuse, seat_required, wants_json
from tenants.workspace.models import Project
from tenants.workspace.policies import projects_of

WORDS = {
    "content_ready": "Your pages answer their own questions",
    "answer_started": "A visitor asks, the AI begins to answer",
    "in_queue": "They ask for a person, your queue shows it",
    "claimed_seen": "A teammate claims, the visitor sees who",
    "reply_seen": "The teammate replies, the visitor reads it",
    "resolved": "Resolved, and the visitor sees that",
}


@dataclass(frozen=True)
class Row:
    """One hop of a run: `state` is `ok`, `failed`, `now` or `todo`; times in milliseconds."""

    name: str
    words: str
    state: str
    ms: int | None
    target_ms: int | None

    @property
    def is_late(self) -> bool:
        return self.ms is not None and self.target_ms is not None and self.ms > self.target_ms

    @property
    def shown(self) -> str:
        """The time, as far as there is one."""
        if self.ms is not None:
            return f"{self.ms:,} ms"
        return {"ok": "seen", "failed": "stopped here", "now": "now"}.get(self.state, "")

    @property
    def target(self) -> str:
        return f"target under {self.target_ms // 1000} s" if self.target_ms else ""


def rows_of(run: RehearsalRun | None) -> list[Row]:
    """Every hop in order, those that are still to come too; without a run all of them are."""
    steps = run.steps if run else []
    done = {step["name"]: step for step in steps}
    rows = []
    for number, name in enumerate(STEP_NAMES):
        step = done.get(name)
        upcoming = "now" if run and run.is_running and number == len(steps) else "todo"
        state = upcoming if step is None else "ok" if step["ok"] else "failed"
        rows.append(Row(name, WORDS[name], state, step["ms"] if step else None, TARGETS_MS.get(name)))
    return rows


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@seat_required()
def rehearsal(request: SeatRequest) -> HttpResponse:
    """`?project=` a key. JSON of its newest run; a POST starts one, or shows the one that runs."""
    key = request.GET.get("project", "")
    mine = projects_of(request.seat).order_by("pk")
    project = next((each for each in mine if key in ("", each.key)), None)
    if project is None:
        return JsonResponse({"code": "unknown_project", "sentence": "There is no such chatbot."}, status=404)
    if request.method != "POST":
        return JsonResponse(_as_json(newest_rehearsal(project), project))
    if not may_rehearse(request.seat):
        return refuse(request, "not_allowed", f"Your role, {request.seat.role}, does not include this.")
    run = start_rehearsal(project=project, seat=request.seat)
    if wants_json(request):
        return JsonResponse(_as_json(run, project))
    return HttpResponseRedirect("/setup/?" + urlencode({"project": project.key, "open": "test"}))


def _as_json(run: RehearsalRun | None, project: Project) -> dict[str, Any]:
    if run is None:
        return {"project": project.name, "run": None}
    rows = [
        {"name": row.name, "state": row.state, "shown": row.shown, "ms": row.ms, "late": row.is_late}
        for row in rows_of(run)
    ]
    return {
        "project": run.project.name,
        "run": {"ok": run.ok, "sentence": sentence_of(run, project), "steps": rows},
    }


def sentence_of(run: RehearsalRun, project: Project) -> str:
    """Where a run stands, for somebody who looks at `project`."""
    if run.project_id != project.pk:
        return f"A test of {run.project.name} runs now. Start this one after it."
    if run.is_running:
        return "Running against this server, over real connections."
    return "Every step happened. You can go live." if run.ok else run.error
