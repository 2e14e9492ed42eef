"""A small HTTP server in a thread on a free loopback port: what the fakes are built on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Call:
    """One request as it came: `body` is decoded JSON, or the fields of a form."""

    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def bearer(self) -> str:
        """The token of the Authorization header, or ``."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class Exchange(BaseHTTPRequestHandler):
    """One request, and the ways to answer it: well, or badly on purpose."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        try:
            call = Call(self.path, {k.lower(): v for k, v in self.headers.items()}, self._decode(raw))
            self.server.answer(self, call)
        except ConnectionError:
            self.close_connection = True  # the client went away
        except Exception as error:
            self.server.mistakes.append(error)
            raise

    def _decode(self, raw: bytes) -> Any:
        if "json" in self.headers.get("Content-Type", ""):
            return json.loads(raw) if raw else {}
        fields = parse_qs(raw.decode() or urlsplit(self.path).query, keep_blank_values=True)
        return {name: values[-1] for name, values in fields.items()}

    def send_body(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status: int, body: Any, **headers: str) -> None:
        """A whole answer in JSON; header names take `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.send_body(status, json.dumps(body).encode(), {"Content-Type": "application/json", **named})

    def begin_stream(self, content_type: str = "text/event-stream", status: int = 200) -> None:
        """The head of a chunked answer; `send_piece` and `end_stream` follow."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def send_piece(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def flood(self) -> None:
        """Chunks until the client has had enough, or 200 MB."""
        for _ in range(3200):
            self.send_piece(b"x" * 65536)
        self.end_stream()

    def cut(self) -> None:
        """Close the connection in the middle."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, answer: Callable[[Exchange, Call], None]) -> None:
        super().__init__(("127.0.0.1", port), Exchange)
        self.answer = answer
        self.mistakes: list[Exception] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that went away, or a connection that was cut on purpose


class HttpFake:
    """Base of the fakes: `with FakeX() as fake:`. Records every call; `released` frees those that hang."""

    def __init__(self, port: int = 0) -> None:
        self.calls: list[Call] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(port, self._take)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name=type(self).__name__,
            daemon=True,
        )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _take(self, exchange: Exchange, call: Call) -> None:
        with self._lock:
            self.calls.append(call)
        self.answer(exchange, call)

    def answer(self, exchange: Exchange, call: Call) -> None:
        """Answer one call. Runs on the call's own thread."""
        raise NotImplementedError

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._server.mistakes:
            raise AssertionError(f"{type(self).__name__} itself failed") from self._server.mistakes[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
