"""The dashboard in a real browser against a real server: what two agents see while visitors write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect
from pytest_django import DjangoDbBlocker

from chat import actions as chat
from chat.models import Conversation, Handoff, Message
from tests.browser.product import browsing
from tests.cast import Cast, Person
from tests.conftest import make_tenant
from tests.livesupport.test_pages import PAYLOADS

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


@dataclass
class Desk:
    """One tenant, its server, and a way to act in its schema beside the browser's own event loop."""

    cast: Cast
    port: int
    browser: Browser
    blocker: DjangoDbBlocker
    keys: dict[str, str] = field(default_factory=dict)

    def run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def inside() -> Any:
            try:
                return self.cast.run(fn, *args, **kwargs)
            finally:
                connection.close()

        with self.blocker.unblock(), ThreadPoolExecutor(1) as pool:
            return pool.submit(inside).result()

    def visitor(self, text: str = "", name: str = "") -> Visitor:
        opened = self.run(chat.open_session, project="shop", token=None, language="en")
        visitor = Visitor(self, opened.conversation_id)
        if text:
            visitor.says(text)
        if name:
            self.run(lambda: Conversation.objects.get(pk=visitor.id).visitor.__class__.objects.filter(
                conversation=visitor.id).update(name=name))  # fmt: skip
        return visitor

    def page(self, person: Person, path: str = "/live/", *, between: Any = None, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context: BrowserContext = self.browser.new_context(**options)
        host = self.cast.host
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": person.session_key, "domain": host, "path": "/"}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        if between:
            page.route_web_socket("**/ws/desk/", between)
        page.goto(f"http://{host}:{self.port}{path}")
        expect(page.locator("[data-list]")).to_be_attached()
        return page


@dataclass(frozen=True)
class Visitor:
    """Somebody on the business's site, acting through chat's own verbs."""

    desk: Desk
    id: str

    def says(self, text: str) -> None:
        drafts = [chat.Draft(text=text, client_id=uuid4())]
        self.desk.run(chat.post_messages, conversation_id=self.id, author=chat.VISITOR, drafts=drafts)

    def log(self) -> list[tuple[str, str, str]]:
        rows = Message.objects.filter(conversation=self.id).order_by("seq")
        return self.desk.run(lambda: list(rows.values_list("sender", "kind", "text")))


@pytest.fixture(scope="module")
def desk(web_port: int, django_db_blocker: DjangoDbBlocker) -> Iterator[Desk]:
    with django_db_blocker.unblock():
        cast = make_tenant()
        cast.run(lambda: Handoff.objects.update(state=Handoff.State.CLOSED))
        cast.run(lambda: Conversation.objects.update(owner=Conversation.Owner.NONE, holder=None))
        connection.close()
    with browsing() as launched:
        yield Desk(cast, web_port, launched, django_db_blocker)


@pytest.fixture
def ana(desk: Desk) -> Iterator[Page]:
    """An agent whose dashboard is open, so that handoffs are promised to her. No error may reach its console."""
    problems: list[str] = []
    page = desk.page(desk.cast.agent)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if "Security Policy" in line.text else None)
    expect(page.locator("[data-offline]")).to_be_hidden()
    page.wait_for_timeout(500)  # her first sign of life
    yield page
    page.context.close()
    assert problems == []


def row(page: Page, visitor: Visitor) -> Any:
    return page.locator(f'a.q[data-row="{visitor.id}"]')


def open_row(page: Page, visitor: Visitor) -> None:
    row(page, visitor).click()
    expect(page.locator(f'[data-conversation="{visitor.id}"]')).to_be_visible()
    page.locator("[data-scroll]").focus()


def test_a_handoff_is_claimed_answered_and_resolved_by_keys(desk: Desk, ana: Page) -> None:
    visitor = desk.visitor("I want to talk to a human")
    expect(row(ana, visitor).locator("[data-clock]")).to_be_visible()
    assert "waiting" in ana.title()
    open_row(ana, visitor)
    ana.keyboard.press("c")
    expect(ana.locator('[data-mode="mine"]')).to_be_visible()
    ana.keyboard.type("Hello, **I** am <b>Ana</b>")
    ana.keyboard.press("Enter")
    expect(ana.locator('[data-log] [data-from="agent"]')).to_contain_text("Hello, **I** am <b>Ana</b>")
    visitor.says("Thank you, that helps")
    expect(ana.locator("[data-log]")).to_contain_text("Thank you, that helps")
    ana.keyboard.press("Escape")
    ana.keyboard.press("e")
    ana.keyboard.press("Enter")
    expect(ana.locator('[data-mode="ended"]')).to_be_visible()
    assert ("agent", "text", "Hello, **I** am <b>Ana</b>") in visitor.log()
    assert [m for m in visitor.log() if m[0] == "agent" and m[1] == "text"] == [
        ("agent", "text", "Hello, **I** am <b>Ana</b>")
    ]


def test_who_loses_the_race_learns_who_won_and_keeps_their_words(desk: Desk, ana: Page) -> None:
    visitor = desk.visitor("let me talk to a person")
    deaf: list[bool] = []

    def between(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda frame: None if deaf else route.send(frame))

    tom = desk.page(desk.cast.admin, f"/live/?c={visitor.id}", between=between)
    open_row(ana, visitor)
    tom.keyboard.press("r")
    tom.keyboard.type("I can take this")
    deaf.append(True)  # Tom's page does not hear that Ana wins
    ana.keyboard.press("c")
    expect(ana.locator('[data-mode="mine"]')).to_be_visible()
    tom.keyboard.press("Enter")
    expect(tom.locator("[data-lost]")).to_contain_text(desk.cast.agent.name)
    expect(tom.locator('[data-mode="other"]')).to_be_visible()
    expect(tom.locator("[data-text]")).to_have_value("I can take this")
    tom.locator("[data-text]").press("Enter")
    expect(ana.locator("[data-log] .note")).to_contain_text("I can take this")
    assert ("agent", "note", "I can take this") in visitor.log()
    assert not [entry for entry in visitor.log() if entry[:2] == ("agent", "text")]
    tom.context.close()


