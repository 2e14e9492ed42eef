"""What people do about Slack, and from it. Each verb: lock, ask the policy, write, publish, return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.actions import Author, Change, Draft, delete_message, edit_message, post_messages
from chat.errors import NotAllowed, TextTooLong
from chat.models import Conversation, Handoff, Message
from livesupport.actions import claim, resolve
from livesupport.models import SlackInstall, SlackThread
from livesupport.slack import text
from livesupport.slack.client import Channel, Granted
from livesupport.slack.errors import ChannelTaken, NotInPlan, StaysAnswer, ThreadClosed
from livesupport.slack.policies import may_connect
from tenants import billing
from tenants.models import ExternalRoute
from tenants.schema import current_schema
from tenants.workspace.actions import record
from tenants.workspace.models import Project, Seat
from tenants.workspace.policies import may_configure

VIA = "slack"
CHANNEL_ROUTE, TEAM_ROUTE = "slack_channel", "slack_team"
MESSAGE_CHARACTERS, MOST_MESSAGES = 4000, 10


@dataclass(frozen=True)
class Said:
    """Something that was written in a thread; `place` names it for good: workspace, channel and time."""

    place: str
    words: str


def channel_key(app_id: str, team_id: str, channel_id: str) -> str:
    """How a channel is looked up in the shared schema."""
    return f"{app_id}:{team_id}:{channel_id}"


def connect(*, seat: Seat, project: Project, granted: Granted) -> SlackInstall:
    """Keep an installation. The same workspace again keeps its channel; another one begins without.

    Raises NotInPlan.
    """
    with transaction.atomic():
        _check(seat)
        if not may_connect(billing.current().plan):
            raise NotInPlan
        Project.objects.select_for_update().get(pk=project.pk)
        fresh: dict[str, Any] = {
            "app_id": granted.app_id,
            "team_id": granted.team_id,
            "team_name": granted.team_name[:200],
            "bot_user_id": granted.bot_user_id,
            "bot_token": granted.token,
            "is_active": True,
            "problem": "",
            "installed_at": timezone.now(),
        }
        same = SlackInstall.objects.filter(project=project, app_id=granted.app_id, team_id=granted.team_id)
        if not same.exists():
            _drop_routes(project)
            fresh |= {"channel_id": "", "channel_name": ""}
        install, _ = SlackInstall.objects.update_or_create(project=project, defaults=fresh)
        key = f"{granted.app_id}:{granted.team_id}:{current_schema()}/{project.key}"
        here = {"schema": current_schema(), "project_key": project.key}
        ExternalRoute.objects.update_or_create(kind=TEAM_ROUTE, key=key, defaults=here)
        _record(seat, project, "connected Slack", install.team_name)
    return install


def choose_channel(*, seat: Seat, project: Project, channel: Channel) -> SlackInstall:
    """Say where handoffs are posted. Raises ChannelTaken when the channel leads to another chatbot."""
    with transaction.atomic():
        _check(seat)
        install = SlackInstall.objects.select_for_update().get(project=project)
        here = {"schema": current_schema(), "project_key": project.key}
        ExternalRoute.objects.filter(kind=CHANNEL_ROUTE, **here).delete()
        key = channel_key(install.app_id, install.team_id, channel.id)
        try:
            with transaction.atomic():
                ExternalRoute.objects.create(kind=CHANNEL_ROUTE, key=key, **here)
        except IntegrityError as error:
            raise ChannelTaken from error
        install.channel_id, install.channel_name = channel.id, channel.name[:120]
        install.is_active, install.problem = True, ""
        install.save(update_fields=["channel_id", "channel_name", "is_active", "problem"])
        _record(seat, project, "chose a Slack channel", f"#{channel.name}")
    return install


def change_options(*, seat: Seat, project: Project, anyone_may_answer: bool, answers_any_hour: bool) -> None:
    """Who may answer from the channel, and whether it answers outside business hours."""
    with transaction.atomic():
        _check(seat)
        install = SlackInstall.objects.select_for_update().get(project=project)
        install.anyone_may_answer, install.answers_any_hour = anyone_may_answer, answers_any_hour
        install.save(update_fields=["anyone_may_answer", "answers_any_hour"])
        _record(seat, project, "changed Slack", str(install))


def call_people(*, seat: Seat, project: Project, where: str) -> None:
    """Say whether the project's people are called in Live Support, in Slack, or in both: a Project.HandoffsTo."""
    with transaction.atomic():
        _check(seat)
        changed = Project.objects.select_for_update().get(pk=project.pk)
        changed.handoffs_to = Project.HandoffsTo(where)
        changed.save(update_fields=["handoffs_to"])
        _record(seat, project, "changed where people are called", changed.get_handoffs_to_display())


