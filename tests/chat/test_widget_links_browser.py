"""The widget's line to the server in a real browser: none but plain HTTP, restarts, and several tabs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from chat import actions
from chat.models import Conversation, Message, Turn
from livesupport.models import Availability
from tests.chat.test_widget_browser import Stage, at_rest, context, page, script, set_up, texts, write
from tests.chat.widget_stage import Script, frame_of, open_chat, until

__all__ = ["context", "page", "script", "set_up"]
pytestmark = pytest.mark.browser
BLOCKED = """window.tried = 0; window.unblocked = window.WebSocket;
  window.WebSocket = class extends EventTarget {
    constructor() {
      super(); window.tried += 1; this.readyState = 3; setTimeout(() => this.onclose?.({ code: 1006 }), 20);
    }
    close() {}
  };
  Object.assign(window.WebSocket, { OPEN: 1 });"""
CITED = [{"n": 1, "title": "Returns policy", "heading": "Time limit", "url": "https://shop.example/returns#time"}]


@pytest.fixture
def people(set_up: Stage) -> Iterator[Callable[..., Any]]:
    """Act in the tenant's schema, as its worker and its agent; the agent is there."""

    def run(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def inside() -> Any:
            try:
                return set_up.cast.run(fn, *args, **kwargs)
            finally:
                connection.close()

        with set_up.blocker.unblock(), ThreadPoolExecutor(1) as pool:
            return pool.submit(inside).result()

    there = {"state": "online", "capacity": 50, "seen_at": timezone.now()}
    run(Availability.objects.update_or_create, seat_id=set_up.cast.agent.seat_id, defaults=there)
    yield run
    run(Availability.objects.update_or_create, seat_id=set_up.cast.agent.seat_id, defaults={"state": "away"})


def newest() -> Conversation:
    return Conversation.objects.order_by("-created_at")[0]


def answered() -> None:
    """As a worker would: the newest turn is answered, with a source."""
    job = actions.begin_turn(turn_id=Turn.objects.order_by("-pk")[0].pk)
    assert job is not None
    actions.answer_turn(hold=job.hold, text="30 days.[1]", outcome="reply", citations=CITED)


def logged() -> list[tuple[str, str]]:
    return list(
        Message.objects.filter(conversation=newest(), kind="text").order_by("seq").values_list("sender", "text")
    )


def test_without_any_websocket_a_conversation_goes_all_the_way(
    people: Callable[..., Any], context: BrowserContext, page: Page, set_up: Stage
) -> None:
    context.add_init_script(BLOCKED)
    page.reload()
    frame = open_chat(page)
    at_rest(frame)
    write(frame, "How long do I have to return a lamp?")
    expect(frame.locator(".msg-visitor .sent")).to_have_text("Sent", timeout=15_000)
    assert frame.evaluate("window.tried") == 2
    expect(frame.locator("[data-banner]")).to_be_hidden()
    people(answered)
    expect(frame.locator(".w-src a")).to_have_text("1Returns policy › Time limit")
    frame.get_by_role("button", name="Talk to a human").click()
    expect(frame.locator(".w-wait")).to_be_visible()
    seat, given = people(lambda: set_up.cast.agent.seat), {"conversation_id": people(newest).pk}
    people(actions.claim_conversation, seat=seat, **given)
    expect(frame.locator(".event-key")).to_contain_text(f"{set_up.cast.agent.name} joined")
    draft = actions.Draft("Hello, I am a person", uuid4())
    people(actions.post_as_seat, seat_id=seat.pk, draft=draft, **given)
    expect(frame.locator(".msg-agent .body")).to_have_text("Hello, I am a person")
    write(frame, "Thank you")
    expect(frame.locator("[data-log] .msg-visitor")).to_have_count(2)
    people(actions.resolve_conversation, seat=seat, **given)
    expect(frame.locator("legend")).to_have_text(f"How did {set_up.cast.agent.name} do?")
    frame.get_by_label("5 of 5").check(force=True)
    frame.get_by_role("button", name="Send rating").click()
    expect(frame.locator("[data-log]")).to_contain_text("You gave 5 of 5")
    assert people(logged) == [
        ("visitor", "How long do I have to return a lamp?"),
        ("ai", "30 days.[1]"),
        ("agent", "Hello, I am a person"),
        ("visitor", "Thank you"),
    ]
    page.reload()  # the next page knows the way, and does not try the other one first
    frame = frame_of(page)
    expect(frame.locator("[data-log] .msg-visitor")).to_have_count(2)
    assert frame.evaluate("window.tried") == 0


def test_it_changes_over_to_a_websocket_when_one_gets_through(context: BrowserContext, page: Page) -> None:
    context.add_init_script(BLOCKED)
    page.reload()
    frame = open_chat(page)
    at_rest(frame)
    write(frame, "by plain requests")
    expect(frame.locator(".msg-visitor .sent")).to_have_text("Sent", timeout=15_000)
    opened: list[str] = []
    polled: list[str] = []
    page.on("websocket", lambda socket: opened.append(socket.url))
    page.on("request", lambda request: polled.append(request.url) if "/widget/send" in request.url else None)
    frame.evaluate("() => { window.WebSocket = window.unblocked; dispatchEvent(new Event('online')); }")
    until(page, lambda: opened)
    page.wait_for_timeout(500)
    expect(frame.locator("[data-banner]")).to_be_hidden()
    polled.clear()
    write(frame, "and by a socket")
    expect(frame.locator("[data-log] .msg-visitor")).to_have_count(2)
    assert texts(frame) == ["by plain requests", "and by a socket"]
    assert (len(opened), polled) == (1, [])


# -- restarts ----------------------------------------------------------------------------------------------------------


def test_a_restart_of_the_server_is_no_news_to_the_visitor(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    frame.evaluate(
        """() => { const banner = document.querySelector("[data-banner]"); window.shown = 0;
           new MutationObserver(() => { if (!banner.hidden) window.shown += 1; })
             .observe(banner, { attributes: true }); }"""
    )
    hellos = len(script.said("hello"))
    script.routes[0].close(code=1012)
    write(frame, "written meanwhile")
    expect(frame.locator(".is-pending .sent")).to_have_text("Sending")
    until(page, lambda: len(script.said("hello")) > hellos, seconds=7)
    expect(frame.locator(".is-pending")).to_have_count(0)
    assert texts(frame) == ["written meanwhile"]
    assert frame.evaluate("window.shown") == 0


def test_clients_come_back_spread_over_five_seconds(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    waits = frame.evaluate(
        """async () => { const { Connection } = await import(document.querySelector('script[type="module"][src]').src
             .replace("frame.js", "connection.js"));
           const nothing = () => undefined, one = new Connection({ url: "ws://x/", hello: nothing, cursor: () => 0,
             onFrame: nothing, onStatus: nothing, onWay: nothing });
           return Array.from({ length: 200 }, () => one.restarting()); }"""
    )
    assert 0 <= min(waits) < 500
    assert 4500 < max(waits) < 5000


# -- several tabs ------------------------------------------------------------------------------------------------------


def second_tab(context: BrowserContext, page: Page) -> Page:
    other = context.new_page()
    other.goto(page.url)
    return other


def test_tabs_agree_on_messages_on_what_is_open_and_on_what_is_written(context: BrowserContext, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    other = second_tab(context, page)
    theirs = frame_of(other)  # open there too
    at_rest(theirs)
    frame.locator("[data-field]").press_sequentially("half a tho")
    expect(theirs.locator("[data-field]")).to_have_value("half a tho")
    frame.locator("[data-field]").press("Enter")
    for one in (frame, theirs):
        expect(one.locator("[data-log] .msg-visitor .body")).to_have_text("half a tho")
        expect(one.locator("[data-field]")).to_have_value("")
    page.locator("[data-builtabot] .launcher").click()
    expect(other.locator("[data-builtabot] .launcher")).to_have_attribute("aria-expanded", "false")
    other.locator("[data-builtabot] .launcher").click()
    expect(page.locator("[data-builtabot] .launcher")).to_have_attribute("aria-expanded", "true")


def test_two_tabs_opened_at_once_are_one_visitor(context: BrowserContext, page: Page) -> None:
    other = second_tab(context, page)
    for one in (page, other):
        one.locator("[data-builtabot] .launcher").dispatch_event("click")
    frame, theirs = frame_of(page), frame_of(other)
    at_rest(frame)
    at_rest(theirs)
    write(frame, "who am I?")
    expect(theirs.locator("[data-log] .msg-visitor .body")).to_have_text("who am I?")


def test_what_was_read_in_one_tab_is_not_counted_in_the_other(
    script: Script, context: BrowserContext, page: Page
) -> None:
    frame = open_chat(page)
    at_rest(frame)
    first = script.routes[0]
    other = second_tab(context, page)
    at_rest(frame_of(other))
    script.routes = [first, *script.routes]
    page.locator("[data-builtabot] .launcher").click()
    script.joined()
    script.entry("agent", "One moment")
    expect(page.locator("[data-builtabot] .count")).to_have_text("1")
    script.state["seen"] = {"visitor": script.seq, "team": 0}
    script.tell_state()  # the other tab has shown it
    expect(page.locator("[data-builtabot] .count")).to_be_hidden()


def test_unsent_words_are_sent_by_one_tab_and_by_another_once_it_is_gone(
    script: Script, context: BrowserContext, page: Page
) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.silent = True
    write(frame, "only once")
    until(page, lambda: len(script.said("message.send")) == 1)
    other = second_tab(context, page)
    theirs = frame_of(other)
    at_rest(theirs)
    other.wait_for_timeout(3500)  # its look at what others left
    assert len(script.said("message.send")) == 1
    assert theirs.locator(".is-pending").count() == 0
    script.silent = False
    page.close()
    until(other, lambda: len(script.said("message.send")) == 2)
    expect(theirs.locator("[data-log] .msg-visitor .body")).to_have_text("only once")
    assert len({frame["client_id"] for frame in script.said("message.send")}) == 1
