"""What Slack calls us with: which of it concerns us, whose it is, and what is done about it.

Parsing is pure. A call is routed by app, workspace and channel through the shared schema, and only then, inside
the tenant, by its thread: a call that fits in part fits nowhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from chat.errors import UnknownConversation
from livesupport.models import SlackThread
from livesupport.slack import actions
from livesupport.slack.errors import NoRoute, SlackFailed
from livesupport.slack.people import names_of, seat_for
from livesupport.slack.text import plain
from livesupport.slack.whispers import post_aside
from tenants import external
from tenants.errors import ProductError
from tenants.models import ExternalEvent, ExternalRoute
from tenants.schema import run_in

KIND = "slack"
SAID, PRESSED, GONE = "said", "pressed", "gone"
EDITED, DELETED = "edited", "deleted"
PLAIN_KINDS = frozenset({"", "thread_broadcast", "file_share"})  # subtypes of a message that a person wrote
BUTTONS = frozenset({"claim", "resolve"})
LONGEST_TEXT = 40_000


@dataclass(frozen=True)
class Heard:
    """What concerns us of a call, as it is kept. `thread` is the `ts` of the handoff's message, `ts` that of what was
    said, edited or deleted; `text` is a message's words, or the name of a button."""

    what: str
    app: str
    team: str
    channel: str = ""
    thread: str = ""
    ts: str = ""
    user: str = ""
    text: str = ""

    @property
    def place(self) -> str:
        """Names what was said for good, in whichever call it comes."""
        return f"{self.team}/{self.channel}/{self.ts}"

    @property
    def lane(self) -> str:
        """What is said and pressed in one thread is handled in its order."""
        return f"{self.app}/{self.team}/{self.channel}/{self.thread}" if self.thread else ""


def from_event(body: dict[str, Any]) -> tuple[str, Heard] | None:
    """(id of the call, what was heard) of an Events API body; None for what does not concern us."""
    event = body.get("event")
    call_id, app, team = (_id(body, name) for name in ("event_id", "api_app_id", "team_id"))
    if body.get("type") != "event_callback" or not isinstance(event, dict) or not (call_id and app and team):
        return None
    if event.get("type") in {"app_uninstalled", "tokens_revoked"}:
        return call_id, Heard(GONE, app, team)
    what, message = _message_of(event)
    thread, ts, user = (_id(message, name) for name in ("thread_ts", "ts", "user"))
    channel, by_person = _id(event, "channel"), message.get("subtype", "") in PLAIN_KINDS and not message.get("bot_id")
    if not (what and by_person) or not all((channel, thread, ts, user)) or thread == ts:
        return None
    text = "" if what == DELETED else _clean(message.get("text"))
    return call_id, Heard(what, app, team, channel, thread, ts, user, text)


