"""What leaves for Slack: the outbox's handlers. Each message is posted once, whatever happens on the way.

Before a post the entry notes that its outcome is unknown from now on; a clear refusal takes the note back. A
later attempt that finds the note looks in Slack for the message, by its key, before it posts again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from chat.models import Message
from livesupport.models import SlackInstall, SlackThread
from livesupport.slack import blocks, facts
from livesupport.slack.actions import note_problem
from livesupport.slack.client import Outgoing, Slack
from livesupport.slack.errors import SlackFailed
from livesupport.slack.listeners import REPLY
from tenants.workspace.models import OutboxEntry
from tenants.workspace.outbox import DeliveryFailed

POSTED_AS = "posted_as"  # the `ts` that names a reply in Slack, in its entry's payload
UNSURE_SINCE = "unsure_since"  # seconds since 1970, in the entry's payload
CLOCK_SLACK_SECONDS = 120.0  # our clock and Slack's differ


def deliver_thread(entry: OutboxEntry) -> None:
    """Begin a handoff's thread, and remember where it stands."""
    thread = _thread(entry)
    if thread.ts:
        return
    with _working(thread.install) as slack:
        ts = _post_once(entry, slack, _outgoing(thread, blocks.card(facts.card_of(thread)), entry.idempotency_key))
    SlackThread.objects.filter(pk=thread.pk, ts="").update(ts=ts)


def deliver_reply(entry: OutboxEntry) -> None:
    """One entry of the log, into the thread."""
    thread = _begun(entry)
    message = facts.entry_of(thread, entry.payload["seq"])
    shown = facts.shown(message, thread) if message else None
    if shown is None:
        return
    with _working(thread.install) as slack:
        ts = _post_once(entry, slack, _outgoing(thread, shown, entry.idempotency_key))
    entry.payload = {**entry.payload, POSTED_AS: ts}
    entry.save(update_fields=["payload"])


def deliver_change(entry: OutboxEntry) -> None:
    """Replace what the thread shows of an entry that was edited or deleted. Repeating it does no harm. What was never
    posted needs nothing; what a person wrote in Slack cannot be replaced, so the thread is told."""
    thread = _begun(entry)
    change = facts.entry_of(thread, entry.payload["seq"])
    message = facts.entry_of(thread, change.target) if change else None
    if message is None:
        return
    with _working(thread.install) as slack:
        if message.data.get("via") == "slack":
            shown = facts.changed_elsewhere(change, message, thread)
            _post_once(entry, slack, _outgoing(thread, shown, entry.idempotency_key))
            return
        posted = f"{REPLY}:{message.conversation_id}:{message.seq}"
        told = _outgoing(thread, facts.changed(message, thread), posted)
        if (ts := _posted_as(told, slack, message)) is not None:
            slack.update(told, ts)


def _posted_as(told: Outgoing, slack: Slack, message: Message) -> str | None:
    """The `ts` of an entry in its thread: as it was noted, else as Slack still finds it by its key."""
    reply = OutboxEntry.objects.filter(idempotency_key=told.key).first()
    if reply is not None and POSTED_AS in reply.payload:
        return str(reply.payload[POSTED_AS])
    return slack.find(told, message.created_at.timestamp() - CLOCK_SLACK_SECONDS)


def deliver_card(entry: OutboxEntry) -> None:
    """The first message says what is so now. Repeating it does no harm."""
    thread = _begun(entry)
    with _working(thread.install) as slack:
        slack.update(_outgoing(thread, blocks.card(facts.card_of(thread)), entry.idempotency_key), thread.ts)


def deliver_aside(entry: OutboxEntry) -> None:
    """A word to one person in the thread; shown to them alone."""
    thread = _begun(entry)
    user = str(entry.payload["user"])
    with _working(thread.install) as slack:
        told = blocks.aside(user, str(entry.payload["sentence"]))
        slack.whisper(_outgoing(thread, told, entry.idempotency_key), user)


def _thread(entry: OutboxEntry) -> SlackThread:
    related = ("install__project", "handoff__conversation__project", "handoff__conversation__visitor")
    thread = SlackThread.objects.select_related(*related).filter(pk=entry.payload["thread"]).first()
    if thread is None or not thread.install.is_ready:
        raise DeliveryFailed("Slack is not connected any more.", retryable=False)
    if thread.channel_id != thread.install.channel_id:
        raise DeliveryFailed("Handoffs go to another channel now.", retryable=False)
    return thread


def _begun(entry: OutboxEntry) -> SlackThread:
    thread = _thread(entry)
    if not thread.ts:
        raise DeliveryFailed("The thread could not be begun.", retryable=False)
    return thread


def _outgoing(thread: SlackThread, shown: blocks.Shown, key: str) -> Outgoing:
    return Outgoing(channel=thread.channel_id, text=shown.text, blocks=shown.blocks, key=key, thread_ts=thread.ts)


@contextmanager
def _working(install: SlackInstall) -> Iterator[Slack]:
    """The install's workspace. A refusal that will not pass by itself is noted on the install."""
    try:
        yield Slack(install.bot_token)
    except SlackFailed as error:
        if error.is_broken:
            note_problem(install_id=install.pk, sentence=error.sentence)
        raise


def _post_once(entry: OutboxEntry, slack: Slack, message: Outgoing) -> str:
    since = entry.payload.get(UNSURE_SINCE)
    if since is not None and (ts := slack.find(message, float(since) - CLOCK_SLACK_SECONDS)) is not None:
        return ts
    _note_unsure(entry, time.time() if since is None else float(since))
    try:
        return slack.post(message)
    except SlackFailed as error:
        if since is None and not error.is_unsure:
            _note_unsure(entry, None)
        raise


def _note_unsure(entry: OutboxEntry, since: float | None) -> None:
    kept = {name: value for name, value in entry.payload.items() if name != UNSURE_SINCE}
    entry.payload = kept if since is None else {**kept, UNSURE_SINCE: since}
    entry.save(update_fields=["payload"])
