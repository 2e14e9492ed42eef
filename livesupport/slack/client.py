"""Slack's Web API: the only file that talks to it. Explicit timeouts, our dataclasses out, our errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from livesupport.slack.errors import SlackFailed

TIMEOUT_SECONDS = 8
MOST_PAGES = 5
PAGE_ROWS = 200
EVENT_TYPE = "builtabot_entry"
# What each scope is for stands in docs/slack.md.
SCOPES = (
    "chat:write,channels:read,channels:join,channels:history,groups:read,groups:history,users:read,users:read.email"
)


@dataclass(frozen=True)
class Granted:
    """What an installation gave us."""

    app_id: str
    team_id: str
    team_name: str
    bot_user_id: str
    token: str


@dataclass(frozen=True)
class Outgoing:
    """A message to post. `key` goes along as metadata, to find it again; `thread_ts` is empty for a new thread."""

    channel: str
    text: str
    blocks: Sequence[dict[str, Any]]
    key: str
    thread_ts: str = ""


@dataclass(frozen=True)
class Member:
    """A person as Slack knows them. `is_guest` and `is_outside` people are no full members of the workspace."""

    name: str
    email: str = ""
    is_guest: bool = False
    is_outside: bool = False


@dataclass(frozen=True)
class Channel:
    """A channel that the app may see. It hears only those that it is a member of."""

    id: str
    name: str
    is_private: bool = field(default=False)


def authorize_url(state: str, redirect_uri: str) -> str:
    """Where an owner's browser goes to let us into a workspace."""
    asked = {"client_id": settings.SLACK_CLIENT_ID, "scope": SCOPES, "state": state, "redirect_uri": redirect_uri}
    return urljoin(str(settings.SLACK_API_URL), "/oauth/v2/authorize") + "?" + urlencode(asked)


def exchange(code: str, redirect_uri: str) -> Granted:
    """The installation behind a one-time code. Raises SlackFailed."""
    found = Slack("").call(
        "oauth.v2.access",
        client_id=settings.SLACK_CLIENT_ID,
        client_secret=settings.SLACK_CLIENT_SECRET,
        code=code,
        redirect_uri=redirect_uri,
    )
    team = found.get("team") or {}
    if found.get("is_enterprise_install") or not team.get("id") or not found.get("access_token"):
        raise SlackFailed("no_single_workspace")
    return Granted(
        app_id=str(found.get("app_id", "")),
        team_id=str(team["id"]),
        team_name=str(team.get("name", "")),
        bot_user_id=str(found.get("bot_user_id", "")),
        token=str(found["access_token"]),
    )


class Slack:
    """One workspace, by its token. Every call may raise SlackFailed."""

    def __init__(self, token: str) -> None:
        self._web = WebClient(
            token=token or None, base_url=settings.SLACK_API_URL, timeout=TIMEOUT_SECONDS, retry_handlers=[]
        )

    def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """One call of the Web API, by its name there, as a form: reading methods take nothing else."""
        return self._ask(method, params=_form(fields))

    def _tell(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """One call as JSON, which keeps blocks and metadata in shape."""
        return self._ask(method, json=body)

    def _ask(self, method: str, **how: Any) -> dict[str, Any]:
        try:
            answer = self._web.api_call(method, **how)
        except SlackApiError as error:
            raise _failure(error) from error
        except (SlackClientError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise SlackFailed("unreadable", is_unsure=True) from error
        except OSError as error:
            raise SlackFailed("unreachable", is_unsure=True) from error
        if not isinstance(answer.data, dict):
            raise SlackFailed("unreadable", is_unsure=True)
        return answer.data

    def post(self, message: Outgoing) -> str:
        """Post a message; the `ts` that names it from now on."""
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": message.key}}
        placed = {"thread_ts": message.thread_ts} if message.thread_ts else {}
        posted = self._tell("chat.postMessage", {**_body(message), "metadata": metadata, **placed})
        return str(posted["ts"])

    def update(self, message: Outgoing, ts: str) -> None:
        """Replace what a message shows. Repeating it does no harm."""
        self._tell("chat.update", {**_body(message), "ts": ts})

    def whisper(self, message: Outgoing, user: str) -> None:
        """Show a message in a thread to one person alone."""
        self._tell("chat.postEphemeral", {**_body(message), "user": user, "thread_ts": message.thread_ts})

    def find(self, message: Outgoing, since: float) -> str | None:
        """The `ts` of a message that may have been posted since then (seconds since 1970), by its key."""
        method, place = "conversations.history", {"channel": message.channel}
        if message.thread_ts:
            method, place = "conversations.replies", {"channel": message.channel, "ts": message.thread_ts}
        found = self._pages(method, "messages", **place, oldest=f"{since:.6f}", include_all_metadata=True)
        for row in found:
            metadata = row.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            if metadata.get("event_type") == EVENT_TYPE and payload.get("key") == message.key:
                return str(row["ts"])
        return None

    def member(self, user_id: str, team_id: str) -> Member | None:
        """A person, seen from the workspace `team_id`; None for a bot, or somebody who left."""
        user = self.call("users.info", user=user_id)["user"]
        if user.get("deleted") or user.get("is_bot"):
            return None
        profile = user.get("profile") or {}
        name = profile.get("display_name") or profile.get("real_name") or user.get("real_name") or user.get("name")
        is_outside = bool(user.get("is_stranger")) or user.get("team_id", team_id) != team_id
        return Member(
            name=str(name or "").strip(),
            email="" if is_outside else str(profile.get("email") or ""),
            is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
            is_outside=is_outside,
        )

    def channels(self) -> list[Channel]:
        """The channels to choose from, by name."""
        fields = {"types": "public_channel,private_channel", "exclude_archived": True}
        rows = self._pages("conversations.list", "channels", **fields)
        found = [Channel(str(row["id"]), str(row.get("name", "")), bool(row.get("is_private"))) for row in rows]
        return sorted(found, key=lambda channel: channel.name)

    def channel(self, channel_id: str) -> Channel:
        """One channel."""
        row = self.call("conversations.info", channel=channel_id)["channel"]
        return Channel(str(row["id"]), str(row.get("name", "")), bool(row.get("is_private")))

    def join(self, channel: Channel) -> None:
        """Become a member, so that replies are heard. Into a private channel somebody has to invite the app."""
        if not channel.is_private:
            self.call("conversations.join", channel=channel.id)

    def _pages(self, method: str, rows: str, **fields: Any) -> Iterator[dict[str, Any]]:
        cursor = ""
        for _ in range(MOST_PAGES):
            page = self.call(method, limit=PAGE_ROWS, **fields, **({"cursor": cursor} if cursor else {}))
            yield from page.get(rows, ())
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return


def _body(message: Outgoing) -> dict[str, Any]:
    """No address in it is unfurled, no name in it is looked up."""
    return {
        "channel": message.channel,
        "text": message.text,
        "blocks": list(message.blocks),
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _form(fields: dict[str, Any]) -> dict[str, str]:
    """Slack's forms hold text: lists and objects as JSON, truth as true or false."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def _failure(error: SlackApiError) -> SlackFailed:
    response = error.response
    status = int(getattr(response, "status_code", 0) or 0)
    data = getattr(response, "data", None)
    if status == 429:
        headers = getattr(response, "headers", None) or {}
        asked = str(headers.get("Retry-After", ""))
        return SlackFailed("ratelimited", after_seconds=float(asked) if asked.isdigit() else 30.0)
    if status >= 500:
        return SlackFailed("service_unavailable", is_unsure=True)
    return SlackFailed(str(data.get("error", "unreadable")) if isinstance(data, dict) else "unreadable")
