"""What Slack shall hear of. Both run in the publishing transaction and only write rows."""

from __future__ import annotations

from django.utils import timezone

from chat.events import HandoffRequested, MessagePosted
from chat.models import Handoff, Message
from livesupport.models import SlackInstall, SlackThread
from livesupport.slack.policies import TURNS, goes_to_slack, is_told
from tenants.workspace import outbox

THREAD, REPLY, CARD = "slack.thread", "slack.reply", "slack.card"


def on_handoff_requested(event: HandoffRequested) -> None:
    """A person is asked for: a thread for each handoff, once."""
    handoff = Handoff.objects.select_related("conversation").get(pk=event.handoff_id)
    project_id = handoff.conversation.project_id
    install = SlackInstall.objects.select_related("project").filter(project=project_id).first()
    now = timezone.now()
    if install is None or not goes_to_slack(install, reachable=event.reachable, is_test=event.is_test, now=now):
        return
    placed = {
        "install": install,
        "channel_id": install.channel_id,
        "transcript_seq": handoff.conversation.last_seq,
    }
    thread, is_new = SlackThread.objects.get_or_create(handoff=handoff, defaults=placed)
    if is_new:
        key = f"{THREAD}:{event.conversation_id}:{handoff.pk}"
        outbox.post(kind=THREAD, lane=event.conversation_id, key=key, payload={"thread": thread.pk})


def on_message_posted(event: MessagePosted) -> None:
    """The log of a conversation with a thread grew."""
    threads = SlackThread.objects.filter(handoff__conversation_id=event.conversation_id)
    thread = threads.select_related("handoff").order_by("-handoff").first()
    if thread is None:
        return
    message = Message.objects.get(conversation_id=event.conversation_id, seq=event.seq)
    if message.episode_id != thread.handoff.episode_id or not is_told(message, handoff_state=thread.handoff.state):
        return
    payload = {"thread": thread.pk, "seq": event.seq}
    name = f"{event.conversation_id}:{event.seq}"
    outbox.post(kind=REPLY, lane=event.conversation_id, key=f"{REPLY}:{name}", payload=payload)
    if message.event in TURNS:
        outbox.post(kind=CARD, lane=event.conversation_id, key=f"{CARD}:{name}", payload={"thread": thread.pk})
