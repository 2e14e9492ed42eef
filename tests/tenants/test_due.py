"""Notes of work: none is lost, whatever the broker, the worker or the clock of the transactions does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier, Event

import pytest
from celery import current_app
from django.db import connection, connections, transaction
from django.utils import timezone

from tenants import actions, due, tasks
from tenants.errors import SchemaMissing
from tenants.models import Due, Heartbeat
from tenants.schema import run_in
from tests.cast import Cast
from tests.conftest import Tenants


class Sent:
    """Stands where Celery is: keeps what the sweep sent."""

    def __init__(self, *, known: bool = True) -> None:
        self.calls: list[tuple[str, str]] = []
        self.known = known

    def __call__(self, schema: str, kind: str, receipt_kind: str) -> bool:
        assert receipt_kind == f"{kind}~sent"
        self.calls.append((schema, kind))
        return self.known


@pytest.fixture(autouse=True)
def _nothing_due(request: pytest.FixtureRequest) -> None:
    """What tests that commit have left is not due here; it comes back with the transaction's end."""
    if "db" in request.fixturenames:
        request.getfixturevalue("db")
        Due.objects.all().delete()


def notes(schema: str) -> dict[str, datetime]:
    return dict(Due.objects.filter(schema=schema).values_list("kind", "at"))


def test_the_earliest_time_is_kept(tenants: Tenants) -> None:
    now = timezone.now()
    for seconds in (60, 10, 300):
        tenants.a.run(due.note, "turn", now + timedelta(seconds=seconds))
    assert notes(tenants.a.schema) == {"turn": now + timedelta(seconds=10)}


def test_a_note_belongs_to_the_present_tenant_and_kind(tenants: Tenants) -> None:
    now = timezone.now()
    for cast in tenants:
        cast.run(due.note, "turn", now)
        cast.run(due.note, "crawl", now)
    assert set(Due.objects.values_list("schema", "kind")) == {
        (cast.schema, kind) for cast in tenants for kind in ("turn", "crawl")
    }


def test_outside_of_every_tenant_nothing_can_be_due(db: None) -> None:
    with pytest.raises(SchemaMissing):
        due.note("turn", timezone.now())
    assert not Due.objects.exists()


def test_a_note_goes_with_its_transaction(tenants: Tenants) -> None:
    def half() -> None:
        with transaction.atomic():
            due.note("turn", timezone.now())
            raise RuntimeError("planned")

    with pytest.raises(RuntimeError, match="planned"):
        tenants.a.run(half)
    assert not Due.objects.exists()


def test_only_what_is_due_is_sent(tenants: Tenants) -> None:
    now = timezone.now()
    tenants.a.run(due.note, "turn", now - timedelta(seconds=1))
    tenants.b.run(due.note, "turn", now + timedelta(seconds=1))
    sent = Sent()
    assert due.sweep(send=sent, now=now).sent == 1
    assert sent.calls == [(tenants.a.schema, "turn")]
    assert notes(tenants.b.schema) == {"turn": now + timedelta(seconds=1)}


def test_a_sent_note_comes_back_unless_its_task_succeeds(tenants: Tenants) -> None:
    now = timezone.now()
    for cast in (tenants.a, tenants.b):
        cast.run(due.note, "turn", now)
    due.sweep(send=Sent(), now=now)
    due.settle(schema=tenants.a.schema, receipt_kind="turn~sent")
    early, late = Sent(), Sent()
    due.sweep(send=early, now=now + timedelta(seconds=due.RESEND_SECONDS - 1))
    due.sweep(send=late, now=now + timedelta(seconds=due.RESEND_SECONDS))
    assert early.calls == []
    assert late.calls == [(tenants.b.schema, "turn")]


def test_settling_does_not_take_work_that_was_noted_meanwhile(tenants: Tenants) -> None:
    now = timezone.now()
    tenants.a.run(due.note, "turn", now)
    due.sweep(send=Sent(), now=now)
    tenants.a.run(due.note, "turn", now + timedelta(seconds=5))
    due.settle(schema=tenants.a.schema, receipt_kind="turn~sent")
    assert notes(tenants.a.schema) == {"turn": now + timedelta(seconds=5)}


