"""The model and Slack of a run, in a child process of their own, told by the harness when to fail.

`python -m tests.faults.fakes CONTROL-SOCKET MODEL-PORT SLACK-PORT`. Both keep a journal: which question was answered
from when until when, and what was posted with which key.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fakes.http_server import Call, Exchange
from tests.fakes.openai_server import FakeOpenAI, Fault, Reply
from tests.fakes.slack_server import FakeSlack, SlackFault
from tests.faults.control import serve

MARK = re.compile(r"#[a-z0-9.-]+#")  # each text of a run carries one, so that it can be told from all others
ANSWER = "Our pages say so: it is all written down there, and you can rely on it [1]. "
SCRIPTS = {
    "401": Reply(fault=Fault.UNAUTHORIZED),
    "429": Reply(fault=Fault.RATE_LIMITED),
    "500": Reply(fault=Fault.SERVER_ERROR),
    "hang": Reply(fault=Fault.HANG),
    "hang-after-first": Reply(ANSWER, fault=Fault.HANG_AFTER_FIRST),
    "drip": Reply(ANSWER[:60], piece=1, gap_seconds=0.12),
    "cut": Reply(ANSWER, fault=Fault.CUT),
    "cut-at-once": Reply(ANSWER, fault=Fault.CUT_AT_ONCE),
    "empty": Reply(fault=Fault.EMPTY),
    "not-json": Reply(ANSWER, fault=Fault.NOT_JSON),
    "html": Reply(fault=Fault.HTML),
    "enormous": Reply("More words than anybody asked for. " * 6000, piece=2000),
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
            return SCRIPTS[fault]
        return Reply(ANSWER + _mark(call), gap_seconds=self.gap_seconds)


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
