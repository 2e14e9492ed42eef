"""A Slack channel that works is somebody, at the hours when it answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from chat.models import Handoff
from livesupport import actions as live
from livesupport.availability import promise
from livesupport.models import Availability, OpeningHours, SlackInstall
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.fakes.slack_server import FakeSlack
from tests.livesupport.slack.conftest import Desk, deliver, hand_over, install

OPEN, CLOSED = datetime(2026, 11, 23, 10, tzinfo=UTC), datetime(2026, 11, 23, 20, tzinfo=UTC)  # a Monday


@pytest.fixture
def cast(clean: Tenants, slack: FakeSlack) -> Iterator[Cast]:
    with clean.a.inside():
        install(clean.a, slack)
        project = Project.objects.get(pk=clean.a.project_id)
        OpeningHours.objects.create(project=project, weekday=0, opens="09:00", closes="17:00")
        yield clean.a


CASES = [
    ("both", OPEN, {}, True),
    ("both", CLOSED, {}, False),
    ("both", CLOSED, {"answers_any_hour": True}, True),
    ("slack", OPEN, {}, True),
    ("slack", CLOSED, {}, False),
    ("dashboard", OPEN, {}, False),
    ("dashboard", CLOSED, {"answers_any_hour": True}, False),
    ("both", OPEN, {"is_active": False}, False),
    ("both", OPEN, {"channel_id": ""}, False),
    ("both", OPEN, {"bot_token": ""}, False),
]


@pytest.mark.parametrize(("to", "now", "change", "reachable"), CASES)
def test_who_can_be_promised(cast: Cast, to: str, now: datetime, change: dict[str, object], reachable: bool) -> None:
    Project.objects.update(handoffs_to=to)
    SlackInstall.objects.update(**change)
    found = promise(Project.objects.get(pk=cast.project_id), now, False)
    assert (found.reachable, found.within_seconds, found.names) == (reachable, None, ())
    assert (found.opens_at is None) == (reachable or now == OPEN)
    assert not promise(Project.objects.get(pk=cast.project_id), now, True).reachable


@pytest.mark.parametrize(("to", "counts"), [("dashboard", True), ("both", True), ("slack", False)])
def test_with_slack_alone_a_dashboard_is_nobody(cast: Cast, to: str, counts: bool) -> None:
    Project.objects.update(handoffs_to=to)
    now = timezone.now()
    Availability.objects.update_or_create(seat_id=cast.agent.seat_id, defaults={"state": "online", "seen_at": now})
    SlackInstall.objects.update(answers_any_hour=True)
    assert bool(promise(Project.objects.get(pk=cast.project_id), now, False).names) is counts
    SlackInstall.objects.update(is_active=False)
    assert promise(Project.objects.get(pk=cast.project_id), now, False).names  # and without Slack, it is again


def test_a_queue_that_slack_watches_is_not_given_up_at_once(cast: Cast, slack: FakeSlack) -> None:
    SlackInstall.objects.update(answers_any_hour=True)
    conversation = hand_over(cast)
    live.give_up_waiting()
    assert Handoff.objects.get(conversation=conversation).state == Handoff.State.WAITING
    SlackInstall.objects.update(answers_any_hour=False)
    OpeningHours.objects.update(weekday=(timezone.now().weekday() + 3) % 7)
    live.give_up_waiting()
    assert Handoff.objects.get(conversation=conversation).state == Handoff.State.STANDING


def test_after_hours_the_thread_says_so_and_can_still_take_it(desk: Desk) -> None:
    Handoff.objects.filter(pk=desk.thread.handoff_id).update(
        state="waiting", queued_at=timezone.now().replace(year=2020)
    )
    live.give_up_waiting()
    deliver()
    assert desk.owner == "ai"
    assert "nobody is there" in desk.in_slack()[-1]["text"]
    desk.reply("I am back")
    assert desk.owner == "agent"
    assert desk.texts() == ["I am back"]