def test_a_broker_that_is_down_takes_no_note_with_it(tenants: Tenants) -> None:
    now = timezone.now()
    tenants.a.run(due.note, "turn", now)

    def down(schema: str, kind: str, receipt_kind: str) -> bool:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        due.sweep(send=down, now=now)
    assert notes(tenants.a.schema) == {"turn": now}


def test_a_broker_that_hangs_keeps_no_visitor_waiting(fresh_tenant: Cast) -> None:
    """A message notes that work is due while the sweep is stuck with the same note."""
    schema, now = fresh_tenant.schema, timezone.now()
    run_in(schema, due.note, "turn", now - timedelta(seconds=1))
    sending, released = Event(), Event()

    def stuck(to: str, kind: str, receipt_kind: str) -> bool:
        sending.set()
        assert released.wait(10)
        return True

    def sweep() -> None:
        try:
            due.sweep(send=stuck, now=now)
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(sweep)
            assert sending.wait(10)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                run_in(schema, due.note, "turn", now)
            released.set()
            done.result(10)
        assert set(notes(schema)) == {"turn", "turn~sent"}
    finally:
        released.set()
        Due.objects.filter(schema=schema).delete()


def test_work_of_an_unknown_kind_is_kept_and_does_not_stop_the_rest(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = timezone.now()
    sent: list[tuple[object, ...]] = []
    task = current_app.tasks["chat.sweep_turns"]
    monkeypatch.setattr(task, "apply_async", lambda args, **options: sent.append((args, options["link"].args)))
    for kind in ("misspelt", "turn"):
        tenants.a.run(due.note, kind, now)
    assert due.sweep(send=tasks._send, now=now) == due.Sweep(sent=1, unknown=1)
    assert sent == [((tenants.a.schema,), (tenants.a.schema, "turn~sent"))]
    assert "misspelt" in caplog.text
    assert set(notes(tenants.a.schema)) == {"misspelt~sent", "turn~sent"}


def test_every_bound_kind_has_a_task_that_takes_a_schema() -> None:
    current_app.loader.import_default_modules()  # what a worker does when it starts
    assert due._tasks
    for kind, name in due._tasks.items():
        assert name in current_app.tasks, (kind, name)
        with pytest.raises(SchemaMissing):
            current_app.tasks[name]("")


def test_each_note_is_sent_by_one_of_many_sweeps(fresh_tenant: Cast) -> None:
    sweeps, kinds = 5, 40
    past = timezone.now() - timedelta(seconds=1)
    for number in range(kinds):
        run_in(fresh_tenant.schema, due.note, f"race{number}", past)
    barrier = Barrier(sweeps)

    def sweep(_: int) -> list[tuple[str, str]]:
        sent = Sent()
        barrier.wait()
        try:
            due.sweep(send=sent)
        finally:
            connections.close_all()
        return [call for call in sent.calls if call[0] == fresh_tenant.schema]

    try:
        with ThreadPoolExecutor(sweeps) as pool:
            sent = [call for calls in pool.map(sweep, range(sweeps)) for call in calls]
        assert sorted(sent) == sorted({(fresh_tenant.schema, f"race{number}") for number in range(kinds)})
    finally:
        Due.objects.filter(schema=fresh_tenant.schema).delete()


def test_work_that_commits_while_the_sweep_runs_is_not_lost(fresh_tenant: Cast) -> None:
    """The writer found a note and relies on it; the sweep must not take it away before the writer commits."""
    schema, now = fresh_tenant.schema, timezone.now()
    run_in(schema, due.note, "turn", now - timedelta(seconds=1))
    noted, swept = Event(), Event()

    def write() -> None:
        with transaction.atomic():
            due.note("turn", now)
            noted.set()
            assert swept.wait(10)

    def writer() -> None:
        try:
            run_in(schema, write)
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(writer)
            assert noted.wait(10)
            first = Sent()
            due.sweep(send=first, now=now)
            swept.set()
            done.result(10)
        second = Sent()
        due.sweep(send=second, now=now)
        assert [call for call in first.calls if call[0] == schema] == []
        assert (schema, "turn") in second.calls
    finally:
        Due.objects.filter(schema=schema).delete()


def test_a_note_that_stays_locked_is_served_without_being_taken(fresh_tenant: Cast) -> None:
    schema, now = fresh_tenant.schema, timezone.now()
    long_ago = now - timedelta(seconds=due.OVERDUE_SECONDS + 1)
    run_in(schema, due.note, "turn", long_ago)
    noted, swept = Event(), Event()

    def write() -> None:
        with transaction.atomic():
            due.note("turn", now)
            noted.set()
            assert swept.wait(10)

    def writer() -> None:
        try:
            run_in(schema, write)
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(writer)
            assert noted.wait(10)
            sent = Sent()
            due.sweep(send=sent, now=now)
            swept.set()
            done.result(10)
        assert (schema, "turn") in sent.calls
        assert notes(schema) == {"turn": long_ago}
    finally:
        Due.objects.filter(schema=schema).delete()


def test_writers_of_the_same_kind_do_not_wait_for_each_other(fresh_tenant: Cast) -> None:
    schema, now = fresh_tenant.schema, timezone.now()
    run_in(schema, due.note, "turn", now)
    barrier = Barrier(3)

    def write() -> None:
        with transaction.atomic():
            due.note("turn", now)
            barrier.wait(10)  # all three hold the note at the same time

    def writer(_: int) -> None:
        try:
            run_in(schema, write)
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(writer, range(3)))
    finally:
        Due.objects.filter(schema=schema).delete()


