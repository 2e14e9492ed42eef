"""A word to one person in a thread: who was faster, or why their words stay in Slack."""

from __future__ import annotations

from livesupport.models import SlackThread
from tenants.workspace import outbox

ASIDE = "slack.aside"


def post_aside(thread: SlackThread, *, user: str, key: str, sentence: str) -> None:
    """Tell one person, in the thread. The same `key` is told once."""
    payload = {"thread": thread.pk, "user": user, "sentence": sentence}
    outbox.post(kind=ASIDE, lane=f"aside:{thread.pk}", key=f"{ASIDE}:{key}", payload=payload)
