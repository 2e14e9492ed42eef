"""The outbox: once, in order, and visibly dead when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.models import Due
from tenants.workspace import outbox
from tenants.workspace.models import OutboxEntry
from tests.conftest import Tenants


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """Handlers for the kinds `good`, `flaky` and `bad`; what was delivered, in order."""
    before = dict(outbox._handlers)
    delivered: list[str] = []

    def flaky(entry: OutboxEntry) -> None:
        if entry.attempts < 2:
            raise outbox.DeliveryFailed("busy", retryable=True, after_seconds=1)
        delivered.append(entry.payload["text"])

    def bad(entry: OutboxEntry) -> None:
        raise outbox.DeliveryFailed("no such channel", retryable=False)

    outbox.bind({"good": lambda entry: delivered.append(entry.payload["text"]), "flaky": flaky, "bad": bad})
    yield delivered
    outbox.bind(before)


def _post(text: str, *, kind: str = "good", lane: str = "one") -> OutboxEntry:
    return outbox.post(kind=kind, lane=lane, key=f"{lane}:{text}", payload={"text": text})


def _later() -> None:
    OutboxEntry.objects.filter(state="waiting").update(next_at=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def tenant(tenants: Tenants) -> Iterator[Tenants]:
    with tenants.a.inside():
        OutboxEntry.objects.all().delete()
        yield tenants


def test_entries_leave_in_order_and_once(tenant: Tenants, sent: list[str]) -> None:
    for text in ("a", "b", "c", "b"):
        _post(text)
    assert outbox.deliver_due() == 3
    assert outbox.deliver_due() == 0
    assert sent == ["a", "b", "c"]


def test_a_failing_entry_holds_its_lane_and_no_other(tenant: Tenants, sent: list[str]) -> None:
    _post("first", kind="flaky"), _post("second"), _post("elsewhere", lane="two")
    outbox.deliver_due()
    assert sent == ["elsewhere"]
    assert OutboxEntry.objects.get(idempotency_key="one:first").last_error == "busy"
    _later()
    outbox.deliver_due()
    assert sent == ["elsewhere", "first", "second"]


def test_a_hopeless_entry_is_dead_lets_the_lane_go_on_and_can_be_tried_again(tenant: Tenants, sent: list[str]) -> None:
    entry = _post("lost", kind="bad")
    _post("next")
    outbox.deliver_due()
    entry.refresh_from_db()
    assert (entry.state, entry.last_error) == ("dead", "no such channel")
    assert sent == ["next"]
    assert outbox.retry(entry_id=entry.pk) is True
    entry.refresh_from_db()
    assert (entry.state, entry.attempts) == ("waiting", 0)
    assert outbox.retry(entry_id=entry.pk) is False


def test_an_entry_whose_sender_died_is_taken_over_after_its_lease(tenant: Tenants, sent: list[str]) -> None:
    entry = _post("a")
    assert outbox.claim() is not None
    assert outbox.claim() is None
    OutboxEntry.objects.filter(pk=entry.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    outbox.deliver_due()
    assert sent == ["a"]


def test_ten_failures_are_enough(tenant: Tenants, sent: list[str]) -> None:
    entry = _post("never", kind="flaky")
    outbox._handlers["flaky"] = lambda entry: (_ for _ in ()).throw(outbox.DeliveryFailed("busy", retryable=True))
    for _ in range(12):
        _later()
        outbox.deliver_due()
    entry.refresh_from_db()
    assert (entry.state, entry.attempts) == ("dead", outbox.MOST_ATTEMPTS)


def test_posting_notes_that_work_is_due(tenant: Tenants, sent: list[str]) -> None:
    Due.objects.filter(schema=tenant.a.schema).delete()
    _post("a")
    assert Due.objects.filter(schema=tenant.a.schema, kind=outbox.KIND).exists()


@pytest.mark.parametrize(
    ("attempts", "asked", "seconds"), [(1, None, 5), (2, None, 10), (4, None, 40), (9, None, 600), (1, 30, 30)]
)
def test_pauses_grow_and_respect_what_was_asked(attempts: int, asked: float | None, seconds: float) -> None:
    assert outbox.pause_seconds(attempts, asked) == seconds
