"""A Slack Web API server with one workspace, which remembers what was posted and fails on demand.

Given a signing secret and our addresses it also calls us, as Slack does: `standin.say` and `standin.press` make
one of its people write or press a button, and the signed call follows. `python -m tests.fakes.slack_server`
runs it beside a demo.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import itertools
import json
import secrets
import threading
import time
import urllib.request
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.fakes.http_server import Call, Exchange, HttpFake


@dataclass(frozen=True)
class SlackFault:
    """One failed answer: an HTTP status (429 carries Retry-After), Slack's own `error`, or silence.

    `after_doing` lets the call take effect first: the answer is lost, the post is not.
    """

    status: int = 200
    error: str = ""
    retry_after_seconds: int = 1
    hang: bool = False
    after_doing: bool = False


@dataclass(frozen=True)
class CallsUs:
    """Where we are called, and the secret that the calls are signed with."""

    secret: str
    base_url: str  # our public host with a slash at its end; the Host header is `host`
    host: str = ""

    def send(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> int:
        """One signed call; the status of the answer."""
        now = str(int(time.time()))
        signed = hmac.new(self.secret.encode(), b"v0:" + now.encode() + b":" + body, hashlib.sha256)
        stamped = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": "v0=" + signed.hexdigest()}
        request = urllib.request.Request(self.base_url + path, data=body, method="POST")
        for name, value in {"Content-Type": content_type, **stamped, **(headers or {})}.items():
            request.add_header(name, value)
        if self.host:
            request.add_header("Host", self.host)
        with urllib.request.urlopen(request, timeout=3) as answer:
            return int(answer.status)


class FakeSlack(HttpFake):
    """`fake.fail("chat.postMessage", SlackFault(status=429))` spoils the next call of a method.

    Posts are in `fake.messages[channel]`, oldest first; `fake.say(...)` is a person writing in Slack.
    """

    team_id = "T0FAKE"
    app_id = "A0FAKE"
    bot_user = "U0BOT"
    token = "xoxb-fake"
    code = "the-oauth-code"

    def __init__(self, *, port: int = 0, calls_us: CallsUs | None = None) -> None:
        super().__init__(port)
        self.calls_us = calls_us
        self.members: set[str] = set()  # channels that the app has joined
        self.channels = {"C0SUPPORT": "support"}
        self.users = {"U0ANA": {"name": "ana", "real_name": "Ana Ruiz", "email": "ana@acme.example"}}
        self.messages: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._faults: dict[str, deque[SlackFault]] = defaultdict(deque)
        self._limits: dict[str, tuple[int, float]] = {}
        self._spent: dict[str, deque[float]] = defaultdict(deque)
        self._numbers = itertools.count(1)
        self.ephemeral: list[dict[str, Any]] = []

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/"

    def fail(self, method: str, *faults: SlackFault) -> None:
        with self._lock:
            self._faults[method].extend(faults)

    def limit(self, method: str, calls: int, per_seconds: float) -> None:
        """Answer 429 beyond so many calls of a method in a sliding window."""
        self._limits[method] = (calls, per_seconds)

    def say(self, channel: str, text: str, *, user: str = "U0ANA", thread_ts: str = "") -> dict[str, Any]:
        """A message of a person, as it would be read back."""
        return self._store(channel, {"user": user, "text": text}, thread_ts)

    def edit(self, channel: str, ts: str, text: str, *, by_person: bool = True) -> dict[str, Any]:
        """A person edits what they said, or (`by_person` false) Slack adds a preview; what the event says of it."""
        message = next(one for one in self.messages[channel] if one["ts"] == ts)
        before = dict(message)
        message["text"] = text
        if by_person:
            message["edited"] = {"user": message["user"], "ts": f"{int(time.time())}.000000"}
        return {"type": "message", "subtype": "message_changed", "hidden": True, "channel": channel,
                "ts": f"{int(time.time())}.{next(self._numbers):06d}", "message": dict(message),
                "previous_message": before}  # fmt: skip

    def delete(self, channel: str, ts: str) -> dict[str, Any]:
        """A person deletes what they said; what the event says of it."""
        message = next(one for one in self.messages[channel] if one["ts"] == ts)
        self.messages[channel].remove(message)
        return {"type": "message", "subtype": "message_deleted", "hidden": True, "channel": channel,
                "ts": f"{int(time.time())}.{next(self._numbers):06d}", "deleted_ts": ts,
                "previous_message": message}  # fmt: skip

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.path.split("?")[0] == f"/api/{method}"]

    def event(self, message: dict[str, Any], channel: str = "C0SUPPORT", **more: Any) -> dict[str, Any]:
        """The Events API's body for a message of this workspace."""
        return {
            "type": "event_callback",
            "team_id": self.team_id,
            "api_app_id": self.app_id,
            "event_id": f"Ev{secrets.token_hex(6).upper()}",
            "event_time": int(time.time()),
            "event": {"channel": channel, "channel_type": "channel", **message},
            **more,
        }

    def press(self, button: str, thread_ts: str, *, channel: str = "C0SUPPORT", user: str = "U0ANA") -> dict[str, Any]:
        """The interactivity payload of a button in a thread's first message."""
        return {
            "type": "block_actions",
            "api_app_id": self.app_id,
            "team": {"id": self.team_id, "domain": "acme"},
            "user": {"id": user, "team_id": self.team_id},
            "channel": {"id": channel, "name": self.channels.get(channel, "")},
            "message": {"ts": thread_ts, "type": "message"},
            "actions": [
                {"action_id": button, "block_id": "handoff", "type": "button",
                 "action_ts": f"{int(time.time())}.{next(self._numbers):06d}"}
            ],
        }  # fmt: skip

    def deliver(self, path: str, body: dict[str, Any]) -> int:
        """Call us with an event, or with a press, as Slack would; the status of the answer."""
        if self.calls_us is None:
            raise AssertionError("this workspace was not told whom to call")
        raw = json.dumps(body).encode()
        if path == "slack/interactivity":
            form = urlencode({"payload": raw.decode()}).encode()
            return self.calls_us.send(path, form, "application/x-www-form-urlencoded")
        return self.calls_us.send(path, raw, "application/json")

    def answer(self, exchange: Exchange, call: Call) -> None:
        if call.path.startswith("/oauth/v2/authorize"):
            self._authorize(exchange, call)
            return
        method = call.path.split("?")[0].removeprefix("/api/")
        handler = getattr(self, "_" + method.replace(".", "_"), None)
        with self._lock:
            fault = self._faults[method].popleft() if self._faults[method] else self._over_limit(method)
        if fault is not None:
            if fault.after_doing and handler is not None:
                handler(call)
            self._spoil(exchange, fault)
        elif handler is None:
            exchange.send_json(200, {"ok": False, "error": "unknown_method"})
        elif method != "oauth.v2.access" and call.bearer != self.token:
            exchange.send_json(200, {"ok": False, "error": "invalid_auth"})
        else:
            exchange.send_json(200, handler(call))

    def _over_limit(self, method: str) -> SlackFault | None:
        if method not in self._limits:
            return None
        (most, seconds), spent, now = self._limits[method], self._spent[method], time.monotonic()
        while spent and now - spent[0] > seconds:
            spent.popleft()
        if len(spent) >= most:
            return SlackFault(status=429, retry_after_seconds=max(1, round(seconds - (now - spent[0]))))
        spent.append(now)
        return None

    def _spoil(self, exchange: Exchange, fault: SlackFault) -> None:
        if fault.hang:
            self.released.wait(120)
            exchange.close_connection = True
        elif fault.status == 429:
            body = {"ok": False, "error": "ratelimited"}
            exchange.send_json(429, body, Retry_After=str(fault.retry_after_seconds))
        elif fault.error:
            exchange.send_json(fault.status, {"ok": False, "error": fault.error})
        else:
            exchange.send_body(fault.status, b"upstream error", {"Content-Type": "text/plain"})

    def _store(self, channel: str, message: dict[str, Any], thread_ts: str) -> dict[str, Any]:
        with self._lock:
            ts = f"{int(time.time())}.{next(self._numbers):06d}"  # each is the only one of its second's
            stored = {"type": "message", "ts": ts, **message}
            if thread_ts:
                stored["thread_ts"] = thread_ts
            self.messages[channel].append(stored)
        return stored

    def _auth_test(self, call: Call) -> dict[str, Any]:
        return {
            "ok": True,
            "team": "Acme",
            "team_id": self.team_id,
            "user_id": self.bot_user,
            "bot_id": "B0BOT",
        }

    def _oauth_v2_access(self, call: Call) -> dict[str, Any]:
        if call.body.get("code") != self.code:
            return {"ok": False, "error": "invalid_code"}
        team = {"id": self.team_id, "name": "Acme"}
        return {"ok": True, "access_token": self.token, "token_type": "bot", "scope": "chat:write", "team": team,
                "bot_user_id": self.bot_user, "app_id": self.app_id, "authed_user": {"id": "U0ANA"}}  # fmt: skip

    def _chat_postMessage(self, call: Call) -> dict[str, Any]:
        channel, thread_ts = call.body.get("channel", ""), call.body.get("thread_ts", "")
        if channel not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        if thread_ts and not any(message["ts"] == thread_ts for message in self.messages[channel]):
            return {"ok": False, "error": "thread_not_found"}
        if not call.body.get("text") and not call.body.get("blocks"):
            return {"ok": False, "error": "no_text"}
        kept = {key: call.body[key] for key in ("text", "blocks", "metadata") if key in call.body}
        stored = self._store(channel, {"user": self.bot_user, "bot_id": "B0BOT", **kept}, thread_ts)
        return {"ok": True, "channel": channel, "ts": stored["ts"], "message": stored}

    def _chat_update(self, call: Call) -> dict[str, Any]:
        channel, ts = call.body.get("channel", ""), call.body.get("ts", "")
        for message in self.messages[channel]:
            if message["ts"] == ts:
                message.update({key: call.body[key] for key in ("text", "blocks") if key in call.body})
                return {"ok": True, "channel": channel, "ts": ts, "text": message.get("text", "")}
        return {"ok": False, "error": "message_not_found"}

    def _conversations_replies(self, call: Call) -> dict[str, Any]:
        channel, ts = call.body.get("channel", ""), call.body.get("ts", "")
        thread = [m for m in self.messages[channel] if ts in {m["ts"], m.get("thread_ts")}]
        if not thread:
            return {"ok": False, "error": "thread_not_found"}
        return {"ok": True, "messages": self._read(thread, call), "has_more": False}

    def _conversations_history(self, call: Call) -> dict[str, Any]:
        channel = call.body.get("channel", "")
        if channel not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        top = [m for m in self.messages[channel] if "thread_ts" not in m]
        return {"ok": True, "messages": self._read(top, call)[::-1], "has_more": False}

    def _read(self, messages: list[dict[str, Any]], call: Call) -> list[dict[str, Any]]:
        """What is newer than `oldest`; metadata only for who asks."""
        newer = [m for m in messages if float(m["ts"]) >= float(call.body.get("oldest") or 0)]
        if str(call.body.get("include_all_metadata", "")).lower() in {"true", "1"}:
            return newer
        return [{name: value for name, value in m.items() if name != "metadata"} for m in newer]

    def _conversations_list(self, call: Call) -> dict[str, Any]:
        rows = [self._channel(channel) for channel in self.channels]
        return {"ok": True, "channels": rows, "response_metadata": {"next_cursor": ""}}

    def _conversations_info(self, call: Call) -> dict[str, Any]:
        channel = call.body.get("channel", "")
        if channel not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        return {"ok": True, "channel": self._channel(channel)}

    def _conversations_join(self, call: Call) -> dict[str, Any]:
        self.members.add(call.body.get("channel", ""))
        return {"ok": True, "channel": self._channel(call.body.get("channel", ""))}

    def _channel(self, channel: str) -> dict[str, Any]:
        return {"id": channel, "name": self.channels[channel], "is_private": channel.startswith("G")}

    def _chat_postEphemeral(self, call: Call) -> dict[str, Any]:
        kept = {key: call.body[key] for key in ("channel", "user", "thread_ts", "text", "blocks") if key in call.body}
        self.ephemeral.append(kept)
        return {"ok": True, "message_ts": f"{int(time.time())}.{next(self._numbers):06d}"}

    def _authorize(self, exchange: Exchange, call: Call) -> None:
        """The page where an owner says yes; this one always does, and sends the browser back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(call.path).query).items()}
        back = asked["redirect_uri"] + "?" + urlencode({"code": self.code, "state": asked.get("state", "")})
        exchange.send_body(302, b"", {"Location": back})

    def _standin_say(self, call: Call) -> dict[str, Any]:
        """Somebody of the workspace writes in a thread; the event follows by itself, as from Slack."""
        channel, thread_ts = call.body["channel"], call.body["thread_ts"]
        said = self.say(channel, call.body["text"], user=call.body.get("user", "U0ANA"), thread_ts=thread_ts)
        self._later("slack/events", self.event(said, channel))
        return {"ok": True, "ts": said["ts"]}

    def _standin_press(self, call: Call) -> dict[str, Any]:
        user = call.body.get("user", "U0ANA")
        pressed = self.press(call.body["button"], call.body["thread_ts"], channel=call.body["channel"], user=user)
        self._later("slack/interactivity", pressed)
        return {"ok": True}

    def _later(self, path: str, body: dict[str, Any]) -> None:
        threading.Thread(target=self.deliver, args=(path, body), daemon=True).start()

    def _users_info(self, call: Call) -> dict[str, Any]:
        user = self.users.get(call.body.get("user", ""))
        if user is None:
            return {"ok": False, "error": "user_not_found"}
        profile = {"real_name": user["real_name"], "email": user["email"], "image_72": ""}
        more = {name: value for name, value in user.items() if name not in {"real_name", "email"}}
        return {"ok": True, "user": {"id": call.body["user"], "team_id": self.team_id, "profile": profile, **more}}


def main() -> None:
    """Beside a demo: set SLACK_* to what this prints before `make demo`, then connect in the settings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.slack_server")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--product", default="http://127.0.0.1:8000/", help="where the product's web process listens")
    parser.add_argument("--host", default="localhost:8000", help="its public host, as Host header")
    parser.add_argument("--secret", default="stand-in-secret")
    options = parser.parse_args()
    calls_us = CallsUs(options.secret, options.product, options.host)
    with FakeSlack(port=options.port, calls_us=calls_us) as fake:
        print(f"export SLACK_API_URL={fake.base_url} SLACK_SIGNING_SECRET={options.secret}")
        print("export SLACK_CLIENT_ID=stand-in SLACK_CLIENT_SECRET=stand-in", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