def disconnect(*, seat: Seat, project: Project) -> None:
    """Forget the token and the way in. Threads stay in Slack; replies in them no longer reach anybody."""
    with transaction.atomic():
        _check(seat)
        install = SlackInstall.objects.select_for_update().filter(project=project).first()
        if install is not None:
            _switch_off(install, "Disconnected here.")
            _drop_routes(project)
            _record(seat, project, "disconnected Slack", install.team_name)


def forget_workspace(*, app_id: str, team_id: str) -> int:
    """The app was removed in Slack: its tokens go, and handoffs land in Live Support. How many it concerned."""
    with transaction.atomic():
        installs = SlackInstall.objects.select_for_update().filter(app_id=app_id, team_id=team_id, is_active=True)
        found = list(installs.select_related("project"))
        for install in found:
            _switch_off(install, "BuiltABot was removed from the workspace.")
            _drop_routes(install.project)
    return len(found)


def note_problem(*, install_id: int, sentence: str) -> None:
    """Slack refuses this connection: nobody counts on it until somebody has looked after it."""
    SlackInstall.objects.filter(pk=install_id).update(is_active=False, problem=sentence[:300])


def note_working(*, install_id: int) -> None:
    """A message arrived: the channel counts again."""
    SlackInstall.objects.filter(pk=install_id).exclude(channel_id="").update(is_active=True, problem="")


def answer(*, thread: SlackThread, seat: Seat, said: Said) -> None:
    """Words from a thread go to the visitor; the first claim the conversation. Repeating it does nothing.

    Raises ThreadClosed, AlreadyTaken (says who), NotAllowed, UnknownConversation, TextEmpty.
    """
    note = text.as_note(said.words)
    words = said.words if note is None else note
    drafts = [
        Draft(text=piece, client_id=client_id(said.place, number), note=note is not None, via=VIA)
        for number, piece in enumerate(text.pieces(words, longest=MESSAGE_CHARACTERS, most=MOST_MESSAGES))
    ] or [Draft(text="", via=VIA)]
    with transaction.atomic():
        handoff = _locked(thread)
        if _is_posted(handoff, drafts):
            return
        if note is None:
            _check_open(handoff)
            claim(seat=seat, conversation_id=handoff.conversation_id, via=VIA)
        post_messages(conversation_id=handoff.conversation_id, author=Author.of_seat(seat), drafts=drafts)


def rewrite(*, thread: SlackThread, seat: Seat, said: Said) -> None:
    """What somebody wrote in a thread reads otherwise there now, so it does here: an answer stays an answer, a note a
    note. Words that never came are taken as new ones. Repeating it does nothing.

    Raises what `answer` and `chat.actions.edit_message` do, StaysAnswer, TextTooLong.
    """
    with transaction.atomic():
        handoff = _locked(thread)
        rows = _written(handoff, said.place)
        if not rows:
            answer(thread=thread, seat=seat, said=said)
            return
        note = text.as_note(said.words)
        if note is not None and not rows[0].internal:
            raise StaysAnswer
        words = text.pieces(said.words if note is None else note, longest=MESSAGE_CHARACTERS, most=MOST_MESSAGES)
        if len(words) > len(rows):
            raise TextTooLong
        for number, row in enumerate(rows):
            given: dict[str, Any] = {"conversation_id": handoff.conversation_id, "seat_id": seat.pk}
            given["change"] = Change(row.seq, via=VIA)
            if number and number >= len(words):
                delete_message(**given)
            else:
                edit_message(**given, text=words[number] if words else "")


