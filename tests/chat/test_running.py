"""A worker that is asked to end finishes its turns or gives them back, so that nobody waits for a lease to run out."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from celery.signals import worker_shutting_down
from django.utils import timezone

from builtabot.celery import app
from chat import actions, running
from chat.actions import Word
from chat.models import Turn
from chat.running import Running
from livesupport.models import Availability
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.chat.test_judgement_turns import REFUND_PAGE, REFUND_QUESTION, know, without_content
from tests.chat.test_turns import begin, conversation, opened, say, shop
from tests.fakes.openai_server import MODEL, FakeOpenAI, Fault, Reply
from tests.web import working

__all__ = ["conversation", "shop"]


def test_a_turn_that_is_given_back_is_anybodys_at_once_and_no_longer_ours(conversation: object, shop: Cast) -> None:
    held = begin(say(conversation, "Do you ship to Norway?"))
    mine = Running()
    with mine.holding(held.hold):
        mine.give_back()
        assert actions.keep_turn(hold=held.hold) is Word.STOP
        next_ = actions.begin_turn(turn_id=held.hold.turn_id)
    assert next_ is not None
    assert next_.hold.attempt == held.hold.attempt + 1
    assert actions.keep_turn(hold=next_.hold) is Word.GO
    mine.give_back()  # it is not ours any more: the other's lease stays
    assert Turn.objects.get(pk=held.hold.turn_id).state == Turn.State.RUNNING


def test_a_finished_turn_is_not_given_back(conversation: object, shop: Cast) -> None:
    held = begin(say(conversation, "Do you ship to Norway?"))
    mine = Running()
    with mine.holding(held.hold):
        actions.answer_turn(hold=held.hold, text="Yes.", outcome="reply", citations=[])
        mine.give_back()
    assert Turn.objects.get(pk=held.hold.turn_id).state == Turn.State.DONE


def test_a_worker_that_is_asked_to_end_sets_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(running.running, "end_soon", lambda: asked.append(True))
    worker_shutting_down.send(sender=app, sig="TERM", how="warm", exitcode=0)
    assert asked == [True]


def test_what_is_not_finished_in_time_is_given_back() -> None:
    mine = Running()
    given: list[bool] = []
    mine.give_back = lambda: given.append(True)  # type: ignore[method-assign]
    mine.end_soon(0.01).join(5)
    assert given == [True]


def test_a_real_worker_gives_back_what_waits_for_a_model_that_hangs(
    fresh_tenant: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> int:
        there = {"state": "online", "capacity": 50, "seen_at": timezone.now()}
        Availability.objects.update_or_create(seat_id=fresh_tenant.agent.seat_id, defaults=there)
        Project.objects.update(answerer="openai", model_name="", model_key="")
        without_content(fresh_tenant)
        know(fresh_tenant, *REFUND_PAGE)
        return say(opened(fresh_tenant), REFUND_QUESTION).pk

    with FakeOpenAI() as model:
        model.default = Reply(fault=Fault.HANG)
        for name, value in {"API_KEY": "sk-op", "BASE_URL": model.base_url, "MODEL": MODEL}.items():
            monkeypatch.setenv(f"OPENAI_{name}", value)
        with working(tmp_path, 8000) as worker:
            # Asked only now: a start that takes long would eat up the time that the model is given.
            _until(lambda: " ready." in (tmp_path / "worker.log").read_text(), 40, tmp_path / "worker.log")
            turn_id = fresh_tenant.run(ask)
            _until(lambda: model.calls, 40, tmp_path / "worker.log")
            worker.send_signal(signal.SIGTERM)
            asked_at = time.monotonic()
            _until(lambda: fresh_tenant.run(_state, turn_id) == "queued", 8, tmp_path / "worker.log")
            assert time.monotonic() - asked_at < running.FINISH_SECONDS + 3
            worker.kill()  # as whoever asked it to end does in the end
    assert fresh_tenant.run(actions.begin_turn, turn_id=turn_id) is not None  # and anybody may have it


def _state(turn_id: int) -> str:
    return str(Turn.objects.get(pk=turn_id).state)


def _until(true: Callable[[], object], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)
