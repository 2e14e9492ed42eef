"""The outbox: once, in order, and visibly dead when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.models import Due
from tenants.workspace import outbox
from tenants.workspace.models import AuditEntry, OutboxEntry, Project
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


def test_a_sender_whose_lease_passed_writes_nothing_over_its_successor(tenant: Tenants, sent: list[str]) -> None:
    entry = _post("slow", kind="slow")

    def slow(mine: OutboxEntry) -> None:
        OutboxEntry.objects.filter(pk=mine.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        taken = outbox.claim()
        assert taken is not None
        raise outbox.DeliveryFailed("too late", retryable=False)

    outbox._handlers["slow"] = slow
    outbox.deliver_due()
    entry.refresh_from_db()
    assert (entry.state, entry.attempts, entry.last_error) == ("sending", 2, "")


def _aged(text: str, *, days: int, state: str, lane: str) -> OutboxEntry:
    entry = _post(text, lane=lane)
    OutboxEntry.objects.filter(pk=entry.pk).update(state=state, created_at=timezone.now() - timedelta(days=days))
    return entry


def test_what_left_a_month_ago_is_dropped_and_what_failed_is_not(tenant: Tenants) -> None:
    _aged("sent", days=31, state="sent", lane="a")
    _aged("skipped", days=31, state="skipped", lane="b")
    kept = [
        _aged("young", days=29, state="sent", lane="c"),
        _aged("dead", days=400, state="dead", lane="d"),
        _aged("waits", days=31, state="waiting", lane="e"),
        _aged("in a lane that lives", days=31, state="sent", lane="f"),
        _aged("lives", days=1, state="sent", lane="f"),
    ]
    assert outbox.prune() == 2
    assert list(OutboxEntry.objects.order_by("pk")) == kept
    assert outbox.prune() == 0


def test_pruning_comes_back_only_while_there_is_something_to_prune(tenant: Tenants, sent: list[str]) -> None:
    notes = Due.objects.filter(schema=tenant.a.schema, kind=outbox.PRUNE)
    notes.delete()
    _post("a")
    outbox.deliver_due()
    assert notes.get().at > timezone.now() + timedelta(days=29)
    for _ in range(3):
        _post("a"), outbox.deliver_due()
    assert notes.count() == 1
    notes.delete()
    OutboxEntry.objects.update(created_at=timezone.now() - timedelta(days=31))
    outbox.prune()
    assert not notes.exists()


def test_all_that_failed_can_be_tried_again_in_their_order(tenant: Tenants, sent: list[str]) -> None:
    for text in ("a", "b", "c"):
        _post(text, kind="bad", lane=text)
    outbox.deliver_due()
    assert outbox.failures() == 3
    outbox._handlers["bad"] = outbox._handlers["good"]
    assert outbox.retry_all() == 3
    assert outbox.failures() == 0
    outbox.deliver_due()
    assert sent == ["a", "b", "c"]


def test_owners_read_on_the_setup_page_what_failed_and_agents_do_not(tenants: Tenants) -> None:
    with tenants.a.inside():
        OutboxEntry.objects.filter(pk=tenants.a.outbox_id).update(state="dead")
        Project.objects.update(answerer="openai", model_problem="The language model does not accept our key.")
    shown = tenants.a.client(tenants.a.owner).get("/setup/").content.decode()
    assert "1 delivery failed for good" in shown
    assert "does not accept our key" in shown
    hidden = tenants.a.client(tenants.a.agent).get("/setup/").content.decode()
    assert "failed for good" not in hidden
    assert "our key" not in hidden


def test_the_list_offers_to_try_all_again_and_does(tenants: Tenants) -> None:
    with tenants.a.inside():
        OutboxEntry.objects.filter(pk=tenants.a.outbox_id).update(state="dead")
    client = tenants.a.client(tenants.a.admin)
    address = "/admin/workspace/outboxentry/"
    assert "Try all again" in client.get(address).content.decode()
    assert client.get(f"{address}retry/").status_code == 405
    assert client.post(f"{address}retry/").status_code == 302
    with tenants.a.inside():
        assert OutboxEntry.objects.get(pk=tenants.a.outbox_id).state == "waiting"
        assert AuditEntry.objects.filter(verb="sent again", subject="all 1 that failed").exists()
    assert "Try all again" not in client.get(address).content.decode()


def test_a_chatbots_page_says_that_its_model_is_silent(tenants: Tenants) -> None:
    cast = tenants.a
    with cast.inside():
        Project.objects.update(answerer="openai", model_problem="The language model does not accept our key.")
    shown = cast.client(cast.owner).get(f"/admin/workspace/project/{cast.project_id}/change/").content.decode()
    assert "The language model does not answer" in shown
    assert "does not accept our key" in shown


def test_a_lane_in_back_off_is_looked_at_when_its_head_may_leave(tenant: Tenants, sent: list[str]) -> None:
    """What waits behind the head is due long ago, and must not bring the worker back every two seconds."""
    head = _post("first", kind="flaky")
    _post("second")
    again_at = timezone.now() + timedelta(minutes=10)
    OutboxEntry.objects.filter(pk=head.pk).update(next_at=again_at)
    Due.objects.all().delete()
    assert outbox.deliver_due() == 0
    assert Due.objects.get(kind=outbox.KIND).at == again_at


def test_what_is_being_sent_is_looked_at_when_its_lease_ends(tenant: Tenants, sent: list[str]) -> None:
    _post("first"), _post("second")
    held = outbox.claim()
    assert held is not None
    Due.objects.all().delete()
    assert outbox.deliver_due() == 0
    assert Due.objects.get(kind=outbox.KIND).at == held.lease_until
