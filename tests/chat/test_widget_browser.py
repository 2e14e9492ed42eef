"""The widget in a real browser, on a shop of another site, where its frame has no storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect
from pytest_django import DjangoDbBlocker

from chat.models import Message
from tenants.workspace.models import Project
from tests.browser.product import browsing
from tests.cast import Cast
from tests.chat import widget_stage as stage
from tests.chat.widget_stage import DESKTOP, PHONE, Script, frame_of, open_chat, until
from tests.conftest import make_tenant

pytestmark = pytest.mark.browser
CITATIONS = [
    {"n": 1, "title": "Returns policy", "heading": "Time limit", "url": "https://shop.example/returns#time"},
    {"n": 2, "title": "Returns policy", "heading": "", "url": "javascript:alert(1)"},
]


@dataclass(frozen=True)
class Stage:
    """Where the shop is, and the tenant whose widget it shows."""

    shop: str
    cast: Cast
    browser: Browser
    blocker: DjangoDbBlocker

    def stored(self, conversation: str) -> list[tuple[str, str]]:
        """(sender, text) of each text in the log. The browser's own loop forbids queries on this thread."""
        from concurrent.futures import ThreadPoolExecutor

        def read() -> list[tuple[str, str]]:
            rows = Message.objects.filter(conversation=UUID(conversation), kind="text").order_by("seq")
            return list(rows.values_list("sender", "text"))

        with self.blocker.unblock(), ThreadPoolExecutor(1) as pool:
            return pool.submit(self.cast.run, read).result()


