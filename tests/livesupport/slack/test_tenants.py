"""A call that fits a tenant in part fits no tenant."""

from __future__ import annotations

import itertools

import pytest

from livesupport.models import SlackThread
from livesupport.slack.actions import choose_channel
from livesupport.slack.client import Channel
from livesupport.slack.errors import ChannelTaken
from tenants.models import ExternalRoute
from tenants.workspace.models import Project
from tests.conftest import Tenants
from tests.fakes.slack_server import FakeSlack
from tests.livesupport.slack.conftest import Desk, deliver, hand_over, hear, install

TEAMS, CHANNELS = ("T0A", "T0B", "T0C"), ("C0A", "C0B", "C0C")


@pytest.fixture
def desks(clean: Tenants, slack: FakeSlack) -> list[Desk]:
    """Three tenants, each with a workspace, a channel and a thread."""
    slack.channels.update({channel: channel.lower() for channel in CHANNELS})
    slack.users.update(
        {f"U{team}": {"name": "ana", "real_name": "Ana", "email": "", "team_id": team} for team in TEAMS}
    )
    made = []
    for cast, team, channel in zip(clean, TEAMS, CHANNELS, strict=True):
        with cast.inside():
            install(cast, slack, team=team, channel=channel)
            conversation = hand_over(cast)
            deliver()
            made.append(Desk(cast, slack, conversation, SlackThread.objects.get(handoff__conversation=conversation)))
    return made


def said(desks: list[Desk]) -> list[list[str]]:
    return [desk.cast.run(desk.texts) for desk in desks]


def test_only_workspace_channel_and_thread_together_reach_a_conversation(desks: list[Desk], slack: FakeSlack) -> None:
    """27 combinations, of which the three that fit are heard, each by its own tenant."""
    threads = [desk.thread.ts for desk in desks]
    for number, (team, channel, thread) in enumerate(itertools.product(TEAMS, CHANNELS, threads)):
        fits = len({TEAMS.index(team), CHANNELS.index(channel), threads.index(thread)}) == 1
        before = said(desks)
        message = {
            "type": "message",
            "user": f"U{team}",
            "text": f"Word {number}",
            "ts": f"9.{number}",
            "thread_ts": thread,
        }
        hear(slack.event(message, channel, team_id=team))
        after = said(desks)
        changed = [mine != other for mine, other in zip(before, after, strict=True)]
        assert changed == [fits and team == own for own in TEAMS]
        hear(slack.event({**message, "ts": f"8.{number}"}, channel, team_id=team, api_app_id="A0OTHER"))
        assert said(desks) == after


def test_the_same_channel_id_in_two_workspaces_leads_to_two_tenants(clean: Tenants, slack: FakeSlack) -> None:
    for cast, team in ((clean.a, "T0A"), (clean.b, "T0B")):
        with cast.inside():
            install(cast, slack, team=team)
    routes = ExternalRoute.objects.filter(kind="slack_channel").values_list("schema", flat=True)
    assert set(routes) == {clean.a.schema, clean.b.schema}


def test_a_channel_of_another_chatbot_cannot_be_taken(clean: Tenants, slack: FakeSlack) -> None:
    with clean.a.inside():
        install(clean.a, slack)
    with clean.b.inside():
        slack.channels["C0OWN"] = "own"
        install(clean.b, slack, channel="C0OWN")
        with pytest.raises(ChannelTaken):
            choose_channel(
                seat=clean.b.owner.seat,
                project=Project.objects.get(pk=clean.b.project_id),
                channel=Channel("C0SUPPORT", "x"),
            )
    routes = dict(ExternalRoute.objects.filter(kind="slack_channel").values_list("schema", "key"))
    assert routes == {clean.a.schema: "A0FAKE:T0FAKE:C0SUPPORT", clean.b.schema: "A0FAKE:T0FAKE:C0OWN"}


def test_a_workspace_that_left_leaves_with_its_own_tenants_alone(desks: list[Desk], slack: FakeSlack) -> None:
    from livesupport.models import SlackInstall

    body = slack.event({}, team_id="T0A")
    body["event"] = {"type": "tokens_revoked", "tokens": {"bot": ["U0BOT"]}}
    hear(body)
    active = [desk.cast.run(lambda: SlackInstall.objects.get().is_active) for desk in desks]
    assert active == [False, True, True]


def test_a_button_of_another_workspace_does_nothing(desks: list[Desk], slack: FakeSlack) -> None:
    body = slack.press("claim", desks[0].thread.ts, channel="C0A", user="UT0A")
    hear({**body, "team": {"id": "T0B"}}, path="slack/interactivity")
    assert desks[0].cast.run(lambda: desks[0].owner) == "queue"
    hear({**body, "team": {"id": "T0A"}}, path="slack/interactivity")
    assert desks[0].cast.run(lambda: desks[0].owner) == "agent"
