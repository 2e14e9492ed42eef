"""Copies of a call that arrive at the same time, and people who reach for the same conversation at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from chat.models import Message
from livesupport import actions as live
from livesupport.models import SlackThread
from tenants.errors import ProductError
from tenants.models import ExternalEvent
from tenants.schema import run_in
from tenants.workspace import outbox
from tenants.workspace.models import OutboxEntry, Seat
from tests.cast import Cast
from tests.fakes.slack_server import FakeSlack
from tests.livesupport.slack.conftest import Desk, hand_over, handle_all, install, signed


def together(*deeds: Callable[[], object]) -> None:
    """Run all at once, each on a connection of its own."""
    gate = threading.Barrier(len(deeds))
    errors: list[BaseException] = []

    def run(deed: Callable[[], object]) -> None:
        gate.wait(10)
        try:
            deed()
        except BaseException as error:  # noqa: BLE001  shown below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def stand(cast: Cast, fake: FakeSlack) -> Desk:
    """A connected tenant whose rows are committed, with a thread. Its workspace is its own: routes stay."""
    fake.team_id = f"T{cast.marker}"
    install(cast, fake)
    OutboxEntry.objects.all().delete()
    conversation = hand_over(cast)
    outbox.deliver_due()
    return Desk(cast, fake, conversation, SlackThread.objects.get(handoff__conversation=conversation))


def test_copies_of_a_call_at_the_same_time_are_one_message(fresh_tenant: Cast, slack: FakeSlack) -> None:
    """Ten events, four copies each, all at once; then again from four workers."""
    with fresh_tenant.inside():
        desk = stand(fresh_tenant, slack)
        bodies = [slack.event(slack.say("C0SUPPORT", f"Part {n}", thread_ts=desk.thread.ts)) for n in range(10)]
        statuses: list[int] = []

        def deliver(body: dict[str, Any]) -> None:
            statuses.append(signed(body).status_code)

        for body in bodies:
            together(*(lambda body=body: deliver(body) for _ in range(4)))
        assert statuses == [200] * 40
        together(*(handle_all for _ in range(4)))
        assert sorted(desk.texts()) == sorted(f"Part {n}" for n in range(10))
        assert Message.objects.filter(conversation=desk.conversation, event="joined").count() == 1
        assert Seat.objects.filter(user_id__isnull=True).count() == 1
        ids = [body["event_id"] for body in bodies]
        done = ExternalEvent.objects.filter(external_id__in=ids, handled_at__isnull=False, error="")
        assert (done.count(), ExternalEvent.objects.filter(external_id__in=ids).count()) == (10, 10)


def test_a_dashboard_and_slack_that_claim_at_once_have_one_winner(fresh_tenant: Cast, slack: FakeSlack) -> None:
    lost: list[str] = []
    with fresh_tenant.inside():
        for _ in range(5):
            desk = stand(fresh_tenant, slack)
            body = slack.event(slack.say("C0SUPPORT", "Mine", thread_ts=desk.thread.ts))
            signed(body)

            def claim(desk: Desk = desk) -> None:
                try:
                    fresh_tenant.run(live.claim, seat=fresh_tenant.run(lambda: fresh_tenant.agent.seat),
                                     conversation_id=desk.conversation.pk)  # fmt: skip
                except ProductError as error:
                    lost.append(error.code)

            together(claim, handle_all)
            joined = Message.objects.filter(conversation=desk.conversation, event="joined")
            asides = OutboxEntry.objects.filter(kind="slack.aside").count()
            by_slack = joined.get().data["via"] == "slack"
            assert (asides, desk.texts()) == ((0, ["Mine"]) if by_slack else (1, []))
            assert ("already_taken" in lost) == by_slack
            lost.clear()


def test_entries_leave_once_with_several_workers(fresh_tenant: Cast, slack: FakeSlack) -> None:
    from tests.livesupport.slack.conftest import say

    with fresh_tenant.inside():
        desk = stand(fresh_tenant, slack)
        for number in range(12):
            say(desk.conversation, f"Line {number}")

        def work() -> None:
            while run_in(fresh_tenant.schema, outbox.deliver_due):
                pass

        together(*(work for _ in range(4)))
        assert [m["text"].split(": ")[1] for m in desk.in_slack()] == [f"Line {n}" for n in range(12)]