def test_words_written_without_a_connection_arrive_once(desk: Desk) -> None:
    routes: list[WebSocketRoute] = []
    down = False

    def between(route: WebSocketRoute) -> None:
        if down:
            route.close(code=1012)
            return
        routes.append(route)
        route.connect_to_server()

    page = desk.page(desk.cast.owner, between=between)
    page.wait_for_timeout(800)
    visitor = desk.visitor("I want to talk to a human")
    open_row(page, visitor)
    page.keyboard.press("c")
    expect(page.locator('[data-mode="mine"]')).to_be_visible()
    down = True
    routes[-1].close(code=1011)
    expect(page.locator("[data-offline]")).to_contain_text("No connection since")
    page.locator("[data-text]").fill("Kept while offline")
    page.locator("[data-text]").press("Enter")
    expect(page.locator("[data-tail] .msg-pending")).to_contain_text("Kept while offline")
    page.reload()  # the words survive that too
    expect(page.locator("[data-tail] .msg-pending")).to_contain_text("Kept while offline")
    down = False
    expect(page.locator('[data-log] [data-from="agent"]')).to_contain_text("Kept while offline", timeout=15_000)
    expect(page.locator("[data-tail] .msg-pending")).to_have_count(0)
    assert [entry[2] for entry in visitor.log() if entry[:2] == ("agent", "text")] == ["Kept while offline"]
    page.context.close()


def test_presence_moves_the_dot_and_fetches_nothing_but_another_page(desk: Desk) -> None:
    routes: list[WebSocketRoute] = []

    def between(route: WebSocketRoute) -> None:
        routes.append(route)
        route.connect_to_server()

    visitor = desk.visitor("I want to talk to a human")
    page = desk.page(desk.cast.owner, f"/live/?c={visitor.id}", between=between)
    expect(page.locator("[data-offline]")).to_be_hidden()
    expect(page.locator(f'[data-convo] [data-conversation="{visitor.id}"]')).to_be_visible()
    page.wait_for_timeout(800)  # what the first connection brings has been fetched
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))

    def is_told(state: str, url: str) -> None:
        told = {"type": "presence", "conversation": visitor.id, "state": state, "page": url}
        routes[-1].send(json.dumps(told))

    for state in ("away", "here", "away"):
        is_told(state, "")
    expect(page.locator(".convo-head [data-dot]")).to_have_class("live live-away")
    page.wait_for_timeout(300)
    assert [one for one in fetched if f"/live/c/{visitor.id}/" in one] == []
    url = "https://shop.example/shipping"
    desk.run(chat.note_visitor, conversation_id=visitor.id, page=chat.PageView(url, "Shipping"))
    is_told("here", url)
    expect(page.locator("[data-presence]")).to_contain_text("/shipping")
    assert len([one for one in fetched if f"/live/c/{visitor.id}/" in one]) == 2  # the conversation and its card, once
    page.context.close()


def test_a_draft_and_the_open_conversation_survive_a_reload(desk: Desk, ana: Page) -> None:
    visitor = desk.visitor("I want to talk to a human")
    open_row(ana, visitor)
    ana.keyboard.press("c")
    ana.keyboard.type("half a sent")  # at once, while the claim is under way: E and B must be letters here
    expect(ana.locator('[data-mode="mine"]')).to_be_visible()
    expect(ana.locator("[data-text]")).to_have_value("half a sent")
    expect(ana.locator("[data-text]")).to_be_focused()
    ana.reload()
    expect(ana.locator("[data-text]")).to_have_value("half a sent")
    assert visitor.id in ana.url


def test_hostile_words_run_nothing_and_fetch_nothing(desk: Desk, ana: Page) -> None:
    asked: list[str] = []
    ana.on("request", lambda request: asked.append(request.url))
    ana.on("dialog", lambda dialog: (asked.append("dialog"), dialog.dismiss()))
    visitor = desk.visitor("I want to talk to a human", name="<img src=x onerror=alert(1)>")
    open_row(ana, visitor)
    for payload in PAYLOADS:
        visitor.says(payload)
    expect(ana.locator('[data-log] [data-from="visitor"]')).to_have_count(len(PAYLOADS) + 1, timeout=20_000)
    ana.wait_for_timeout(300)
    own = f"http://{desk.cast.host}:{desk.port}/"
    assert [url for url in asked if not url.startswith(own)] == []
    shown = ana.evaluate(
        "[...document.querySelectorAll('[data-log] .body *, .hc-question *, .q-last *')].map((node) => node.tagName)"
        ".filter((tag) => !['P', 'BR', 'SPAN'].includes(tag))"
    )
    assert shown == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, {"width": 1280, "height": 800}, PHONE])
def test_every_pane_is_accessible(desk: Desk, viewport: dict[str, int], scheme: str) -> None:
    visitor = desk.visitor("I want to talk to a human")
    page = desk.page(desk.cast.owner, f"/live/?c={visitor.id}", viewport=viewport, color_scheme=scheme)
    panes = ["list", "convo", "details"] if viewport is PHONE else [""]
    for pane in panes:
        if pane:
            page.evaluate("(pane) => { document.body.dataset.pane = pane; }", pane)
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == []
    page.context.close()