def take_back(*, thread: SlackThread, seat: Seat, place: str) -> None:
    """What somebody wrote in a thread was deleted there. Repeating it does nothing. Raises what
    `chat.actions.delete_message` does."""
    with transaction.atomic():
        handoff = _locked(thread)
        for row in _written(handoff, place):
            change = Change(row.seq, via=VIA)
            delete_message(conversation_id=handoff.conversation_id, seat_id=seat.pk, change=change)


def take(*, thread: SlackThread, seat: Seat) -> None:
    """The button *Claim*. Raises ThreadClosed, AlreadyTaken, NotAllowed, UnknownConversation."""
    with transaction.atomic():
        handoff = _locked(thread)
        _check_open(handoff)
        claim(seat=seat, conversation_id=handoff.conversation_id, via=VIA)


def close(*, thread: SlackThread, seat: Seat) -> None:
    """The button *Resolve*. Raises ThreadClosed, NotHolder, NotAllowed, UnknownConversation."""
    with transaction.atomic():
        handoff = _locked(thread)
        _check_open(handoff)
        resolve(seat=seat, conversation_id=handoff.conversation_id)


def client_id(place: str, number: int) -> UUID:
    """The id of a text from Slack: always the same for the same words, so that a repeat is no second message."""
    return uuid5(NAMESPACE_URL, f"slack:{place}#{number}")


def _written(handoff: Handoff, place: str) -> list[Message]:
    """What came of something written in a thread: more than one text where it was long."""
    ids = [client_id(place, number) for number in range(MOST_MESSAGES)]
    return list(Message.objects.filter(conversation=handoff.conversation_id, client_id__in=ids).order_by("seq"))


def _locked(thread: SlackThread) -> Handoff:
    """The thread's handoff as it is once nobody else can change it."""
    conversations = Conversation.objects.select_for_update(of=("self",)).only("pk")
    conversation = conversations.get(handoffs=thread.handoff_id)
    return Handoff.objects.get(pk=thread.handoff_id, conversation=conversation)


def _check_open(handoff: Handoff) -> None:
    if handoff.state not in Handoff.OPEN:
        ended = "This conversation has ended"
        raise ThreadClosed(f"{ended}: {handoff.resolved_name} resolved it." if handoff.resolved_name else f"{ended}.")


def _is_posted(handoff: Handoff, drafts: Sequence[Draft]) -> bool:
    ids = [draft.client_id for draft in drafts if draft.client_id]
    return Message.objects.filter(conversation=handoff.conversation_id, client_id__in=ids).exists()


def _switch_off(install: SlackInstall, why: str) -> None:
    install.is_active, install.problem, install.bot_token = False, why, ""
    install.channel_id = install.channel_name = ""
    install.save(update_fields=["is_active", "problem", "bot_token", "channel_id", "channel_name"])


def _drop_routes(project: Project) -> None:
    kinds = (CHANNEL_ROUTE, TEAM_ROUTE)
    ExternalRoute.objects.filter(kind__in=kinds, schema=current_schema(), project_key=project.key).delete()


def _check(seat: Seat) -> None:
    if not may_configure(seat):
        raise NotAllowed


def _record(seat: Seat, project: Project, verb: str, what: str) -> None:
    data = {"model": "workspace.project", "id": str(project.pk), "text": what}
    record(seat=seat, verb=verb, subject=str(project), data=data)
