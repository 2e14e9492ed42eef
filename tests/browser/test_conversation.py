"""A visitor on the shop's page and an agent at the desk, side by side, through the whole product."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.people import Agent, Visitor, agent, visitor
from tests.browser.product import Product

pytestmark = pytest.mark.browser
ANSWER_MS, HANDOFF_MS = 20_000, 5_000
LIGATURES = "\ufdfa" * 8  # eight of these crash an embedder that is given them as they are


def test_from_a_question_to_a_rated_conversation(vera: Visitor, tom: Agent) -> None:
    """Question, answer with its source, a typed request, queue, claim, words both ways, resolve, rating."""
    vera.open()
    vera.say("How long do I have to return a lamp?")
    answer = vera.answers().first
    expect(answer).to_contain_text("30", timeout=ANSWER_MS)
    source = answer.locator("a[href*='/help/returns/']").first
    expect(source).to_have_attribute("target", "_blank")
    expect(source).to_have_attribute("rel", re.compile("noopener"))
    vera.picture("1-answer")

    vera.say("Thanks. I'd like to talk to a human about my broken shade, please")
    expect(vera.chat.locator(".w-wait")).to_be_visible(timeout=HANDOFF_MS)
    expect(tom.row(vera)).to_contain_text("broken shade", timeout=HANDOFF_MS)
    tom.picture("2-queue")
    tom.claim(vera)
    expect(tom.page.locator("[data-log]")).to_contain_text("How long do I have to return a lamp?")
    expect(vera.log).to_contain_text("Tom Okafor joined", timeout=HANDOFF_MS)

    tom.page.locator("[data-text]").press_sequentially("Hello, which", delay=20)
    expect(vera.chat.get_by_label("Tom Okafor is typing")).to_be_visible()
    tom.reply("Hello, which shade is it?")
    expect(vera.log.locator(".msg-agent").last).to_contain_text("which shade is it?")
    vera.chat.locator("[data-field]").press_sequentially("The am", delay=20)
    expect(tom.page.locator("[data-tail]")).to_contain_text(re.compile("typing|writing", re.I))
    vera.say("The amber one")
    expect(tom.page.locator("[data-log]")).to_contain_text("The amber one")
    vera.picture("3-with-a-person")
    tom.picture("3-desk")

    tom.page.get_by_role("button", name="Resolve").first.click()
    tom.page.get_by_role("dialog").get_by_role("button", name=re.compile("Resolve")).click()
    expect(tom.page.locator('[data-mode="ended"]')).to_be_visible()
    expect(vera.chat.locator("legend")).to_contain_text("Tom Okafor")
    vera.chat.get_by_label("5 of 5").check(force=True)
    vera.chat.get_by_role("button", name="Send rating").click()
    expect(vera.log).to_contain_text("5 of 5")
    expect(tom.page.locator("[data-log]")).to_contain_text("5")
    vera.picture("4-rated")


def test_the_button_asks_for_a_person_and_a_reload_keeps_the_thread(vera: Visitor, tom: Agent) -> None:
    vera.open()
    denied = "() => { try { return localStorage.length; } catch (error) { return error.name; } }"
    frame = next(frame for frame in vera.page.frames if "/widget/frame" in frame.url)
    assert frame.evaluate(denied) == "SecurityError"
    vera.say("Where is my parcel?")
    expect(vera.answers().first).not_to_be_empty(timeout=ANSWER_MS)
    vera.chat.locator("[data-human]").click()
    expect(vera.chat.locator(".w-wait")).to_be_visible(timeout=HANDOFF_MS)
    expect(tom.row(vera)).to_contain_text("Asked for a person", timeout=HANDOFF_MS)

    vera.page.reload()
    expect(vera.log).to_contain_text("Where is my parcel?")
    expect(vera.chat.locator(".w-wait")).to_be_visible()

    tom.claim(vera)
    expect(vera.log).to_contain_text("Tom Okafor joined")
    vera.page.goto(f"{vera.product.shop}/cart")
    expect(vera.log).to_contain_text("Tom Okafor joined")
    expect(tom.page.locator("[data-presence]")).to_contain_text("/cart")
    vera.say("I am in the cart now")
    expect(tom.page.locator("[data-log]")).to_contain_text("I am in the cart now")


def test_text_that_crashes_embedders_kills_nothing(vera: Visitor) -> None:
    vera.open()
    vera.say(f"{LIGATURES} {LIGATURES}")
    expect(vera.log.locator(".msg-visitor").first).to_contain_text("\ufdfa")
    expect(vera.answers().first).not_to_be_empty(timeout=ANSWER_MS)
    vera.say("Which bulb fits my lamp?")
    expect(vera.answers().nth(1)).to_contain_text(re.compile("E27|E14|GU10|bulb", re.I), timeout=ANSWER_MS)


def test_a_question_without_an_answer_offers_a_person(vera: Visitor) -> None:
    vera.open()
    vera.say("Can you repair my telephone at home on Sunday?")
    expect(vera.answers().first).not_to_be_empty(timeout=ANSWER_MS)
    expect(vera.chat.get_by_role("button", name="Talk to a human").first).to_be_visible()


def test_nobody_at_the_desk_is_said_plainly(product: Product, browser: Browser) -> None:
    """No dashboard is open: the visitor is told when somebody will be, and asked for an address."""
    lonely = visitor(product, browser)
    lonely.open()
    lonely.page.wait_for_timeout(100)
    lonely.say("I want to talk to a human")
    expect(lonely.chat.locator(".w-wait, .w-card").first).to_be_visible(timeout=HANDOFF_MS)
    lonely.page.context.close()
    assert lonely.problems == []


def test_a_request_in_another_language_reaches_the_desk(product: Product, browser: Browser, tom: Agent) -> None:
    hans = visitor(product, browser, locale="de-DE")
    hans.open()
    hans.say("Ich möchte bitte mit einem Menschen sprechen")
    expect(tom.row(hans)).to_contain_text("mit einem Menschen", timeout=HANDOFF_MS)
    expect(hans.chat.locator(".w-wait")).to_be_visible()
    hans.picture("5-german")
    hans.page.context.close()
    assert hans.problems == []


def test_two_visitors_do_not_read_each_other(product: Product, browser: Browser, vera: Visitor) -> None:
    other = visitor(product, browser)
    vera.open()
    other.open()
    vera.say("My secret word is heliotrope")
    expect(vera.answers().first).not_to_be_empty(timeout=ANSWER_MS)
    expect(other.log).not_to_contain_text("heliotrope")
    other.page.reload()
    other.page.wait_for_timeout(500)
    assert "heliotrope" not in other.page.content()
    other.page.context.close()


def test_an_owner_sees_the_desk_the_settings_and_the_figures(product: Product, browser: Browser) -> None:
    ana = agent(product, browser, "owner")
    for path, name in (("/live/", "desk"), ("/insights/", "insights"), ("/setup/", "setup"), ("/admin/", "admin")):
        answer = ana.page.goto(product.tenant + path)
        assert answer is not None
        assert answer.status == 200
        expect(ana.page.locator("body")).not_to_be_empty()
        ana.picture(f"6-{name}")
    ana.page.context.close()
    assert ana.problems == []
