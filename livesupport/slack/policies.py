"""Where handoffs go, and what of a conversation is told in a thread. Pure predicates."""

from __future__ import annotations

from datetime import datetime

from chat.models import Handoff, Message
from livesupport.models import SlackInstall
from tenants.models import Plan
from tenants.workspace.models import Project

TOLD_EVENTS = frozenset(
    {"joined", "left", "handed_back", "resolved", "standing", "handed_over", "contact_left", "rated"}
)
# After these, the first message of the thread says something else.
TURNS = frozenset({"joined", "left", "handed_back", "resolved", "standing", "handed_over"})


def may_connect(plan: Plan | None) -> bool:
    """Whether a plan includes Slack; where there is no plan, nothing is limited."""
    return plan is None or plan.slack


def wants_slack(project: Project) -> bool:
    """Whether the project's people are called in Slack."""
    return project.handoffs_to in {Project.HandoffsTo.SLACK, Project.HandoffsTo.BOTH}


def goes_to_slack(install: SlackInstall, *, reachable: bool, is_test: bool, now: datetime) -> bool:
    """Whether a handoff is posted: the project says so, or nobody is there and Slack stands in for that. A test
    only while a rehearsal through Slack runs."""
    if not install.is_ready:
        return False
    if is_test:
        return install.rehearses_until is not None and install.rehearses_until > now
    stands_in = not reachable and install.project.after_hours == Project.AfterHours.SLACK
    return wants_slack(install.project) or stands_in


def is_told(message: Message, *, handoff_state: str) -> bool:
    """Whether an entry of the log belongs into the thread: what the visitor reads or writes while the handoff is
    open, and what happens to it. Not what was written in the thread, and no private note."""
    if message.kind == Message.Kind.EVENT:
        return message.event in TOLD_EVENTS
    if message.kind not in (Message.Kind.TEXT, Message.Kind.FILE) or handoff_state not in Handoff.OPEN:
        return False
    return bool(message.data.get("via") != "slack")


def is_change_told(change: Message) -> bool:
    """Whether an edit or a deletion is told in the thread: not what was made there, and nothing of private notes."""
    return bool(change.data.get("via") != "slack") and not change.internal