@pytest.fixture(scope="module")
def set_up(web_port: int, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    with django_db_blocker.unblock():
        cast = make_tenant()
        questions = ["How long do I have to return a lamp?", "Where is my order?"]
        cast.run(lambda: Project.objects.update(name="Brackwater", greeting="", suggestions=questions))
    with stage.shop_server(f"http://{cast.host}:{web_port}") as shop, browsing() as browser:
        yield Stage(shop, cast, browser, django_db_blocker)


@pytest.fixture
def context(set_up: Stage) -> Iterator[BrowserContext]:
    made = set_up.browser.new_context(viewport=DESKTOP)
    yield made
    made.close()


@pytest.fixture
def script(context: BrowserContext) -> Script:
    script = Script()
    script.serve(context)
    return script


@pytest.fixture
def page(context: BrowserContext, set_up: Stage) -> Iterator[Page]:
    """The shop's page. Nothing that the widget does may end in an error there."""
    problems: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto(f"{set_up.shop}/lamp")
    yield page
    assert problems == []


def write(frame: Frame, text: str) -> None:
    frame.locator("[data-field]").fill(text)
    frame.locator("[data-field]").press("Enter")


def texts(frame: Frame) -> list[str]:
    """The words of each bubble, in order, the greeting left out."""
    return frame.locator("[data-log] .body, [data-tail] .body").all_inner_texts()


def at_rest(frame: Frame) -> None:
    expect(frame.locator("[data-start] .msg-ai")).to_be_visible()


# -- with the real server ----------------------------------------------------------------------------------------------


def test_chat_works_and_survives_a_reload_where_the_frame_has_no_storage(page: Page, set_up: Stage) -> None:
    frame = open_chat(page)
    at_rest(frame)
    denied = "() => { try { return localStorage.length >= 0; } catch (error) { return error.name; } }"
    assert frame.evaluate(denied) == "SecurityError"
    assert page.context.cookies() == []
    write(frame, "Do you ship to Norway?")
    expect(frame.locator(".msg-visitor .sent")).to_have_text("Sent")
    frame.locator("[data-field]").fill("half a thou")

    page.reload()
    frame = frame_of(page)  # open again by itself
    expect(frame.locator("[data-log] .msg-visitor .body")).to_have_text("Do you ship to Norway?")
    expect(frame.locator("[data-field]")).to_have_value("half a thou")
    assert page.evaluate("document.activeElement.tagName") == "BODY"  # it took no focus that nobody gave it
    kept = page.evaluate("JSON.stringify(localStorage)")
    assert "Norway" not in kept  # confirmed words are the server's to keep


def test_what_was_stored_is_what_was_written(page: Page, set_up: Stage) -> None:
    frame = open_chat(page)
    at_rest(frame)
    opened: list[str] = []
    token = page.evaluate("Object.entries(localStorage).find(([key]) => key.endsWith(':token'))[1]")
    project_host = frame.url.split("/widget")[0]
    answer = page.request.post(
        f"http://127.0.0.1:{project_host.rpartition(':')[2]}/widget/session",
        data=json.dumps({"project": "shop", "token": token}),
        headers={"Host": project_host.removeprefix("http://"), "Content-Type": "application/json"},
    )
    opened.append(answer.json()["conversation"])
    evil = "<img src=x onerror=alert(1)> & **no bold**\nsecond line"
    frame.locator("[data-field]").fill(evil)
    frame.locator("[data-field]").press("Enter")
    expect(frame.locator("[data-log] .msg-visitor .body")).to_contain_text("<img src=x onerror=alert(1)> & **no bold**")
    assert frame.locator("[data-log] img, [data-log] strong").count() == 0
    assert ("visitor", evil) in set_up.stored(opened[0])


def test_talk_to_a_human_with_nobody_there_asks_for_an_address(page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    frame.get_by_role("button", name="Talk to a human").click()
    email = frame.locator("input[type=email]")
    email.fill("maya@lindqvist")
    email.press("Tab")
    expect(frame.locator(".err")).to_have_text("An address needs an ending, like .com")
    expect(email).to_have_attribute("aria-invalid", "true")
    email.fill("maya@lindqvist.example")
    expect(frame.locator(".err")).to_be_hidden()
    frame.get_by_role("button", name="Send to the team").click()
    expect(frame.locator("[data-log]")).to_contain_text("Sent. The answer comes to maya@lindqvist.example.")
    expect(frame.locator("input[type=email]")).to_have_count(0)
    expect(frame.get_by_role("button", name="Talk to a human")).to_be_visible()


def test_a_forgotten_token_is_replaced_without_the_visitor_noticing(page: Page) -> None:
    page.evaluate(
        "(host) => localStorage.setItem(`builtabot:${host}:shop:token`, 'forgotten')",
        page.locator("script[data-project]").get_attribute("src").split("/")[2],
    )
    frame = open_chat(page)
    at_rest(frame)
    write(frame, "Hello again")
    expect(frame.locator("[data-log] .msg-visitor")).to_contain_text("Hello again")


# -- with a server that misbehaves --------------------------------------------------------------------------------


def test_an_answer_streams_and_gives_way_to_the_stored_one(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    frame.get_by_role("button", name="How long do I have to return a lamp?").click()
    expect(frame.locator(".typing-ai")).to_be_visible()
    expect(frame.locator(".w-chips")).to_have_count(0)
    script.delta("30 days [1")
    expect(frame.locator("[data-tail] .msg-ai .body")).to_have_text("30 days ")
    script.delta("] and more", offset=10)
    expect(frame.locator("[data-tail] .msg-ai .body .caret")).to_have_count(1)
    script.entry("ai", "30 days.[1] Free.[2] Not [3].", data={"turn": 1, "outcome": "reply", "citations": CITATIONS})
    expect(frame.locator("[data-tail] .msg-ai")).to_have_count(0)
    link = frame.locator(".w-src a")
    expect(link).to_have_count(1)  # the second source's address is not one a link may lead to
    expect(link).to_have_text("1Returns policy › Time limit")
    assert (link.get_attribute("target"), link.get_attribute("href")) == ("_blank", CITATIONS[0]["url"])
    assert "noopener" in (link.get_attribute("rel") or "")
    expect(frame.locator(".body > p .cite")).to_have_count(2)
    expect(frame.locator("[data-log] .msg-ai .body > p")).to_contain_text("Not [3].")
    script.delta("late words", offset=40)
    page.wait_for_timeout(150)
    assert frame.locator("[data-tail] .msg-ai").count() == 0


def test_no_word_of_the_ai_is_shown_after_a_person_was(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    write(frame, "I want a refund")
    script.delta("Refunds take")
    expect(frame.locator("[data-tail] .msg-ai .body")).to_have_text("Refunds take")
    script.joined()
    expect(frame.locator("[data-tail] .msg-ai")).to_have_count(0)
    expect(frame.locator("[data-title]")).to_have_text("Ana Ruiz")
    script.delta(" fourteen days", offset=12, epoch=1)
    script.delta("Refunds take fourteen days", turn=2, epoch=2)  # the agent's own epoch: nobody else speaks in it
    script.tell({"type": "typing", "conversation": "c", "who": "ai", "name": "", "on": True})
    page.wait_for_timeout(200)
    assert "Refunds" not in frame.locator("main").inner_text()
    assert frame.locator(".typing-ai").count() == 0


def test_a_newer_epoch_alone_silences_the_ai(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    write(frame, "Anybody?")
    script.delta("I think")
    expect(frame.locator("[data-tail] .msg-ai .body")).to_have_text("I think")
    script.become("queue")
    script.tell_state()  # the log's entry was lost on the way
    expect(frame.locator("[data-tail] .msg-ai")).to_have_count(0)
    expect(frame.get_by_role("button", name="Talk to a human")).to_be_hidden()
    expect(frame.locator(".w-wait")).to_contain_text("Usually someone joins within 40 seconds")


def test_a_hole_is_healed_in_order(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.joined()
    script.entry("agent", "one", tell=False)
    script.entry("agent", "two", tell=False)
    script.entry("agent", "three")
    expect(frame.locator("[data-log] .msg-agent")).to_have_count(3)
    assert texts(frame) == ["one", "two", "three"]
    assert script.said("resume")[-1] == {"type": "resume", "seq": 1}
    script.tell(script.log[-1])  # a doubled nudge
    page.wait_for_timeout(100)
    assert texts(frame) == ["one", "two", "three"]


def test_words_written_offline_wait_and_arrive_once_in_order(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.down = True
    script.routes[0].close(code=1011)
    expect(frame.locator("[data-banner]")).to_contain_text("No connection.")
    for text in ("first", "second", "third"):
        write(frame, text)
    expect(frame.locator(".is-pending")).to_have_count(3)
    expect(frame.locator(".is-pending .sent").first).to_have_text("Waiting to send")

    page.reload()  # nothing is lost with the page either
    frame = frame_of(page)
    expect(frame.locator(".is-pending")).to_have_count(3)
    expect(frame.locator("[data-banner]")).to_be_visible()
    script.down = False
    script.silent = True  # the server takes them, and its acknowledgements are lost
    frame.get_by_role("button", name="Try now").click()
    until(page, lambda: len(script.said("message.send")) == 3)
    script.silent = False
    script.routes[0].close(code=1011)
    until(page, lambda: len(script.said("message.send")) == 6)
    expect(frame.locator(".is-pending")).to_have_count(0)
    assert texts(frame) == ["first", "second", "third"]
    sent = script.said("message.send")
    assert [frame["client_id"] for frame in sent[:3]] == [frame["client_id"] for frame in sent[3:]]
    assert "out:" not in page.evaluate("JSON.stringify(localStorage)")


def test_a_refused_message_says_why_and_can_be_sent_again(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.refuse = lambda asked: {"code": "bad_frame", "sentence": "no", "retryable": False}
    write(frame, "Is the brass lacquered?")
    expect(frame.locator(".sent-fail")).to_have_text("Not sent: the server did not take it")
    script.refuse = lambda asked: None
    frame.get_by_role("button", name="Send again").click()
    expect(frame.locator("[data-log] .msg-visitor")).to_contain_text("Is the brass lacquered?")
    expect(frame.locator(".is-failed")).to_have_count(0)
    first, second = script.said("message.send")
    assert first["client_id"] != second["client_id"]


def test_a_dead_link_is_noticed_within_35_seconds(script: Script, context: BrowserContext, set_up: Stage) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(f"{set_up.shop}/lamp")
    frame = open_chat(page)
    at_rest(frame)
    script.deaf = True  # takes everything, says nothing, never closes
    hellos = len(script.said("hello"))
    page.clock.run_for(34_000)
    until(page, lambda: len(script.said("hello")) > hellos)
    script.deaf = False
    page.clock.run_for(30_000)
    expect(frame.locator("[data-banner]")).to_be_hidden()


def test_no_answer_in_20_seconds_offers_a_person(script: Script, context: BrowserContext, set_up: Stage) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(f"{set_up.shop}/lamp")
    frame = open_chat(page)
    at_rest(frame)
    write(frame, "Is it dimmable?")
    expect(frame.locator(".typing-ai")).to_be_visible()
    page.clock.run_for(19_000)
    expect(frame.locator(".w-fail")).to_have_count(0)
    page.clock.run_for(2_000)
    expect(frame.locator(".w-fail")).to_contain_text("No answer came in 20 seconds.")
    frame.locator(".w-fail").get_by_role("button", name="Ask a person").click()
    until(page, lambda: script.said("human.request"))
    expect(frame.locator(".w-fail")).to_have_count(0)


def test_a_person_joins_is_seen_typing_solves_and_is_rated(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    write(frame, "Can I have my money back?")
    script.joined()
    expect(frame.locator(".event-key")).to_contain_text("Ana Ruiz joined")
    expect(frame.locator("[data-by]")).to_have_text("You are talking with Ana Ruiz, a person.")
    script.tell({"type": "typing", "conversation": "c", "who": "agent", "name": "Ana Ruiz", "on": True})
    expect(frame.get_by_label("Ana Ruiz is typing")).to_be_visible()
    script.entry("agent", "See https://shop.example/refunds, please")
    expect(frame.get_by_label("Ana Ruiz is typing")).to_have_count(0)
    expect(frame.locator(".msg-agent a")).to_have_attribute("href", "https://shop.example/refunds")
    script.state["seen"] = {"visitor": 0, "team": script.seq}
    script.tell_state()
    expect(frame.locator(".msg-visitor .sent")).to_have_text("Seen by Ana Ruiz")
    script.become("none")
    script.event("resolved", name="Ana Ruiz", outcome="people", ask_rating=True)
    script.tell_state()
    expect(frame.locator("legend")).to_have_text("How did Ana Ruiz do?")
    frame.get_by_label("4 of 5").check(force=True)
    frame.locator(".w-more textarea").fill("Quicker")
    frame.get_by_role("button", name="Send rating").click()
    until(page, lambda: script.said("rating.submit"))
    asked = script.said("rating.submit")[0]
    assert (asked["score"], asked["comment"]) == (4, "Quicker")
    script.event("rated", sender="visitor", score=4, comment="Quicker")
    expect(frame.locator(".stars")).to_have_count(0)
    expect(frame.locator("[data-log]")).to_contain_text("You gave 4 of 5")
    expect(frame.get_by_role("button", name="Talk to a human")).to_be_visible()


def test_the_thanks_for_a_rating_come_into_view(script: Script, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 420})
    frame = open_chat(page)
    at_rest(frame)
    script.joined()
    for n in range(6):
        script.entry("agent", f"line {n}\n\nand more\n\nand more")
    script.become("none")
    script.event("resolved", name="Ana Ruiz", outcome="people", ask_rating=True)
    script.tell_state()
    frame.get_by_label("4 of 5").check(force=True)
    frame.locator("[data-body]").evaluate("node => { node.scrollTop = 0; }")  # reading again what was said
    page.wait_for_timeout(100)
    frame.locator(".w-more button").dispatch_event("click")
    until(page, lambda: script.said("rating.submit"))
    script.event("rated", sender="visitor", score=4, comment="")
    expect(frame.get_by_text("You gave 4 of 5")).to_be_in_viewport(ratio=0.9)


def test_edits_and_erasures_change_what_was_said(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.joined()
    script.entry("agent", "My card is 4111")
    script.entry("agent", "Twenty days")
    script.entry("agent", event="erased", target=2)
    script.entry("agent", "Thirty days", event="edited", target=3)
    expect(frame.locator("[data-log] .msg-agent .body")).to_have_text(["Removed", "Thirty days"])
    expect(frame.locator(".w-edited")).to_have_text("edited")
    assert "4111" not in frame.content()


def test_a_deleted_message_keeps_its_place_and_both_changes_are_told_once(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.joined()
    for text in ("Thirteen days", "My number is 555", "Bye"):
        script.entry("agent", text)
    expect(frame.locator("[data-log] .msg-agent .body")).to_have_count(3)
    told = frame.locator("[data-say]")
    script.entry("agent", "Thirty days", event="edited", target=2)
    expect(told).to_have_text("Ana Ruiz edited a message: Thirty days")
    script.entry("agent", event="deleted", target=3)
    expect(told).to_have_text("Ana Ruiz deleted a message")
    shown = ["Thirty days", "This message was deleted", "Bye"]
    expect(frame.locator("[data-log] .msg-agent .body")).to_have_text(shown)
    script.entry("agent", "Thirty days, unused", event="edited", target=2)
    expect(frame.locator(".w-edited")).to_have_text("edited")
    until(page, lambda: script.said("seen.set")[-1]["seq"] == script.seq)
    assert "555" not in frame.content()


def test_the_history_tells_what_was_deleted_as_the_server_does(script: Script, page: Page) -> None:
    script.joined()
    script.entry("agent", "")  # deleted before: the server no longer tells its words
    script.entry("agent", "Thirty days")
    script.entry("agent", event="deleted", target=2)
    frame = open_chat(page)
    expect(frame.locator("[data-log] .msg-agent .body")).to_have_text(["This message was deleted", "Thirty days"])
    assert frame.locator("[data-say]").inner_text() == ""


def test_a_change_of_old_words_does_not_tear_off_the_answer_that_streams(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.entry("agent", "Thirteen days")
    script.tell({"type": "delta", "conversation": "c", "turn": 7, "epoch": 1, "offset": 0, "text": "You may keep"})
    expect(frame.locator("[data-tail]")).to_contain_text("You may keep")
    script.entry("agent", "Thirty days", event="edited", target=1)
    expect(frame.locator("[data-log] .msg-agent .body")).to_have_text("Thirty days")
    expect(frame.locator("[data-tail]")).to_contain_text("You may keep")


def test_closed_the_preview_follows_edits_and_deletions(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.joined()
    until(page, lambda: script.said("seen.set"))
    frame.locator("[data-field]").press("Escape")
    line, count = page.locator("[data-builtabot] .line"), page.locator("[data-builtabot] .count")
    script.entry("agent", "One moment")
    script.entry("agent", "It is 13 days.")
    expect(line).to_have_text("It is 13 days.")
    script.entry("agent", "It is 30 days.", event="edited", target=3)
    expect(line).to_have_text("It is 30 days.")
    expect(count).to_have_text("2")
    script.entry("agent", event="deleted", target=3)
    expect(line).to_have_text("One moment")
    expect(count).to_have_text("1")


def test_closed_it_counts_what_is_new_and_tells_the_team_only_what_was_seen(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.joined()
    until(page, lambda: script.said("seen.set"))
    frame.locator("[data-field]").press("Escape")
    launcher = page.locator("[data-builtabot] .launcher")
    expect(launcher).to_be_focused()
    expect(launcher).to_have_attribute("aria-expanded", "false")
    seen = len(script.said("seen.set"))
    script.entry("agent", "One moment")
    script.entry("agent", "Your new shade leaves today.")
    expect(page.locator("[data-builtabot] .count")).to_have_text("2")
    expect(page.locator("[data-builtabot] .line")).to_have_text("Your new shade leaves today.")
    assert "2" in (launcher.get_attribute("aria-label") or "")
    assert len(script.said("seen.set")) == seen
    launcher.click()
    expect(page.locator("[data-builtabot] .count")).to_be_hidden()
    until(page, lambda: script.said("seen.set")[-1]["seq"] == script.seq)
    expect(frame.locator("[data-field]")).to_be_focused()


def test_each_message_is_announced_once(script: Script, page: Page) -> None:
    script.entry("agent", "from before", tell=False)
    frame = open_chat(page)
    at_rest(frame)
    frame.evaluate(
        """() => { window.said = []; new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach(
           (node) => window.said.push(node.textContent)))).observe(document.querySelector("[data-say]"),
           { childList: true }); }"""
    )
    write(frame, "Hello")
    for n in range(5):
        script.delta("word " * (n + 1))
    script.entry("ai", "word word", data={"turn": 1, "outcome": "reply", "citations": []})
    script.joined()
    script.entry("agent", "I am here")
    expect(frame.locator(".msg-agent")).to_have_count(2)
    assert frame.evaluate("window.said") == ["Brackwater: word word", "Ana Ruiz: I am here"]
    assert frame.locator("[role=log]").get_attribute("aria-live") == "off"


def test_the_team_is_told_the_page_without_its_secrets(script: Script, page: Page) -> None:
    open_chat(page)
    until(page, lambda: script.said("hello"))
    assert script.said("hello")[0]["page"]["title"] == "The Harbour lamp"
    page.evaluate(
        "() => { history.pushState({}, '', '/cart?step=2&reset_token=abc#top'); document.title = 'Your bag'; }"
    )
    until(page, lambda: script.said("page.view"))
    view = script.said("page.view")[-1]
    assert view["title"] == "Your bag"
    assert view["url"].endswith("/cart?step=2&reset_token=hidden#top")


def test_typing_is_told_and_taken_back(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    frame.locator("[data-field]").press_sequentially("Hel", delay=20)
    until(page, lambda: script.said("typing.set"))
    frame.locator("[data-field]").press("Enter")
    until(page, lambda: len(script.said("typing.set")) == 2)
    assert [told["on"] for told in script.said("typing.set")] == [True, False]


def test_a_forged_message_moves_nothing(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    page.evaluate(
        """() => { const root = document.querySelector("[data-builtabot]").shadowRoot;
           const target = root.querySelector("iframe").contentWindow;
           const port = () => new MessageChannel().port2;
           target.postMessage({ builtabot: 1, type: "init", draft: "forged", outbox: [] }, "*", [port()]);
           target.postMessage({ builtabot: 1, type: "token", token: "forged" }, "*");
           window.postMessage({ builtabot: 1, type: "close" }, "*"); }"""
    )
    frame.evaluate(
        """() => { window.postMessage({ builtabot: 1, type: "init", draft: "forged" }, "*");
           parent.postMessage({ type: "close" }, "*"); }"""
    )
    page.wait_for_timeout(300)
    expect(frame.locator("[data-field]")).to_have_value("")
    expect(page.locator("[data-builtabot] .launcher")).to_have_attribute("aria-expanded", "true")
    assert len(script.said("hello")) == 1


def test_on_a_phone_it_fills_the_screen_and_keeps_the_focus(set_up: Stage) -> None:
    context = set_up.browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    script = Script()
    script.serve(context)
    page = context.new_page()
    page.goto(f"{set_up.shop}/lamp")
    frame = open_chat(page)
    at_rest(frame)
    box = page.locator("[data-builtabot] iframe").bounding_box()
    assert box
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, PHONE["width"], PHONE["height"])
    assert frame.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.hasAttribute('data-builtabot')")
    frame.get_by_role("button", name="Close chat").click()
    expect(page.locator("[data-builtabot] .launcher")).to_be_visible()
    assert page.evaluate("document.documentElement.style.overflow") == ""
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(set_up: Stage, scheme: str) -> None:
    context = set_up.browser.new_context(viewport=DESKTOP, color_scheme=scheme, reduced_motion="reduce")
    script = Script()
    script.serve(context)
    page = context.new_page()
    page.goto(f"{set_up.shop}/lamp")
    frame = open_chat(page)
    at_rest(frame)

    def check(state: str) -> None:
        found = Axe().run(frame).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], state

    check("greeting")
    write(frame, "How long?")
    script.delta("Thirty")
    expect(frame.locator(".caret")).to_have_count(1)
    check("streaming")
    script.entry("ai", "Thirty days.[1]", data={"turn": 1, "outcome": "unknown", "citations": CITATIONS})
    script.become("queue", waiting_since=stage.ago(60))
    script.event("handed_over", "Got it.", sender="ai")
    script.tell_state()
    expect(frame.locator(".w-wait")).to_be_visible()
    check("waiting")
    frame.locator(".w-wait .w-link").click()
    frame.get_by_role("button", name="Send to the team").click()
    expect(frame.locator(".err")).to_be_visible()
    check("address")
    script.joined()
    script.entry("agent", "Hello")
    script.become("none")
    script.event("resolved", name="Ana Ruiz", outcome="people", ask_rating=True)
    script.tell_state()
    frame.get_by_label("3 of 5").check(force=True)
    check("rating")
    script.down = True
    script.routes[0].close(code=1011)
    write(frame, "Still there?")
    expect(frame.locator("[data-banner]")).to_be_visible()
    check("offline")
    context.close()


def test_a_page_that_is_not_on_the_list_shows_nothing(set_up: Stage) -> None:
    context = set_up.browser.new_context()
    page = context.new_page()
    warned: list[str] = []
    page.on("console", lambda line: warned.append(line.text))
    page.route(
        "**/widget/project?*",
        lambda route: route.fulfill(
            status=403,
            json={"code": "site_not_allowed", "sentence": "This site is not on the project's list of sites."},
            headers={"Access-Control-Allow-Origin": "*"},
        ),
    )
    page.goto(f"{set_up.shop}/lamp")
    until(page, lambda: any("the chat stays closed" in line for line in warned))
    assert page.locator("[data-builtabot]").count() == 0
    context.close()


def test_changes_are_accessible_in_every_look(script: Script, page: Page) -> None:
    frame = open_chat(page)
    at_rest(frame)
    script.entry("visitor", "How long may I keep the lamp?")
    script.joined()
    for text in ("Thirteen days, if it is unused.", "My own number is 555 0199.", "Anything else?"):
        script.entry("agent", text)
    script.entry("agent", "Thirty days, if it is unused.", event="edited", target=3)
    script.entry("agent", event="deleted", target=4)
    expect(frame.locator(".is-gone")).to_be_visible()
    for look in stage.looks(page):
        page.screenshot(path=f".artifacts/edits/widget-{look}.png")
        found = Axe().run(frame).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], look