def _message_of(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What happened to which message. Slack calls it a change, too, when it adds the preview of a link: only what a
    person edited says so."""
    subtype = event.get("subtype", "") if event.get("type") == "message" else None
    if subtype == "message_changed":
        message = _part(event, "message")
        return (EDITED if message.get("edited") else ""), message
    if subtype == "message_deleted":
        return DELETED, _part(event, "previous_message")
    return ("" if subtype is None else SAID), event


def from_press(body: dict[str, Any]) -> tuple[str, Heard] | None:
    """The same of an interactivity payload: a button of ours was pressed."""
    pressed = body.get("actions")
    first = pressed[0] if isinstance(pressed, list) and pressed and isinstance(pressed[0], dict) else {}
    message = _part(body, "message")
    app, button, ts = _id(body, "api_app_id"), _id(first, "action_id"), _id(first, "action_ts")
    team, channel, user = (_id(_part(body, name), "id") for name in ("team", "channel", "user"))
    thread = _id(message, "thread_ts") or _id(message, "ts")
    if body.get("type") != "block_actions" or button not in BUTTONS or not all((app, team, channel, thread, user, ts)):
        return None
    heard = Heard(PRESSED, app, team, channel, thread, ts, user, button)
    digest = hashlib.sha256("\n".join(asdict(heard).values()).encode()).hexdigest()
    return f"press:{digest}", heard


def _part(body: dict[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _id(body: dict[str, Any], name: str) -> str:
    """An id as Slack writes them; empty for anything else."""
    found = body.get(name)
    return found if isinstance(found, str) and len(found) <= 100 and found.isascii() and found.isprintable() else ""


def _clean(text: object) -> str:
    """Text that Postgres can hold."""
    kept = text if isinstance(text, str) else ""
    return kept[:LONGEST_TEXT].replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


def keep(found: tuple[str, Heard] | None) -> bool:
    """Store what was heard, once; False when there was nothing, or nothing new."""
    if found is None:
        return False
    call_id, heard = found
    return external.keep(kind=KIND, external_id=call_id, lane=heard.lane, body=asdict(heard))


def handle(event: ExternalEvent) -> None:
    """Find the tenant, and do it there. Raises NoRoute and SlackFailed."""
    heard = Heard(**event.body)
    if heard.what == GONE:
        _workspace_left(heard)
        return
    key = actions.channel_key(heard.app, heard.team, heard.channel)
    route = ExternalRoute.objects.filter(kind=actions.CHANNEL_ROUTE, key=key).first()
    if route is None:
        raise NoRoute
    run_in(route.schema, receive, heard)


def _workspace_left(heard: Heard) -> None:
    routes = ExternalRoute.objects.filter(kind=actions.TEAM_ROUTE, key__startswith=f"{heard.app}:{heard.team}:")
    for schema in sorted(set(routes.values_list("schema", flat=True))):
        run_in(schema, actions.forget_workspace, app_id=heard.app, team_id=heard.team)


def receive(heard: Heard) -> None:
    """One word or press in one of the present tenant's threads; talk in other threads is nobody's business.

    That a message of ours lately failed keeps nobody's words from the visitor. Raises SlackFailed when Slack refuses:
    then nobody can be told there either.
    """
    thread = (
        SlackThread.objects.select_related("install__project", "handoff")
        .filter(
            install__app_id=heard.app,
            install__team_id=heard.team,
            install__channel_id=heard.channel,
            channel_id=heard.channel,
            ts=heard.thread,
        )
        .first()
    )
    if thread is None or heard.user == thread.install.bot_user_id:
        return
    try:
        _act(thread, heard)
    except ProductError as refusal:
        if refusal.retryable or isinstance(refusal, SlackFailed):
            raise
        post_aside(thread, user=heard.user, key=heard.place, sentence=_told(heard, refusal))


def _act(thread: SlackThread, heard: Heard) -> None:
    seat = seat_for(thread.install, heard.user)
    if heard.what == SAID:
        words = plain(heard.text, names_of(thread.install))
        actions.answer(thread=thread, seat=seat, said=actions.Said(heard.place, words))
    elif heard.what == EDITED:
        words = plain(heard.text, names_of(thread.install))
        actions.rewrite(thread=thread, seat=seat, said=actions.Said(heard.place, words))
    elif heard.what == DELETED:
        actions.take_back(thread=thread, seat=seat, place=heard.place)
    elif heard.text == "claim":
        actions.take(thread=thread, seat=seat)
    else:
        actions.close(thread=thread, seat=seat)


_BECAME = {
    SAID: ["Your words did not reach the visitor."],
    EDITED: ["Your edit did not reach the visitor."],
    DELETED: ["The visitor still sees it."],
}


def _told(heard: Heard, refusal: ProductError) -> str:
    """Why it did not work, and what became of the words."""
    sentence = refusal.sentence
    if isinstance(refusal, UnknownConversation):
        sentence = "Your seat does not include this chatbot."
    return " ".join([sentence, *_BECAME.get(heard.what, ())])
