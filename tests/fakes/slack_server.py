"""A Slack Web API server with one workspace, which remembers what was posted and fails on demand."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

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


class FakeSlack(HttpFake):
    """`fake.fail("chat.postMessage", SlackFault(status=429))` spoils the next call of a method.

    Posts are in `fake.messages[channel]`, oldest first; `fake.say(...)` is a person writing in Slack.
    """

    team_id = "T0FAKE"
    bot_user = "U0BOT"
    token = "xoxb-fake"
    code = "the-oauth-code"

    def __init__(self) -> None:
        super().__init__()
        self.channels = {"C0SUPPORT": "support"}
        self.users = {"U0ANA": {"name": "ana", "real_name": "Ana Ruiz", "email": "ana@acme.example"}}
        self.messages: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._faults: dict[str, deque[SlackFault]] = defaultdict(deque)
        self._limits: dict[str, tuple[int, float]] = {}
        self._spent: dict[str, deque[float]] = defaultdict(deque)
        self._clock = itertools.count(1)

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

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.path.split("?")[0] == f"/api/{method}"]

    def answer(self, exchange: Exchange, call: Call) -> None:
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
            ts = f"{1_700_000_000 + next(self._clock)}.000100"
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
                "bot_user_id": self.bot_user, "app_id": "A0FAKE", "authed_user": {"id": "U0ANA"}}  # fmt: skip

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
        newer = [m for m in thread if float(m["ts"]) >= float(call.body.get("oldest") or 0)]
        return {"ok": True, "messages": newer, "has_more": False}

    def _users_info(self, call: Call) -> dict[str, Any]:
        user = self.users.get(call.body.get("user", ""))
        if user is None:
            return {"ok": False, "error": "user_not_found"}
        profile = {"real_name": user["real_name"], "email": user["email"], "image_72": ""}
        return {"ok": True, "user": {"id": call.body["user"], "name": user["name"], "profile": profile}}
