"""The model and Slack of a run, in a child process of their own, told by the harness when to fail.

`python -m tests.faults.fakes CONTROL-SOCKET MODEL-PORT SLACK-PORT`. Both keep a journal: which question was answered
from when until when, and what was posted with which key.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from knowledge.sentences import split
from tests.fakes.http_server import Call, Exchange
from tests.fakes.openai_server import FakeOpenAI, Fault, Reply, ToolCall, responding, written
from tests.fakes.slack_server import FakeSlack, SlackFault
from tests.faults.control import serve

MARK = re.compile(r"#[a-z0-9.-]+#")  # each text of a run carries one, so that it can be told from all others
ANSWER = "it is all written down there, and you can rely on it [1]."
SCRIPTS: dict[str, dict[str, Any]] = {
    "401": {"fault": Fault.UNAUTHORIZED},
    "429": {"fault": Fault.RATE_LIMITED},
    "500": {"fault": Fault.SERVER_ERROR},
    "hang": {"fault": Fault.HANG},
    "hang-after-first": {"fault": Fault.HANG_AFTER_FIRST, "said": 0.9},
    "drip": {"piece": 4, "gap_seconds": 0.12},
    "cut": {"fault": Fault.CUT, "said": 0.9},
    "cut-at-once": {"fault": Fault.CUT_AT_ONCE},
    "empty": {"fault": Fault.EMPTY},
    "not-json": {"fault": Fault.NOT_JSON, "said": 0.9},
    "html": {"fault": Fault.HTML},
    "enormous": {"text": "More words than anybody asked for. " * 6000, "piece": 2000},
}
SLACK_FAULTS = {
    "429": SlackFault(status=429, retry_after_seconds=1),
    "500": SlackFault(status=500),
    "lost-answer": SlackFault(status=500, after_doing=True),
}


class Model(FakeOpenAI):
    """Answers every question with its own mark, and notes when each answer began and ended."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port)
        self.gap_seconds = 0.04
        self.journal: list[dict[str, Any]] = []
        self.played: Counter[str] = Counter()
        self._faults: list[str] = []
        self._local = threading.local()
        self.default = self._reply

    def fail(self, names: list[str]) -> None:
        """Spoil the next calls, one each."""
        with self._lock:
            self._faults += names

    def unplayed(self) -> list[str]:
        """Take back the faults that no call has met."""
        with self._lock:
            left, self._faults = self._faults, []
        return left

    def answer(self, exchange: Exchange, call: Call) -> None:
        if not call.path.endswith("/chat/completions"):
            super().answer(exchange, call)
            return
        row: dict[str, Any] = {"mark": _mark(call), "from": time.monotonic(), "until": None, "fault": ""}
        self._local.row = row
        with self._lock:
            self.journal.append(row)
        try:
            super().answer(exchange, call)
        finally:
            row["until"] = time.monotonic()

    def _reply(self, call: Call) -> Reply:
        with self._lock:
            fault = self._faults.pop(0) if self._faults else ""
            if fault:
                self.played[fault] += 1
        if fault:
            self._local.row["fault"] = fault
            return told(call, **SCRIPTS[fault])
        return told(call, gap_seconds=self.gap_seconds)


def told(call: Call, *, said: float = 1.0, text: str = "", piece: int = 12, **more: Any) -> Reply:
    """An answer that quotes the first sentence of the first passage and bears the question's mark, twice, with a source
    each time. With `said` below 1 the fault comes after that share of it, and the rest does not."""
    users = [message["content"] for message in call.body["messages"] if message["role"] == "user"]
    passages = json.loads(users[-1])["passages"]
    if not passages:
        return responding(kind="unknown", **more)
    sentences = [one for one in split(passages[0]["text"]) if len(one) > 30 and not one.endswith("?")]
    text = text or f"{_mark(call)} Our pages say so: {ANSWER} Once more: {ANSWER}"
    whole = written(text, (1, sentences[0] if sentences else ""))
    pieces = max(1, int(len(whole) * said) // piece)
    arguments = whole if said == 1.0 else whole[: pieces * piece]
    return Reply(tools=(ToolCall("respond", arguments),), piece=piece, fault_after=pieces if said < 1.0 else 1, **more)


def _mark(call: Call) -> str:
    """The mark of the newest question in a prompt."""
    users = [message["content"] for message in call.body["messages"] if message["role"] == "user"]
    found = MARK.findall(str(users[-1])) if users else []
    return found[-1] if found else ""


def posted(slack: FakeSlack) -> list[dict[str, Any]]:
    """What we posted, in order: channel, thread, our key, and the mark in it."""
    rows = []
    for channel, messages in slack.messages.items():
        for message in messages:
            if message.get("bot_id"):
                key = message.get("metadata", {}).get("event_payload", {}).get("key", "")
                marks = MARK.findall(str(message.get("text", "")) + str(message.get("blocks", "")))
                rows.append({"channel": channel, "thread": message.get("thread_ts", ""), "key": key, "marks": marks})
    return rows


async def main(control: str, model_port: str, slack_port: str) -> None:
    model, slack = Model(int(model_port)), FakeSlack(port=int(slack_port))
    slack.channels["C0OTHER"] = "other"
    slack_played: Counter[str] = Counter()

    def fail_slack(names: list[str]) -> bool:
        slack.fail("chat.postMessage", *(SLACK_FAULTS[name] for name in names))
        slack_played.update(names)
        return True

    def set_gap(seconds: float) -> bool:
        model.gap_seconds = seconds
        return True

    handlers = {
        "ping": lambda: True,
        "model_fail": lambda names: model.fail(names) or True,
        "model_gap": set_gap,
        "model_unplayed": model.unplayed,
        "model_played": lambda: dict(model.played),
        "model_journal": lambda: model.journal,
        "slack_fail": fail_slack,
        "slack_waiting": lambda: len(slack._faults["chat.postMessage"]),
        "slack_posts": lambda: posted(slack),
    }
    model.start()
    slack.start()
    async with await serve(Path(control), handlers) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
