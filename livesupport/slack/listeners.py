"""What Slack shall hear of. All run in the publishing transaction and only write rows."""

from __future__ import annotations

from django.utils import timezone

from chat.changes import CHANGES
from chat.events import HandoffRequested, HandoffStanding, MessagePosted
from chat.models import Handoff, Message
from livesupport.models import SlackInstall, SlackThread
from livesupport.slack.policies import TURNS, goes_to_slack, is_change_told, is_told
from tenants.workspace import outbox

THREAD, REPLY, CARD, CHANGE = "slack.thread", "slack.reply", "slack.card", "slack.change"


def on_handoff_requested(event: HandoffRequested) -> None:
    """A person is asked for."""
    _begin_thread(event.handoff_id, reachable=event.reachable, is_test=event.is_test)


def on_handoff_standing(event: HandoffStanding) -> None:
    """Somebody was there and did not take it: Slack may be asked to stand in now."""
    _begin_thread(event.handoff_id, reachable=False, is_test=event.is_test)


def _begin_thread(handoff_id: int, *, reachable: bool, is_test: bool) -> None:
    """A thread for each handoff that goes to Slack, once."""
    handoff = Handoff.objects.select_related("conversation").get(pk=handoff_id)
    conversation = handoff.conversation
    install = SlackInstall.objects.select_related("project").filter(project=conversation.project_id).first()
    now = timezone.now()
    if install is None or not goes_to_slack(install, reachable=reachable, is_test=is_test, now=now):
        return
    placed = {"install": install, "channel_id": install.channel_id, "transcript_seq": conversation.last_seq}
    thread, is_new = SlackThread.objects.get_or_create(handoff=handoff, defaults=placed)
    if is_new:
        key = f"{THREAD}:{conversation.pk}:{handoff.pk}"
        outbox.post(kind=THREAD, lane=str(conversation.pk), key=key, payload={"thread": thread.pk})


def on_message_posted(event: MessagePosted) -> None:
    """The log of a conversation with a thread grew."""
    threads = SlackThread.objects.filter(handoff__conversation_id=event.conversation_id)
    thread = threads.select_related("handoff").order_by("-handoff").first()
    if thread is None:
        return
    message = Message.objects.get(conversation_id=event.conversation_id, seq=event.seq)
    if message.event in CHANGES:
        _tell_change(message)
        return
    if message.episode_id != thread.handoff.episode_id or not is_told(message, handoff_state=thread.handoff.state):
        return
    payload = {"thread": thread.pk, "seq": event.seq}
    name = f"{event.conversation_id}:{event.seq}"
    outbox.post(kind=REPLY, lane=event.conversation_id, key=f"{REPLY}:{name}", payload=payload)
    if message.event in TURNS:
        outbox.post(kind=CARD, lane=event.conversation_id, key=f"{CARD}:{name}", payload={"thread": thread.pk})


def _tell_change(change: Message) -> None:
    """What stands in a thread, or in its first message, reads otherwise; also when the handoff is long over."""
    threads = SlackThread.objects.filter(handoff__conversation=change.conversation_id)
    thread = threads.filter(handoff__episode=change.episode_id).order_by("-handoff").first()
    if thread is None or not is_change_told(change):
        return
    lane, payload = str(change.conversation_id), {"thread": thread.pk, "seq": change.seq}
    outbox.post(kind=CHANGE, lane=lane, key=f"{CHANGE}:{lane}:{change.seq}", payload=payload)
    for card in threads.filter(transcript_seq__gte=change.target or 0):
        key = f"{CARD}:{lane}:{change.seq}:{card.pk}"
        outbox.post(kind=CARD, lane=lane, key=key, payload={"thread": card.pk})
