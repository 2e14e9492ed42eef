"""Words in time, or people: whatever became of the worker, the broker or the model. No clock is waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import actions, delivery, turns
from chat.log import lock
from chat.models import FIRST_WORDS, Conversation, Handoff, Message, Turn
from chat.watch import SOONEST, Watch, watch
from livesupport.models import Availability
from tests.cast import Cast
from tests.chat.test_turns import answer, begin, opened, said, say, states
from tests.conftest import Tenants

PROMISE_SECONDS = 20
SECOND = timedelta(seconds=1)


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside():
        Availability.objects.update_or_create(
            seat_id=tenants.a.agent.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": timezone.now()}
        )
        Turn.objects.exclude(state="done").delete()
        yield tenants.a


@pytest.fixture
def conversation(shop: Cast) -> Conversation:
    return opened(shop)


def last(conversation: Conversation) -> Message:
    return Message.objects.filter(conversation=conversation).order_by("-seq")[0]


def test_a_turn_that_no_worker_took_becomes_a_handoff_before_the_promise_is_over(conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    assert turn.overdue_at - turn.queued_at == FIRST_WORDS < timedelta(seconds=PROMISE_SECONDS)
    assert actions.overdue_turns(now=turn.overdue_at - SECOND) == turn.overdue_at
    assert states(conversation) == ["queued"]
    assert actions.overdue_turns(now=turn.overdue_at) is None
    conversation.refresh_from_db()
    handoff = Handoff.objects.get(conversation=conversation)
    assert conversation.owner == Conversation.Owner.QUEUE
    assert (handoff.trigger, handoff.question) == (Handoff.Trigger.FAILURE, "Where is my parcel?")
    assert handoff.reason == "The AI did not begin to answer in time"
    assert last(conversation).event == "handed_over"


def test_with_nobody_there_the_visitor_is_told_so(conversation: Conversation) -> None:
    Availability.objects.all().delete()
    turn = say(conversation, "Where is my parcel?")
    actions.overdue_turns(now=turn.overdue_at)
    assert (last(conversation).event, last(conversation).data["ask_email"]) == ("standing", True)


@pytest.mark.parametrize(
    ("has_evidence", "reason"),
    [(False, "The AI did not finish reading your content in time"), (True, "The AI found no words in time")],
    ids=["the embedder hangs", "the model hangs before the first byte"],
)
def test_a_worker_that_hangs_without_a_word_is_overdue(
    conversation: Conversation, has_evidence: bool, reason: str
) -> None:
    turn = say(conversation, "Where is my parcel?")
    job = begin(turn)
    if has_evidence:
        actions.note_evidence(hold=job.hold, evidence={}, confidence=0.7, decision={})
    actions.keep_turn(hold=job.hold)  # a sign of life is no word
    actions.overdue_turns(now=turn.overdue_at)
    assert Handoff.objects.get(conversation=conversation).reason == reason
    assert answer(job, "Too late.") is None
    assert said(conversation) == []


def test_between_words_and_in_all_there_is_a_limit(conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    job = begin(turn)
    spoke_at = timezone.now()
    actions.keep_turn(hold=job.hold, words=True)
    turn.refresh_from_db()
    assert turn.first_words_at is not None
    assert timedelta(seconds=8) < turn.overdue_at - spoke_at < timedelta(seconds=10)
    Turn.objects.filter(pk=turn.pk).update(queued_at=timezone.now() - timedelta(seconds=85))
    actions.keep_turn(hold=job.hold, words=True)
    turn.refresh_from_db()
    assert timedelta(seconds=2) < turn.overdue_at - timezone.now() < timedelta(seconds=4)
    actions.overdue_turns(now=turn.overdue_at)
    assert Handoff.objects.get(conversation=conversation).reason == "The AI stopped in the middle of its answer"


def test_looking_twice_calls_people_once(conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    for _ in range(3):
        actions.overdue_turns(now=turn.overdue_at)
    assert Message.objects.filter(conversation=conversation, event="handed_over").count() == 1


def test_a_turn_whose_conversation_went_to_a_person_is_nobodys_failure(shop: Cast, conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    actions.claim_conversation(conversation_id=conversation.pk, seat=shop.agent.seat)
    Turn.objects.filter(pk=turn.pk).update(state="queued")
    actions.overdue_turns(now=turn.overdue_at)
    assert states(conversation) == ["dropped"]
    assert not Handoff.objects.filter(conversation=conversation).exists()


def test_the_sweep_looks_too_and_keeps_the_schema_due_only_while_something_is_open(conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    Turn.objects.filter(pk=turn.pk).update(queued_at=timezone.now() - FIRST_WORDS, overdue_at=timezone.now())
    assert actions.sweep_turns() == []
    assert states(conversation) == ["failed"]


def test_a_locked_conversation_does_not_hold_up_the_look_nor_the_turns_behind_it(fresh_tenant: Cast) -> None:
    def prepare() -> tuple[Conversation, Conversation, Turn]:
        locked, free = opened(fresh_tenant), opened(fresh_tenant)
        first = say(locked, "Where is my parcel?")
        say(free, "And mine?")
        Turn.objects.update(overdue_at=first.overdue_at)
        return locked, free, first

    locked, free, first = fresh_tenant.run(prepare)

    def look() -> datetime | None:
        try:
            found: datetime | None = fresh_tenant.run(actions.overdue_turns, now=first.overdue_at)
            return found
        finally:
            connections.close_all()

    def look_while_locked() -> datetime | None:
        with transaction.atomic():
            lock(locked.pk)
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(look).result(10)

    assert fresh_tenant.run(look_while_locked) == first.overdue_at
    assert (fresh_tenant.run(states, locked), fresh_tenant.run(states, free)) == (["queued"], ["failed"])
    assert fresh_tenant.run(actions.overdue_turns, now=first.overdue_at) is None
    assert fresh_tenant.run(states, locked) == ["failed"]


def test_the_patience_with_a_model_leaves_time_for_what_stands_in_for_it(conversation: Conversation) -> None:
    turn = say(conversation, "Where is my parcel?")
    job = begin(turn)
    patience = turns.patience_of(job, turn.queued_at + timedelta(seconds=2))
    assert (patience.first, patience.total) == (12.0, 83.0)
    assert patience.between < 9 < 10
    assert turns.patience_of(job, turn.queued_at + timedelta(minutes=5)).first == 1.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_each_process_looks_at_the_moment_that_was_noted_and_again_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    begun = clock.now
    looks: list[tuple[str, float]] = []
    again = {"a": [begun + 30 * SECOND, None], "b": [None]}

    def look(schema: str) -> datetime | None:
        looks.append((schema, (clock.now - begun).total_seconds()))
        return again[schema].pop(0)

    mine = Watch(look, clock)
    monkeypatch.setattr(mine, "_run", lambda: None)
    mine.note("a", begun + 18 * SECOND)
    mine.note("a", begun + 25 * SECOND)  # an earlier note stays
    mine.note("b", begun + 20 * SECOND)
    for seconds in (17, 18, 20, 29, 30, 31):
        clock.now = begun + seconds * SECOND
        mine.look_now()
    assert looks == [("a", 18), ("b", 20), ("a", 30)]


def test_trouble_with_one_tenant_is_tried_again_and_hurts_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    looks: list[str] = []

    def look(schema: str) -> datetime | None:
        looks.append(schema)
        if schema == "a" and looks.count("a") == 1:
            raise RuntimeError("the database is away")
        return None

    mine = Watch(look, clock)
    monkeypatch.setattr(mine, "_run", lambda: None)
    for schema in ("a", "b"):
        mine.note(schema, clock.now)
    mine.look_now()
    assert looks == ["a", "b"]
    clock.now += SOONEST
    mine.look_now()
    mine.look_now()
    assert looks == ["a", "b", "a"]


def test_the_thread_ends_when_nothing_is_left_to_watch() -> None:
    looked = threading.Event()

    def look(schema: str) -> None:
        looked.set()

    mine = Watch(look)
    mine.note("a", timezone.now())
    assert looked.wait(5)
    thread = mine._thread
    if thread is not None:
        thread.join(5)
    assert mine._thread is None


def test_the_reread_is_one_query_and_tells_the_watch_of_turns_of_processes_that_are_gone(
    shop: Cast, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[tuple[str, datetime]] = []
    monkeypatch.setattr(watch, "note", lambda schema, at: noted.append((schema, at)))
    others = [opened(shop) for _ in range(5)]
    turn = say(others[0], "Where is my parcel?")
    ids = [str(one.pk) for one in (conversation, *others)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ends = delivery.last_seqs(ids)
    statements = [query["sql"] for query in queries if "search_path" not in query["sql"]]
    assert len(statements) == 1
    assert ends[str(others[0].pk)] == 1
    assert set(noted) == {(shop.schema, turn.overdue_at)}
