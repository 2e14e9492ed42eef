"""A worker that is asked to end finishes its turns or gives them back, so that nobody waits for a lease to run out."""

from __future__ import annotations

from celery.signals import worker_shutting_down

from builtabot.celery import app
from chat import actions, running
from chat.actions import Word
from chat.models import Turn
from chat.running import Running
from tests.cast import Cast
from tests.chat.test_turns import begin, conversation, say, shop

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


def test_a_worker_that_is_asked_to_end_sets_the_clock(monkeypatch: object) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(running.running, "end_soon", lambda: asked.append(True))  # type: ignore[attr-defined]
    worker_shutting_down.send(sender=app, sig="TERM", how="warm", exitcode=0)
    assert asked == [True]


def test_what_is_not_finished_in_time_is_given_back() -> None:
    mine = Running()
    given: list[bool] = []
    mine.give_back = lambda: given.append(True)  # type: ignore[method-assign]
    mine.end_soon(0.01).join(5)
    assert given == [True]
