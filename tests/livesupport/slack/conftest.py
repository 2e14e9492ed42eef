"""A workspace, and a tenant connected to one of its channels. Slack's calls come signed through the real door."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.utils import timezone

from chat import actions as chat
from chat.models import Conversation, Handoff, Message
from livesupport.models import OpeningHours, SlackInstall, SlackThread
from livesupport.slack import signature
from livesupport.slack.actions import choose_channel, connect
from livesupport.slack.client import Channel, Granted
from tenants import external
from tenants.models import ExternalEvent, ExternalRoute
from tenants.schema import PUBLIC, run_in
from tenants.workspace import outbox
from tenants.workspace.models import OutboxEntry, Project
from tests.cast import Cast, browser
from tests.conftest import Tenants
from tests.fakes.slack_server import FakeSlack

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
CHANNEL = "C0SUPPORT"


@pytest.fixture
def slack(settings: Any) -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        settings.SLACK_API_URL = fake.base_url
        settings.SLACK_CLIENT_ID, settings.SLACK_CLIENT_SECRET = "1.2", "hush"
        settings.SLACK_SIGNING_SECRET = SECRET
        yield fake


def install(cast: Cast, fake: FakeSlack, *, channel: str = CHANNEL, team: str = "", to: str = "both") -> SlackInstall:
    """Connect a tenant's project, which is always open, to a channel. Needs the tenant's schema."""
    OpeningHours.objects.all().delete()
    project = Project.objects.get(pk=cast.project_id)
    Project.objects.filter(pk=project.pk).update(handoffs_to=to)
    granted = Granted(fake.app_id, team or fake.team_id, "Acme", fake.bot_user, fake.token)
    connect(seat=cast.owner.seat, project=project, granted=granted)
    return choose_channel(seat=cast.owner.seat, project=project, channel=Channel(channel, "support"))


@dataclass
class Desk:
    """One connected tenant, inside its schema, with a conversation that stands in a thread."""

    cast: Cast
    fake: FakeSlack
    conversation: Conversation
    thread: SlackThread

    @property
    def owner(self) -> str:
        self.conversation.refresh_from_db()
        return self.conversation.owner

    @property
    def handoff(self) -> Handoff:
        return Handoff.objects.get(pk=self.thread.handoff_id)

    def texts(self, sender: str = "agent") -> list[str]:
        """What was said in the conversation, notes apart."""
        rows = Message.objects.filter(conversation=self.conversation, sender=sender, kind="text")
        return list(rows.order_by("seq").values_list("text", flat=True))

    def in_slack(self) -> list[dict[str, Any]]:
        """The thread as it stands in Slack, its first message apart."""
        return [m for m in self.fake.messages[self.thread.channel_id] if m.get("thread_ts") == self.thread.ts]

    def reply(self, text: str, *, user: str = "U0ANA", **more: Any) -> dict[str, Any]:
        """Somebody writes in the thread, and we hear of it."""
        message = self.fake.say(self.thread.channel_id, text, user=user, thread_ts=self.thread.ts)
        body = self.fake.event({**message, **more}, self.thread.channel_id)
        assert hear(body).status_code == 200
        return body

    def press(self, button: str, user: str = "U0ANA") -> None:
        body = self.fake.press(button, self.thread.ts, channel=self.thread.channel_id, user=user)
        assert hear(body, path="slack/interactivity").status_code == 200


def signed(body: dict[str, Any] | bytes, *, path: str = "slack/events", **headers: str) -> HttpResponse:
    """Slack calls us on the public host."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/json"
    if path == "slack/interactivity" and isinstance(body, dict):
        raw, kind = urlencode({"payload": raw.decode()}).encode(), "application/x-www-form-urlencoded"
    now = str(int(time.time()))
    sent = {
        "X-Slack-Request-Timestamp": now,
        "X-Slack-Signature": signature.sign(SECRET, now, raw),
        **headers,
    }
    client = browser("localhost:8000")
    return run_in(PUBLIC, client.post, f"/{path}", raw, content_type=kind, headers=sent)


def handle_all() -> None:
    """What the worker would do with what was kept, until nothing is free."""
    open_ones = ExternalEvent.objects.filter(handled_at=None).order_by("pk").values_list("pk", flat=True)
    while sum(run_in(PUBLIC, external.handle, event_id=event_id) for event_id in open_ones.all()):
        pass


def hear(body: dict[str, Any], *, path: str = "slack/events") -> HttpResponse:
    response = signed(body, path=path)
    handle_all()
    return response


def deliver() -> int:
    """What the worker would send now, entries that wait for another attempt included."""
    OutboxEntry.objects.filter(state="waiting").update(next_at=timezone.now() - timedelta(seconds=1))
    return outbox.deliver_due()


def say(conversation: Conversation, text: str) -> None:
    draft = chat.Draft(text, uuid4())
    chat.post_as_visitor(conversation_id=conversation.pk, draft=draft)


def hand_over(
    cast: Cast, *, question: str = "How do I repair it?", ask: str = "I want to talk to a human"
) -> Conversation:
    """A new visitor asks, and asks for a person."""
    opened = chat.open_session(project=cast.project_key, token=None, language="en")
    conversation = Conversation.objects.get(pk=opened.conversation_id)
    say(conversation, question)
    say(conversation, ask)
    return conversation


@pytest.fixture
def clean(tenants: Tenants) -> Tenants:
    """No other test's outgoing entries, events or routes."""
    for cast in tenants:
        cast.run(OutboxEntry.objects.all().delete)
    ExternalEvent.objects.all().delete()
    ExternalRoute.objects.all().delete()
    return tenants


@pytest.fixture
def desk(clean: Tenants, slack: FakeSlack) -> Iterator[Desk]:
    cast = clean.a
    with cast.inside():
        install(cast, slack)
        conversation = hand_over(cast)
        deliver()
        conversation.refresh_from_db()
        thread = SlackThread.objects.get(handoff__conversation=conversation)
        assert thread.ts
        yield Desk(cast, slack, conversation, thread)
