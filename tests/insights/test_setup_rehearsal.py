"""The checklist's button: a test escalation of one's own, seen hop by hop."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from chat.models import Conversation, Handoff
from insights.rehearsal import WORDS
from knowledge import actions as knowledge
from knowledge.crawl.work import work_off
from knowledge.models import Source
from livesupport import rehearsal_runs
from livesupport.models import Availability, Lead, RehearsalRun
from livesupport.rehearsal import STEP_NAMES, TARGETS_MS
from livesupport.rehearsal_runs import play_rehearsal, start_rehearsal
from tenants.models import Tenant
from tenants.workspace.models import OutboxEntry, Project, Seat
from tests.cast import Cast
from tests.conftest import Tenants
from tests.web import working

State = RehearsalRun.State
JSON = {"Accept": "application/json"}
PAGE = """Refunds are paid back within 14 days of the day on which the lamp reaches our workshop in Kenmare. They go to
the card or account that paid for the order. Banks take up to three more days to show them.

If you sent back a part of an order, the refund is for that part alone. The price of standard delivery is paid back
when the whole order comes back within 30 days. We write to you on the day on which the refund leaves us, with the
amount and the reference that your bank will show."""


def press(client: Client, key: str = "shop") -> dict[str, Any]:
    return client.post(f"/setup/rehearsal/?project={key}", headers=JSON).json()


def look(client: Client, key: str = "shop") -> dict[str, Any]:
    return client.get(f"/setup/rehearsal/?project={key}", headers=JSON).json()


def _started(cast: Cast, **values: Any) -> RehearsalRun:
    values = {"project_id": cast.project_id, "started_by": "Ana", **values}
    return cast.run(RehearsalRun.objects.create, **values)


def _steps(count: int, problem: str = "") -> list[dict[str, Any]]:
    """The first hops as they are stored; the last of them failed if there is a problem."""
    done = [
        {"name": name, "ok": True, "ms": 40, "target_ms": TARGETS_MS.get(name), "problem": ""}
        for name in STEP_NAMES[:count]
    ]
    if problem:
        done[-1] |= {"ok": False, "ms": None, "problem": problem}
    return done


def states(answer: dict[str, Any]) -> list[str]:
    return [step["state"] for step in answer["run"]["steps"]]


def test_every_hop_has_its_words() -> None:
    assert tuple(WORDS) == STEP_NAMES


def test_before_the_first_run_there_is_nothing_but_the_button(tenants: Tenants) -> None:
    a = tenants.a
    assert look(a.client(a.analyst)) == {"project": f"Shop {a.marker}", "run": None}
    html = a.client(a.owner).get("/setup/").content.decode()
    assert "Run the test escalation<" in html
    assert re.search(r"data-run-steps\s+hidden", html)


def test_pressing_starts_one_run_and_wakes_a_worker(
    tenants: Tenants, on_commit: Callable[[], AbstractContextManager[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, sent = tenants.a, []
    monkeypatch.setattr(current_app, "send_task", lambda name, args: sent.append((name, args)))
    monkeypatch.setattr("livesupport.listeners.current_app", current_app)
    with on_commit():
        answer = press(a.client(a.agent))
    run = a.run(RehearsalRun.objects.get)
    assert (run.project_id, run.started_by, run.state) == (a.project_id, a.agent.name, State.RUNNING)
    assert sent == [("livesupport.rehearse", (a.schema, run.pk))]
    assert states(answer) == ["now", *["todo"] * 5]
    with on_commit():
        again = press(a.client(a.owner))
    assert again == answer
    assert len(sent) == 1
    assert a.run(RehearsalRun.objects.count) == 1
    assert tenants.b.run(RehearsalRun.objects.count) == 0


def test_analysts_may_look_but_not_press(tenants: Tenants) -> None:
    a = tenants.a
    assert a.client(a.analyst).post("/setup/rehearsal/?project=shop", headers=JSON).status_code == 403
    assert a.run(RehearsalRun.objects.count) == 0
    assert "data-rehearse>" not in a.client(a.analyst).get("/setup/").content.decode()


def test_a_project_that_is_not_the_seats_is_unknown(tenants: Tenants) -> None:
    a = tenants.a
    other = a.run(Project.objects.create, key="other", name="Other bot")
    a.run(lambda: Seat.objects.get(pk=a.agent.seat_id).projects.set([other]))
    for method in ("get", "post"):
        answer = getattr(a.client(a.agent), method)("/setup/rehearsal/?project=shop", headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_project")
    assert a.run(RehearsalRun.objects.count) == 0


def test_a_run_of_another_chatbot_is_named(tenants: Tenants) -> None:
    a = tenants.a
    a.run(Project.objects.create, key="other", name="Other bot")
    _started(a)
    answer = press(a.client(a.owner), "other")
    assert answer["project"] == f"Shop {a.marker}"
    assert answer["run"]["sentence"] == f"A test of Shop {a.marker} runs now. Start this one after it."


def test_without_a_script_the_button_leads_back_to_its_step(tenants: Tenants) -> None:
    a = tenants.a
    answer = a.client(a.owner).post("/setup/rehearsal/?project=shop", headers={"Accept": "text/html"})
    assert answer["Location"] == "/setup/?project=shop&open=test"
    html = a.client(a.owner).get(answer["Location"]).content.decode()
    assert re.search(r'data-step="test" open', html)
    assert "Running…" in html


def test_there_is_one_run_at_a_time_in_the_database_too(tenants: Tenants) -> None:
    _started(tenants.a)
    with pytest.raises(IntegrityError), transaction.atomic():
        _started(tenants.a)
    with pytest.raises(IntegrityError), transaction.atomic():
        _started(tenants.a, state=State.PASSED)


def test_two_who_press_at_once_get_the_same_run(fresh_tenant: Cast) -> None:
    found: list[int] = []

    def start() -> None:
        try:
            project, seat = Project.objects.get(), Seat.objects.get(pk=fresh_tenant.owner.seat_id)
            found.append(start_rehearsal(project=project, seat=seat).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=fresh_tenant.run, args=(start,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 6
    assert len(set(found)) == 1
    current_app.control.purge()


def test_a_run_whose_player_is_gone_frees_the_button(tenants: Tenants) -> None:
    a = tenants.a
    gone = timezone.now() - timedelta(seconds=RehearsalRun.SILENT_SECONDS + 1)
    _started(a, beat_at=gone, steps=_steps(2))
    answer = look(a.client(a.owner))
    assert (answer["run"]["ok"], answer["run"]["sentence"]) == (False, rehearsal_runs.GONE)
    assert states(answer) == ["ok", "ok", "todo", "todo", "todo", "todo"]
    assert states(press(a.client(a.owner)))[0] == "now"
    assert a.run(RehearsalRun.objects.count) == 2


@pytest.mark.parametrize(
    ("values", "seen", "ok"),
    [
        ({"steps": _steps(3)}, ["ok", "ok", "ok", "now", "todo", "todo"], None),
        (
            {"steps": _steps(3, "No queue."), "state": State.FAILED, "ended_at": timezone.now(), "error": "No queue."},
            ["ok", "ok", "failed", "todo", "todo", "todo"],
            False,
        ),
        ({"steps": _steps(6), "state": State.PASSED, "ended_at": timezone.now()}, ["ok"] * 6, True),
    ],
)
def test_each_hop_is_shown_as_it_stands(tenants: Tenants, values: Any, seen: list[str], ok: bool | None) -> None:
    a = tenants.a
    _started(a, **values)
    answer = look(a.client(a.agent))
    assert (states(answer), answer["run"]["ok"]) == (seen, ok)
    html = a.client(a.owner).get("/setup/").content.decode()
    assert re.findall(r'data-hop="\w+" data-state="(\w+)"', html) == seen


def test_a_hop_beyond_its_target_is_late(tenants: Tenants) -> None:
    steps = _steps(6)
    steps[2]["ms"] = 2_001
    _started(tenants.a, steps=steps, state=State.PASSED, ended_at=timezone.now())
    shown = look(tenants.a.client(tenants.a.owner))["run"]["steps"]
    assert [step["name"] for step in shown if step["late"]] == ["in_queue"]
    assert shown[2]["shown"] == "2,001 ms"


def test_a_test_that_stopped_takes_the_tick_until_one_goes_all_the_way(tenants: Tenants) -> None:
    a, now = tenants.a, timezone.now()

    def ticked() -> tuple[bool, str]:
        html = a.client(a.owner).get("/setup/?part=steps").content.decode()
        row = re.search(r'data-step="test".*?"tick( tick-done)?.*?<h2>.*?</h2><p>(.*?)</p>', html, re.DOTALL)
        assert row
        return bool(row.group(1)), row.group(2)

    done = {"claimed_at": now, "claimed_name": "Tom", "resolved_at": now - timedelta(hours=1), "state": "resolved"}
    a.run(Handoff.objects.filter(pk=a.thread.handoff_id).update, **done)
    assert ticked()[0]
    _started(a, state=State.FAILED, ended_at=now, started_at=now - timedelta(minutes=5), error="No queue.")
    assert ticked() == (False, "The last test stopped: No queue.")
    a.run(Handoff.objects.filter(pk=a.thread.handoff_id).update, resolved_at=now)
    assert ticked()[0]


def test_a_run_is_played_once(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[str] = []

    async def play(self: Any, stage: Any) -> bool:
        played.append(stage.host)
        return True

    monkeypatch.setattr(rehearsal_runs.Recorder, "play", play)
    a = tenants.a
    run = _started(a)
    for _ in range(2):
        a.run(play_rehearsal, rehearsal_id=run.pk)
    assert played == [a.http_host]
    assert a.run(RehearsalRun.objects.get).state == State.PASSED


def test_a_bug_of_ours_ends_the_run_with_a_sentence(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(self: Any, stage: Any) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(rehearsal_runs.Recorder, "play", play)
    run = _started(tenants.a)
    tenants.a.run(play_rehearsal, rehearsal_id=run.pk)
    ended = tenants.a.run(RehearsalRun.objects.get)
    assert (ended.state, ended.error) == (State.FAILED, rehearsal_runs.BROKEN)


def test_after_the_plans_end_the_test_says_so(tenants: Tenants) -> None:
    a = tenants.a
    Tenant.objects.filter(pk=a.tenant_id).update(subscription="ended", ends_at=timezone.now())
    run = _started(a)
    a.run(play_rehearsal, rehearsal_id=run.pk)
    ended = a.run(RehearsalRun.objects.get)
    assert ended.state == State.FAILED
    assert "The AI rests" in ended.error


def _wait_for_end(client: Client, seconds: int = 90) -> list[dict[str, Any]]:
    """Every different answer until the run is over."""
    seen: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = look(client)
        if not seen or answer != seen[-1]:
            seen.append(answer)
        if answer["run"]["ok"] is not None:
            return seen
        time.sleep(0.1)
    raise AssertionError(f"still running: {seen[-1]}")


def test_the_button_plays_a_whole_escalation_against_the_running_server(
    fresh_tenant: Cast, web_port: int, tmp_path: Path
) -> None:
    """Without content it stops with a sentence; with a page it goes all the way, and leaves nothing behind that
    counts or leaves the house."""
    cast, client = fresh_tenant, fresh_tenant.client(fresh_tenant.owner)
    current_app.control.purge()
    before = cast.run(lambda: (Lead.objects.count(), OutboxEntry.objects.count(), Conversation.objects.real().count()))
    with working(tmp_path, web_port):
        press(client)
        stopped = _wait_for_end(client)[-1]
        assert states(stopped) == ["failed", *["todo"] * 5], (tmp_path / "worker.log").read_text()
        assert "Add content first." in stopped["run"]["sentence"]
        cast.run(add_page, cast.project_id)
        press(client)
        told = _wait_for_end(client)
    assert told[-1]["run"]["sentence"] == "Every step happened. You can go live.", told[-1]
    assert states(told[-1]) == ["ok"] * 6
    assert all(step["ms"] is not None for step in told[-1]["run"]["steps"])
    assert len({tuple(states(answer)) for answer in told}) > 2, "the hops were not seen one by one"
    assert cast.run(Conversation.objects.filter(is_test=True).count) == 1
    after = cast.run(lambda: (Lead.objects.count(), OutboxEntry.objects.count(), Conversation.objects.real().count()))
    assert after == before
    assert not cast.run(Availability.objects.filter(seat__is_rehearsal=True).exists)
    assert "went all the way, answered by Rehearsal" in client.get("/setup/").content.decode()


def add_page(project_id: int) -> None:
    """A page that answers its own title, read and live. Needs the schema of a tenant of this test's own."""
    project = Project.objects.get(pk=project_id)
    source = knowledge.add_source(project=project, kind=Source.Kind.TEXT, name="How long do refunds take?", text=PAGE)
    knowledge.start_crawl(source=source)
    work_off()
