"""How visitors feel while people have the conversation: judged after everything that somebody waits for."""

from __future__ import annotations

from chat import actions
from chat.judgement.decision import score
from chat.models import Message

MOST = 100


def catch_up(message_id: int) -> None:
    """Judge a visitor's text, and those before it that were not judged yet. Safe to run twice."""
    message = Message.objects.select_related("conversation").filter(pk=message_id).first()
    if message is None:
        return
    texts = Message.objects.filter(
        conversation=message.conversation,
        sender=Message.Sender.VISITOR,
        kind=Message.Kind.TEXT,
        seq__lte=message.seq,
        mood__isnull=True,
    )
    expected = (message.conversation.language,)
    rows = texts.order_by("-seq").values_list("pk", "text")[:MOST]
    actions.note_moods(moods={pk: score(text, expected=expected).score for pk, text in rows})
