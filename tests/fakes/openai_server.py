"""An OpenAI-compatible server that says what a test told it to, as slowly and as badly as the test wants."""

from __future__ import annotations

import enum
import gzip
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.http_server import Call, Exchange, HttpFake

MODEL = "fake-model"


class Fault(enum.Enum):
    """What goes wrong with one answer."""

    UNAUTHORIZED = "401: the key is wrong"
    NOT_FOUND = "404: no such model"
    RATE_LIMITED = "429 with Retry-After: 7"
    SERVER_ERROR = "500"
    OVERLOADED = "503"
    NO_TOOLS = "400: functions are not known here"
    HANG = "takes the request and says nothing"
    HANG_AFTER_FIRST = "the first pieces, then silence on an open connection"
    CUT = "closes the connection after the first pieces"
    CUT_AT_ONCE = "closes the connection before the first byte"
    EMPTY = "ends without a word"
    NOT_JSON = "an event that is not JSON"
    HTML = "a proxy's page, with status 200"
    ERROR_EVENT = "an error object inside the stream"
    DRIP = "bytes for ever, and never a word"
    ENORMOUS = "one event without end"
    ENORMOUS_ERROR = "500 with a body without end"
    PACKED = "a few compressed bytes that unfold into megabytes"


@dataclass(frozen=True)
class ToolCall:
    """The model calls a function; `arguments` is the JSON text, which may be broken."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class Reply:
    """One scripted answer. `text`, and then the arguments of `tools`, are streamed in pieces of `piece` characters,
    `gap_seconds` apart. A fault in the middle comes after `fault_after` of them."""

    text: str = ""
    tools: tuple[ToolCall, ...] = ()
    piece: int = 12
    first_seconds: float = 0.0
    gap_seconds: float = 0.0
    fault: Fault | None = None
    fault_after: int = 1
    finish: str = "stop"

    def deltas(self) -> Iterator[dict[str, Any]]:
        """What each event adds."""
        for start in range(0, len(self.text), self.piece):
            yield {"content": self.text[start : start + self.piece]}
        for index, tool in enumerate(self.tools):
            yield {"tool_calls": [_tool(index, tool.name, tool.arguments[: self.piece])]}
            for start in range(self.piece, len(tool.arguments), self.piece):
                more = {"arguments": tool.arguments[start : start + self.piece]}
                yield {"tool_calls": [{"index": index, "function": more}]}


def responding(text: str = "", *quotes: tuple[int, str], kind: str = "reply", **more: Any) -> Reply:
    """A model that does as it is told: a call of `respond` with quotes (passage number, sentence), then its text."""
    return Reply(tools=(ToolCall("respond", written(text, *quotes, kind=kind)),), **more)


def written(text: str = "", *quotes: tuple[int, str], kind: str = "reply") -> str:
    """The object that a model is asked for."""
    proof = [{"passage": number, "text": sentence} for number, sentence in quotes]
    return json.dumps({"quotes": proof, "kind": kind, "text": text}, ensure_ascii=False)


Script = Callable[[Call], Reply]
_STATUS = {
    Fault.UNAUTHORIZED: (401, "invalid_api_key", "Incorrect API key provided."),
    Fault.NOT_FOUND: (404, "model_not_found", "The model does not exist."),
    Fault.RATE_LIMITED: (429, "rate_limit_exceeded", "Slow down."),
    Fault.SERVER_ERROR: (500, "server_error", "Something broke."),
    Fault.OVERLOADED: (503, "overloaded", "Try later."),
    Fault.NO_TOOLS: (400, "invalid_request_error", "Unknown parameter: tools."),
}


class FakeOpenAI(HttpFake):
    """`fake.script(Reply("..."), Reply(fault=Fault.CUT))` queues answers; after them comes `fake.default`.

    `default` may be a Reply or a function of the call. Calls are in `fake.calls`.
    """

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port)
        self._queue: deque[Reply] = deque()
        self.default: Reply | Script = Reply("Hello.")

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def prompts(self) -> list[list[dict[str, Any]]]:
        """The messages of each chat call, in order."""
        return [call.body["messages"] for call in self.calls if call.path.endswith("/chat/completions")]

    def script(self, *replies: Reply) -> None:
        with self._lock:
            self._queue.extend(replies)

    def answer(self, exchange: Exchange, call: Call) -> None:
        if call.path == "/v1/models":
            exchange.send_json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif call.path != "/v1/chat/completions":
            exchange.send_json(404, {"error": {"message": "no such route", "type": "invalid_request_error"}})
        elif not self._begin(exchange, reply := self._next(call)):
            return
        elif call.body.get("stream"):
            self._stream(exchange, reply)
        else:
            self._whole(exchange, reply)

    def _next(self, call: Call) -> Reply:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
        return self.default if isinstance(self.default, Reply) else self.default(call)

    def _begin(self, exchange: Exchange, reply: Reply) -> bool:
        """Play the faults that come before any content; say whether content follows."""
        if reply.fault in _STATUS:
            status, code, message = _STATUS[reply.fault]
            error = {"error": {"message": message, "type": code, "code": code}}
            exchange.send_json(status, error, **({"Retry_After": "7"} if status == 429 else {}))
            return False
        if reply.fault is Fault.HANG:
            self.released.wait(120)
            exchange.close_connection = True
            return False
        if reply.fault is Fault.CUT_AT_ONCE:
            exchange.cut()
            return False
        if reply.fault is Fault.HTML:
            exchange.send_body(200, b"<html>Welcome to the proxy</html>", {"Content-Type": "text/html"})
            return False
        if reply.fault is Fault.ENORMOUS_ERROR:
            exchange.begin_stream("application/json", status=500)
            exchange.flood()
            return False
        if reply.fault is Fault.PACKED:
            body = gzip.compress(b"data: " + b"x" * 50_000_000)
            exchange.send_body(200, body, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"})
            return False
        time.sleep(reply.first_seconds)
        return True

    def _stream(self, exchange: Exchange, reply: Reply) -> None:
        exchange.begin_stream()
        exchange.send_piece(_event({"role": "assistant", "content": ""}))
        if reply.fault is Fault.ENORMOUS:
            exchange.send_piece(b"data: ")
            return exchange.flood()
        while reply.fault is Fault.DRIP and not self.released.wait(reply.gap_seconds or 0.05):
            exchange.send_piece(b": still here\n\n")
        for number, delta in enumerate(() if reply.fault is Fault.EMPTY else reply.deltas(), 1):
            if number > 1:
                time.sleep(reply.gap_seconds)
            exchange.send_piece(_event(delta))
            if reply.fault is Fault.CUT and number == reply.fault_after:
                return exchange.cut()
            if reply.fault is Fault.HANG_AFTER_FIRST and number == reply.fault_after:
                self.released.wait(120)
                return exchange.cut()
        if reply.fault is Fault.NOT_JSON:
            exchange.send_piece(b"data: {this is not json\n\n")
        if reply.fault is Fault.ERROR_EVENT:
            exchange.send_piece(b'data: {"error": {"message": "The engine fell over.", "type": "server_error"}}\n\n')
        exchange.send_piece(_event({}, finish="tool_calls" if reply.tools else reply.finish))
        exchange.send_piece(b"data: [DONE]\n\n")
        exchange.end_stream()

    def _whole(self, exchange: Exchange, reply: Reply) -> None:
        if reply.fault is Fault.NOT_JSON:
            return exchange.send_body(200, b"{this is not json", {"Content-Type": "application/json"})
        if reply.fault is Fault.CUT:
            exchange.send_response(200)
            exchange.send_header("Content-Length", "1000")
            exchange.end_headers()
            exchange.wfile.write(b'{"id": "chatcmpl-fake", "choi')
            return exchange.cut()
        content = None if reply.fault is Fault.EMPTY else reply.text
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if reply.tools:
            message["tool_calls"] = [_tool(n, tool.name, tool.arguments) for n, tool in enumerate(reply.tools)]
        finish = "tool_calls" if reply.tools else reply.finish
        choice = {"index": 0, "message": message, "finish_reason": finish}
        exchange.send_json(200, {**_head("chat.completion"), "choices": [choice], "usage": _USAGE})


_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": int(time.time()), "model": MODEL}


def _tool(index: int, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": f"call_{index}", "type": "function", "function": function}


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({**_head("chat.completion.chunk"), "choices": [choice]}).encode() + b"\n\n"
