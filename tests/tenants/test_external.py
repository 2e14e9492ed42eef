"""Calls from outside: each handled once, those of one lane in their order, and none for ever."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tenants import external, tasks
from tenants.errors import ProductError
from tenants.models import ExternalEvent

KIND = "letters"
OnCommit = Callable[[], AbstractContextManager[list[Callable[[], object]]]]


@pytest.fixture
def done(db: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the handler did, in order. `fail` fails for now; `never` for good; `die` is a worker that is killed."""
    found: list[str] = []

    def handler(event: ExternalEvent) -> None:
        word = event.body["word"]
        if word == "die":
            raise SystemExit
        if word in ("fail", "never"):
            raise ProductError("No.", retryable=word == "fail")
        found.append(word)

    monkeypatch.setitem(external._handlers, KIND, handler)
    ExternalEvent.objects.all().delete()
    return found


def kept(word: str, *, lane: str = "") -> ExternalEvent:
    name = f"{word}-{ExternalEvent.objects.count()}"
    assert external.keep(kind=KIND, external_id=name, lane=lane, body={"word": word})
    return ExternalEvent.objects.get(kind=KIND, external_id=name)


def let_time_pass() -> None:
    later = timezone.now() - timedelta(hours=1)
    ExternalEvent.objects.update(next_at=later, received_at=later)


def test_a_later_one_of_a_lane_waits_for_the_earlier_ones(done: list[str]) -> None:
    first, second = kept("first", lane="a"), kept("second", lane="a")
    other, alone = kept("other", lane="b"), kept("alone")
    assert [external.handle(event_id=one.pk) for one in (second, other, alone)] == [False, True, True]
    assert [external.handle(event_id=one.pk) for one in (first, second)] == [True, True]
    assert done == ["other", "alone", "first", "second"]
    second.refresh_from_db()
    assert (second.attempts, second.error) == (1, "")


def test_events_without_a_lane_do_not_wait_for_each_other(done: list[str]) -> None:
    first, second = kept("first"), kept("second")
    assert external.handle(event_id=second.pk)
    assert external.handle(event_id=first.pk)


def test_the_end_of_one_wakes_the_next_of_its_lane(
    done: list[str], on_commit: OnCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (kept(word, lane="a") for word in ("never", "second", "third"))
    sent: list[int] = []
    monkeypatch.setattr(tasks.handle_external, "delay", sent.append)
    with on_commit():
        external.handle(event_id=first.pk)
    assert sent == [second.pk]
    with on_commit():
        external.handle(event_id=second.pk)
    assert sent == [second.pk, third.pk]
    with on_commit():
        external.handle(event_id=third.pk)
    assert sent == [second.pk, third.pk]


def test_one_that_is_tried_again_holds_its_lane_and_no_other(done: list[str], on_commit: OnCommit) -> None:
    first, second = kept("fail", lane="a"), kept("second", lane="a")
    with on_commit() as nudges:
        assert external.handle(event_id=first.pk)
    assert nudges == []
    assert not external.handle(event_id=second.pk)
    let_time_pass()
    assert external.waiting() == [first.pk]  # the sweep is not clogged by what has to wait
    for _ in range(external.MOST_ATTEMPTS - 1):
        let_time_pass()
        assert external.handle(event_id=first.pk)
    first.refresh_from_db()
    assert (first.handled_at is not None, first.error) == (True, "No.")
    assert external.handle(event_id=second.pk)
    assert done == ["second"]


def test_what_kills_its_worker_each_time_is_given_up(done: list[str]) -> None:
    poison, next_one = kept("die", lane="a"), kept("next", lane="a")
    for _ in range(external.MOST_ATTEMPTS):
        let_time_pass()
        with pytest.raises(SystemExit):
            external.handle(event_id=poison.pk)
    let_time_pass()
    assert external.handle(event_id=poison.pk)
    poison.refresh_from_db()
    assert poison.handled_at is not None
    assert "each time" in poison.error
    assert external.handle(event_id=next_one.pk)
    assert done == ["next"]


def test_a_worker_that_was_overtaken_does_not_open_it_again(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    event = kept("slow")

    def handler(taken: ExternalEvent) -> None:
        if taken.attempts == 1:  # its minute passes, and another worker does it
            let_time_pass()
            assert external.handle(event_id=taken.pk)
            raise ProductError("Too late.", retryable=True)

    monkeypatch.setitem(external._handlers, KIND, handler)
    external.handle(event_id=event.pk)
    event.refresh_from_db()
    facts: tuple[Any, ...] = (event.handled_at is not None, event.error, event.body)
    assert facts == (True, "", {})
