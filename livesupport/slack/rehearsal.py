"""The agent's part of a rehearsal, played in Slack: the thread must stand there, and what is said in it comes back
as a call that Slack signed.

In the real Slack people play it, told what to do. A stand-in (SLACK_API_URL) plays it itself when asked to, and
calls the public host as Slack would; nothing of the product is passed by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from livesupport.errors import RehearsalFailed
from livesupport.models import SlackInstall, SlackThread
from livesupport.slack.client import Slack
from livesupport.slack.errors import SlackFailed
from tenants.schema import hop

REHEARSAL_SECONDS = 600
THREAD_SECONDS, PEOPLE_SECONDS, PROGRAM_SECONDS = 30.0, 180.0, 30.0
LOOK_EVERY_SECONDS = 0.1
FIRST = "Hello, this is a rehearsal in Slack. I have your conversation."
SECOND = "I can read everything above."
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """A thread, as Slack showed it to us."""

    token: str
    channel: str
    channel_name: str
    ts: str


def is_stand_in() -> bool:
    """Whether something else than Slack answers at SLACK_API_URL."""
    host = urlsplit(str(settings.SLACK_API_URL)).hostname or ""
    return host != "slack.com" and not host.endswith(".slack.com")


def begin(project_id: int) -> None:
    """Let tests of the project go to Slack for ten minutes. Raises RehearsalFailed when Slack is not connected."""
    install = SlackInstall.objects.filter(project_id=project_id).first()
    if install is None or not install.is_ready:
        raise RehearsalFailed("This chatbot has no working Slack channel. Connect one first: /live/slack/.")
    until = timezone.now() + timedelta(seconds=REHEARSAL_SECONDS)
    SlackInstall.objects.filter(pk=install.pk).update(rehearses_until=until)


def end(project_id: int) -> None:
    """Tests stay out of Slack again."""
    SlackInstall.objects.filter(project_id=project_id).update(rehearses_until=None)


def find_place(conversation_id: str) -> Place | None:
    """The conversation's thread, once Slack shows it. Raises RehearsalFailed when Slack shows something else."""
    threads = SlackThread.objects.select_related("install").filter(handoff__conversation_id=conversation_id)
    thread = threads.exclude(ts="").order_by("-pk").first()
    if thread is None:
        return None
    place = Place(thread.install.bot_token, thread.channel_id, thread.install.channel_name, thread.ts)
    shown = _call(place, "conversations.replies", ts=place.ts, limit=1).get("messages") or [{}]
    if shown[0].get("ts") != place.ts:
        raise RehearsalFailed("Slack does not show the thread that was posted.")
    return place


def _call(place: Place, method: str, **fields: Any) -> dict[str, Any]:
    try:
        return Slack(place.token).call(method, channel=place.channel, **fields)
    except SlackFailed as error:
        raise RehearsalFailed(f"Slack did not take part: {error.sentence}") from error


class InSlack:
    """Claims by a reply in the thread, replies there, and resolves by the button."""

    def __init__(self, schema: str, conversation_id: str, tell: Tell) -> None:
        self._schema = schema
        self._conversation_id = conversation_id
        self._tell = tell
        self._place: Place | None = None
        self.by_people = not is_stand_in()
        self.patience_seconds = PEOPLE_SECONDS if self.by_people else PROGRAM_SECONDS

    async def see(self) -> None:
        """Wait until the handoff's thread stands in Slack."""
        until = time.monotonic() + THREAD_SECONDS
        while self._place is None:
            self._place = await hop(self._schema, find_place, self._conversation_id)
            if self._place is None and time.monotonic() > until:
                raise RehearsalFailed(f"No thread stood in Slack within {THREAD_SECONDS:.0f} s.")
            await asyncio.sleep(0 if self._place else LOOK_EVERY_SECONDS)

    async def claim(self) -> None:
        """The first reply."""
        await self._act("Reply in the newest test thread of #{channel}.", "standin.say", text=FIRST)

    async def reply(self) -> None:
        """The second one; people have said theirs with the first."""
        if not self.by_people:
            await self._act("", "standin.say", text=SECOND)

    async def resolve(self) -> None:
        """The button."""
        await self._act("Press Resolve at the head of the thread.", "standin.press", button="resolve")

    def is_reply(self, frame: dict[str, Any]) -> bool:
        """Whether a frame at the visitor's socket is what `reply` sent."""
        is_words = frame["type"] == "message" and frame["sender"] == "agent" and frame["kind"] == "text"
        return is_words and (self.by_people or frame["text"] == SECOND)

    async def _act(self, words: str, method: str, **fields: str) -> None:
        place = self._place
        if place is None:
            raise RehearsalFailed("There is no thread to answer in.")
        if self.by_people:
            self._tell(words.format(channel=place.channel_name))
            return
        await hop(self._schema, _call, place, method, thread_ts=place.ts, **fields)
