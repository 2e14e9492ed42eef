"""From rows to what Slack shows. Reads only."""

from __future__ import annotations

from typing import Any

from chat.changes import EDITED, as_now
from chat.models import Conversation, Handoff, Message
from livesupport.card import passages_of, unanswered
from livesupport.models import SlackThread
from livesupport.queue import TRIGGER_PILLS
from livesupport.slack.blocks import Card, Found, Line, Shown, gone, news, said
from livesupport.slack.text import escape
from tenants.hosts import primary_host, tenant_url
from tenants.models import Tenant
from tenants.schema import current_schema

LINES_READ = 12
# Events in the thread, as sentences. {who} is the agent's name, {name}, {email}, {score} and {comment} the entry's.
NEWS = {
    "joined": "*{who}* has the conversation; the visitor was told.",
    "left": "*{who}* gave it back to the queue.",
    "handed_back": "*{who}* gave it back to the AI.",
    "resolved": "Resolved by *{who}*.",
    "standing": "The visitor was told that nobody is there. The AI goes on; a reply here still takes it.",
    "handed_over": "The visitor asked for a person again.",
    "contact_left": "The visitor left an address: {email}",
    "rated": "Rated {score} of 5. {comment}",
}
AWAY = "*{name}* is away; it waits in the queue again. A reply here takes it."
GONE = "This message was deleted."
CHANGED_THERE = "*{who}* edited a message in Live Support. The visitor reads now:"
DELETED_THERE = "*{who}* deleted a message in Live Support. The visitor no longer sees it."
ENDED = "The conversation ended without a person."


def card_of(thread: SlackThread) -> Card:
    """The first message of a thread, as things stand now; its transcript is that of the handoff's moment."""
    handoff = thread.handoff
    conversation = handoff.conversation
    evidence = dict(handoff.evidence)
    confidence = evidence.get("confidence")
    passages = passages_of(evidence.get("passages", ()))
    return Card(
        visitor=str(conversation.visitor),
        project=conversation.project.name,
        trigger=TRIGGER_PILLS[Handoff.Trigger(handoff.trigger)].words,
        reason=handoff.reason,
        state=handoff.state,
        open_url=_open_url(conversation),
        question=unanswered(handoff),
        page=handoff.page_url,
        email=conversation.visitor.email,
        holder=handoff.resolved_name or handoff.claimed_name,
        confidence=float(confidence) if isinstance(confidence, int | float) else None,
        is_test=conversation.is_test,
        said=_transcript(thread),
        found=tuple(Found(passage.words, passage.score) for passage in passages),
    )


def entry_of(thread: SlackThread, seq: int) -> Any:
    """One entry of the thread's conversation, with `now` and `change`; None where there is none."""
    return as_now(Message.objects.filter(conversation=thread.handoff.conversation_id, seq=seq)).first()


def shown(message: Any, thread: SlackThread) -> Shown | None:
    """An entry of the log, as `entry_of` reads it, as a line of the thread; None for what has no words there."""
    if message.kind == Message.Kind.TEXT:
        line = _line(message, thread.handoff.conversation)
        return said(line, is_edited=message.change == EDITED) if message.now else None
    if message.kind == Message.Kind.FILE:
        return _file_news(message, thread.handoff.conversation)
    sentence = AWAY if message.data.get("away") else NEWS.get(message.event)
    if sentence is None:
        return None
    who = message.sender_name or str(message.data.get("name") or "")
    if message.event == "resolved" and not who:
        return news(ENDED)
    words = {name: escape(str(message.data.get(name, ""))) for name in ("name", "email", "score", "comment")}
    return news(sentence.format(who=escape(who) or "Somebody", **words).strip())


def changed(message: Any, thread: SlackThread) -> Shown:
    """What stands in the thread of an entry that was edited or deleted."""
    line = _line(message, thread.handoff.conversation)
    return shown(message, thread) or gone(line.who, GONE)


def changed_elsewhere(change: Message, message: Any, thread: SlackThread) -> Shown:
    """That somebody changed, in Live Support, what a person wrote in Slack: there it is theirs, and stays."""
    who = escape(change.sender_name or "Somebody")
    if not message.now:
        return news(DELETED_THERE.format(who=who))
    return said(_line(message, thread.handoff.conversation), lead=CHANGED_THERE.format(who=who))


def _file_news(message: Any, conversation: Conversation) -> Shown | None:
    """That there is a file, and where to look at it: files themselves do not leave the house."""
    if not message.now:
        return None
    line = _line(message, conversation)
    where = f"<{_open_url(conversation)}|Look at it in Live Support>"
    return news(f"*{escape(line.who)}* sent a file: {escape(line.text)}. {where}.")


def _transcript(thread: SlackThread) -> tuple[Line, ...]:
    handoff = thread.handoff
    texts = Message.objects.filter(
        episode=handoff.episode_id, kind=Message.Kind.TEXT, seq__lte=thread.transcript_seq
    ).exclude(text="")
    last = list(as_now(texts).order_by("-seq")[:LINES_READ])
    return tuple(_line(message, handoff.conversation) for message in reversed(last))


def _line(message: Any, conversation: Conversation) -> Line:
    names = {Message.Sender.VISITOR: str(conversation.visitor), Message.Sender.AI: "AI"}
    return Line(names.get(Message.Sender(message.sender), message.sender_name or "Team"), message.now)


def _open_url(conversation: Conversation) -> str:
    host = primary_host(Tenant.objects.get(schema_name=current_schema()))
    return tenant_url(host, f"/live/?c={conversation.pk}")
