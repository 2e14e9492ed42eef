"""The demo's shop and help centre over HTTP, on a site of their own.

`python -m builtabot.embedded.static_server --port N --widget-base-url URL`
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from builtabot.demo.site import respond


class Page(Protocol):
    """What the demo's site answers; `content_type` may carry a charset."""

    @property
    def status(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    @property
    def body(self) -> bytes: ...


Respond = Callable[[str], Page]


def handler(answer: Respond) -> type[BaseHTTPRequestHandler]:
    """Make a request handler around a function from path (with its query) to page."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "shop"
        sys_version = ""
        timeout = 30  # seconds that a silent connection may hold its thread

        def do_GET(self) -> None:
            self._send(with_body=True)

        def do_HEAD(self) -> None:
            self._send(with_body=False)

        def _send(self, *, with_body: bool) -> None:
            page = answer(self.path)
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            if with_body:
                self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            return

    return Handler


class Server(ThreadingHTTPServer):
    """A server whose open connections do not hold up its end."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        # A browser that closes a tab mid-answer is no news; anything else goes to the log.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # its stub forbids bytes


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--widget-base-url", required=True)
    options = parser.parse_args(arguments)

    def answer(path: str) -> Page:
        own = f"http://127.0.0.1:{options.port}"
        return respond(path, widget_base_url=options.widget_base_url, site_base_url=own)

    server = Server(("127.0.0.1", options.port), handler(answer))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
