"""What insights does when something happened. Bound in the table of the composition root."""

from __future__ import annotations

import re

from chat.events import AnswerGiven
from chat.models import Handoff, Turn
from insights.actions import note_question
from insights.proof import await_proof, take_answer
from knowledge.events import CrawlFinished, SourceAdded

# A handoff for another reason (they asked for a person, their mood dropped) says nothing about the content.
_GAP = re.compile(r"gap:(\d{1,18})")
ABOUT_CONTENT = frozenset({Handoff.Trigger.WEAK_EVIDENCE, Handoff.Trigger.FAILURE})


def note_gap(event: AnswerGiven) -> None:
    """Keep the question when the content had no good answer to it. Runs in the transaction of the reply.

    Retrieval's own confidence is kept: it is what a later search for the same question is compared with.
    """
    if event.is_test or event.outcome == "clarify":
        return
    turn = Turn.objects.select_related("message", "conversation__project").get(pk=event.turn_id)
    is_weak = event.confidence < turn.conversation.project.evidence_threshold
    if event.outcome == "reply" and not is_weak:
        return
    if event.outcome == "handoff" and not (is_weak and _was_about_content(turn)):
        return
    note_question(turn=turn, confidence=turn.evidence.get("retrieval", event.confidence))


def _was_about_content(turn: Turn) -> bool:
    handoff = Handoff.objects.filter(episode=turn.message.episode_id).order_by("-pk").first()
    return bool(turn.evidence) and handoff is not None and handoff.trigger in ABOUT_CONTENT


def on_source_added(event: SourceAdded) -> None:
    """Remember which gap an entry was written for: its link brought the gap's id along."""
    if named := _GAP.fullmatch(event.prompted_by):
        take_answer(gap_id=int(named[1]), source_id=event.source_id, project_id=event.project_id)


def on_crawl_finished(event: CrawlFinished) -> None:
    """An entry answers from now on, or answers differently: ask the questions again that it was written for."""
    if event.state == "done":
        await_proof(source_id=event.source_id)