def test_writers_of_two_kinds_in_opposite_order_do_not_wait_for_each_other(fresh_tenant: Cast) -> None:
    """Two who wait for each other are a deadlock, and one of the two would lose what it wrote."""
    schema, now = fresh_tenant.schema, timezone.now()
    barrier = Barrier(2)

    def write(kinds: tuple[str, str]) -> None:
        with transaction.atomic():
            for kind in kinds:
                due.note(kind, now)
                barrier.wait(10)  # both hold their first; then both have the other's too

    def writer(kinds: tuple[str, str]) -> None:
        try:
            run_in(schema, write, kinds)
        finally:
            connections.close_all()

    sent = Sent()
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(writer, [("turn", "crawl"), ("crawl", "turn")]))
        due.sweep(send=sent, now=now)
        assert sorted(call for call in sent.calls if call[0] == schema) == [(schema, "crawl"), (schema, "turn")]
        assert set(notes(schema)) == {"crawl~sent", "turn~sent"}
    finally:
        Due.objects.filter(schema=schema).delete()


def test_who_notes_does_not_wait_for_a_locked_note(fresh_tenant: Cast) -> None:
    """Neither to rely on it nor to move it, and its own note goes with its own transaction."""
    schema, now = fresh_tenant.schema, timezone.now()
    run_in(schema, due.note, "turn", now + timedelta(seconds=60))

    def writer() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                for seconds in (5, 90):
                    run_in(schema, due.note, "turn", now + timedelta(seconds=seconds))
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(1) as pool, transaction.atomic():
            assert len(Due.objects.select_for_update().filter(schema=schema)) == 1
            pool.submit(writer).result(10)
        assert sorted(notes(schema).values()) == [now + timedelta(seconds=seconds) for seconds in (5, 60)]
        assert {due.kind_of(kind) for kind in notes(schema)} == {"turn"}
    finally:
        Due.objects.filter(schema=schema).delete()


def test_a_heartbeat_moves_forward(db: None) -> None:
    actions.beat("chat")
    first = Heartbeat.objects.get(name="chat").at
    actions.beat("chat")
    assert Heartbeat.objects.get(name="chat").at == first  # one a second is enough
    Heartbeat.objects.update(at=first - timedelta(seconds=5))
    actions.beat("chat")
    assert Heartbeat.objects.get(name="chat").at >= first
