"""A stage for the widget: the real pages of the product in a real browser, on a shop of another site; and, where a
test needs a server that misbehaves, a scripted one that speaks docs/protocol.md in place of the socket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import BrowserContext, Frame, Page, WebSocketRoute

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SHOP = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The Harbour lamp</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body { margin: 0; font: 18px/1.6 Georgia, serif; background: #f3eee6; color: #2b241c; }
header { padding: 22px 56px; border-bottom: 1px solid #ddd3c4; } main { padding: 40px 56px; }</style></head>
<body><header><b>Brackwater</b></header><main><h1>The Harbour lamp</h1>
<p>A spun brass stem under a mouth-blown shade.</p><button id="buy">Add to bag</button></main>
<script async src="WIDGET/widget.js" data-project="shop" EXTRA></script></body></html>"""


@contextmanager
def shop_server(widget: str) -> Iterator[str]:
    """A shop on another site than the widget; `?theme=dark` becomes the script's data-theme. Yields its origin."""

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  the base class's name
            extra = 'data-theme="dark"' if "theme=dark" in self.path else ""
            body = SHOP.replace("WIDGET", widget).replace("EXTRA", extra).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Script:
    """The server's side of a visitor's socket, told what to do by the test.

    It answers hello and resume from its own log, and acknowledges what it is sent unless `silent`; the test
    adds entries, states and deltas. `down` refuses connections. `heard` holds every frame of the client.
    """

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.routes: list[WebSocketRoute] = []
        self.down = self.silent = self.deaf = False
        self.seq = 0
        self.refuse: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None
        self.state: dict[str, Any] = {
            "type": "state", "conversation": "c", "owner": "ai", "epoch": 1, "agent": None, "is_test": False,
            "seen": {"visitor": 0, "team": 0}, "waiting_since": None,
            "promise": {"reachable": True, "within_seconds": 40, "names": ["Ana", "Tom"], "opens_at": None},
        }  # fmt: skip

    def serve(self, context: BrowserContext) -> None:
        context.route_web_socket("**/ws/visitor/", self._accept)
        for path in ("poll", "send"):  # the script's socket is all there is
            context.route(f"**/widget/{path}", lambda route: route.abort())

    def _accept(self, route: WebSocketRoute) -> None:
        if self.down:
            route.close(code=1012)
            return
        self.routes = [route]  # the newest socket is the one that lives
        route.on_message(lambda text: self._hear(route, json.loads(text)))

    def _hear(self, route: WebSocketRoute, frame: dict[str, Any]) -> None:
        self.heard.append(frame)
        if self.deaf:
            return
        if frame["type"] == "hello":
            route.send(
                json.dumps({"type": "hello", "v": 1, "conversation": "c", "project": {"key": "shop", "name": "x"}})
            )
        if frame["type"] in ("hello", "resume"):
            for entry in [one for one in self.log if one["seq"] > frame.get("seq", 0)]:
                route.send(json.dumps(entry))
            route.send(json.dumps(self.state))
        if "client_id" not in frame or self.silent:
            return
        if refusal := self.refuse(frame):
            route.send(json.dumps({"type": "error", "client_id": frame["client_id"], **refusal}))
        elif frame["type"] == "message.send":
            entry = self.entry("visitor", frame["text"], client_id=frame["client_id"], tell=False)
            self.tell({"type": "ack", "client_id": frame["client_id"], "seq": entry["seq"], "at": entry["at"]})
            self.tell(entry)
        else:
            self.tell({"type": "ack", "client_id": frame["client_id"], "seq": self.seq, "at": _now()})

    def tell(self, frame: dict[str, Any]) -> None:
        for route in self.routes:
            route.send(json.dumps(frame))

    def entry(self, sender: str, text: str = "", *, tell: bool = True, **more: Any) -> dict[str, Any]:
        """Add to the log, as the server's transaction would; `tell=False` is a lost nudge."""
        kind = "event" if more.get("event") else "text"
        entry = {
            "type": "message", "conversation": "c", "seq": self.seq + 1, "prev": self.seq, "kind": kind,
            "sender": sender, "name": more.pop("name", "Ana Ruiz" if sender == "agent" else ""), "text": text,
            "event": "", "data": {}, "target": None, "client_id": None, "at": _now(),
            "epoch": self.state["epoch"], **more,
        }  # fmt: skip
        self.seq += 1
        self.log.append(entry)
        if tell:
            self.tell(entry)
        return entry

    def event(self, event: str, text: str = "", sender: str = "agent", **data: Any) -> dict[str, Any]:
        return self.entry(sender, text, event=event, data=data)

    def become(self, owner: str, **more: Any) -> None:
        """Another owner: the epoch goes up, the state is told."""
        agent = {"name": "Ana Ruiz", "initials": "AR"} if owner == "agent" else None
        waiting = _now() if owner == "queue" else None
        self.state |= {
            "owner": owner,
            "epoch": self.state["epoch"] + 1,
            "agent": agent,
            "waiting_since": waiting,
            **more,
        }

    def tell_state(self) -> None:
        self.tell(self.state)

    def delta(self, text: str, *, turn: int = 1, epoch: int | None = None, offset: int = 0) -> None:
        epoch = self.state["epoch"] if epoch is None else epoch
        self.tell({"type": "delta", "conversation": "c", "turn": turn, "epoch": epoch, "offset": offset, "text": text})

    def joined(self) -> None:
        self.become("agent")
        self.event("joined", name="Ana Ruiz", initials="AR", via="dashboard")
        self.tell_state()

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.heard if frame["type"] == kind]


def _now() -> str:
    return datetime.now(UTC).isoformat()


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def frame_of(page: Page, *, seconds: float = 10) -> Frame:
    """The widget's frame, loaded."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for frame in page.frames:
            if "/widget/frame" in frame.url:
                frame.wait_for_selector("[data-field]")
                return frame
        page.wait_for_timeout(30)
    raise AssertionError("the frame did not appear")


def open_chat(page: Page) -> Frame:
    page.locator("[data-builtabot] .launcher").click()
    return frame_of(page)


def looks(*pages: Page) -> Iterator[str]:
    """Desktop and phone, light and dark: the pages take each look in turn, and its name is yielded."""
    for size, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            for page in pages:
                page.set_viewport_size(viewport)  # type: ignore[arg-type]
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.wait_for_timeout(400)  # colours cross over
            yield f"{size}-{scheme}"


def until(page: Page, true: Callable[[], object], *, seconds: float = 8) -> None:
    """Wait for something outside the page, letting the browser's events through."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        page.wait_for_timeout(30)
