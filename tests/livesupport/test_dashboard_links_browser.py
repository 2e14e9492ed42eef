"""The dashboard's line to the server: dead ones, restarts, and the same agent in two tabs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.chat.widget_stage import until
from tests.livesupport.test_dashboard_browser import Desk, ana, desk, open_row

__all__ = ["ana", "desk"]
pytestmark = pytest.mark.browser

# The pulse's worker, in the test's hands: its 4 seconds pass with the page's clock.
PULSE = "window.Worker = class { constructor() { setInterval(() => this.onmessage({ data: 'beat' }), 4000); } };"


class Line:
    """Every socket of a page to the real server; `deaf` lets nothing through either way, and never closes."""

    def __init__(self) -> None:
        self.routes: list[WebSocketRoute] = []
        self.sent: list[dict[str, Any]] = []
        self.heard: list[str] = []
        self.deaf = False

    def __call__(self, route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        self.routes.append(route)
        is_deaf = lambda: self.deaf and route is self.routes[0]  # noqa: E731

        def down(text: str | bytes) -> None:
            if not is_deaf():
                self.heard.append(json.loads(text)["type"])
                route.send(text)

        def up(text: str | bytes) -> None:
            self.sent.append(json.loads(text))
            if not is_deaf():
                server.send(text)

        server.on_message(down)
        route.on_message(up)


def opened(desk: Desk, line: Line, *, clock: bool) -> Page:
    context = desk.browser.new_context(viewport={"width": 1440, "height": 900})
    cookie = {
        "name": settings.SESSION_COOKIE_NAME,
        "value": desk.cast.owner.session_key,
        "domain": desk.cast.host,
        "path": "/",
    }
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.route_web_socket("**/ws/desk/", line)
    if clock:
        page.clock.install()
        page.add_init_script(PULSE)
    page.goto(f"http://{desk.cast.host}:{desk.port}/live/")
    expect(page.locator("[data-list]")).to_be_attached()
    until(page, lambda: "hello" in line.heard)
    page.wait_for_timeout(100)  # and the page has heard it too
    return page


def test_a_dead_line_is_noticed_within_35_seconds_with_no_conversation_open(desk: Desk) -> None:
    line = Line()
    page = opened(desk, line, clock=True)
    page.clock.run_for(21_000)
    until(page, lambda: {"type": "resume"} in line.sent)
    until(page, lambda: "beat" in line.heard)
    page.wait_for_timeout(100)
    page.clock.run_for(16_000)
    assert len(line.routes) == 1  # one that answers is left alone
    line.deaf = True
    page.clock.run_for(34_000)
    until(page, lambda: len(line.routes) > 1)
    expect(page.locator("[data-offline]")).to_be_hidden()
    page.context.close()


def test_a_restart_of_the_server_is_no_error_to_the_agent(desk: Desk) -> None:
    line = Line()
    page = opened(desk, line, clock=False)
    page.evaluate(
        """() => { const banner = document.querySelector("[data-offline]"); window.shown = 0;
           new MutationObserver(() => { if (!banner.hidden) window.shown += 1; })
             .observe(banner, { attributes: true }); }"""
    )
    began = page.evaluate("Date.now()")
    line.routes[0].close(code=1012)
    until(page, lambda: len(line.routes) > 1, seconds=7)
    assert page.evaluate("Date.now()") - began < 6000
    until(page, lambda: [frame["type"] for frame in line.sent].count("hello") == 2)
    assert page.evaluate("window.shown") == 0
    page.context.close()


def test_two_tabs_of_one_agent_agree(desk: Desk, ana: Page) -> None:
    visitor = desk.visitor("I want to talk to a human")
    open_row(ana, visitor)
    ana.keyboard.press("c")
    expect(ana.locator('[data-mode="mine"]')).to_be_visible()
    other = ana.context.new_page()
    other.goto(ana.url)
    expect(other.locator('[data-mode="mine"]')).to_be_visible()
    ana.bring_to_front()
    ana.locator("[data-text]").fill("half a sentence")
    expect(other.locator("[data-text]")).to_have_value("half a sentence")
    ana.locator("[data-text]").press("Enter")
    for page in (ana, other):
        expect(page.locator('[data-log] [data-from="agent"]')).to_have_count(1)
        expect(page.locator("[data-text]")).to_have_value("")
        expect(page.locator("[data-tail] .msg-pending")).to_have_count(0)
    visitor.says("Thanks")
    for page in (ana, other):
        expect(page.locator("[data-log]")).to_contain_text("Thanks")
    assert [entry[2] for entry in visitor.log() if entry[:2] == ("agent", "text")] == ["half a sentence"]
    other.close()
