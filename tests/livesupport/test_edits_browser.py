"""Own words are put right in their place, by mouse and by keys, and taken back after a question; in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from chat import actions as chat
from tests.livesupport.test_dashboard_browser import PHONE, Desk, Visitor, ana, desk, open_row

pytestmark = pytest.mark.browser
__all__ = ["ana", "desk"]
PICTURES = Path(".artifacts") / "edits"


def claimed(desk: Desk, page: Page, *texts: str) -> Visitor:
    """A conversation that the page's agent holds, with some words of theirs in it."""
    visitor = desk.visitor("I want to talk to a human", name="Vera Lind")
    desk.run(chat.claim_conversation, conversation_id=visitor.id, seat=desk.run(lambda: desk.cast.agent.seat))
    page.goto(f"http://{desk.cast.host}:{desk.port}/live/?c={visitor.id}")
    expect(page.locator('[data-mode="mine"]')).to_be_visible()
    for text in texts:
        page.locator("[data-compose-form] [data-text]").fill(text)
        page.keyboard.press("Enter")
        expect(said(page, text)).to_be_visible()
    return visitor


def said(page: Page, text: str) -> Any:
    return page.locator("[data-log] > li[data-seq]", has_text=text)


def read(desk: Desk, visitor: Visitor) -> list[str]:
    """What the visitor reads of the agent's words, as frames bring it."""
    from chat.delivery import visitor_news

    frames = desk.run(visitor_news, str(visitor.id), 0, False)
    said = [frame for frame in frames if frame["type"] == "message" and frame["kind"] == "text"]
    return [frame["text"] for frame in said if frame["sender"] == "agent"]


def test_own_words_are_edited_in_their_place(desk: Desk, ana: Page) -> None:
    visitor = claimed(desk, ana, "Thirteen <days>.", "Bye for now")
    line = said(ana, "Thirteen <days>.")
    line.locator("summary").click()
    line.get_by_role("button", name="Edit message").click()
    box = ana.get_by_label("New words")
    expect(box).to_be_focused()
    expect(box).to_have_value("Thirteen <days>.")
    box.fill("Thirty <days>.\nReally.")
    visitor.says("Are you there?")  # the log is patched meanwhile
    expect(said(ana, "Are you there?")).to_be_visible()
    expect(box).to_have_value("Thirty <days>.\nReally.")
    expect(box).to_be_focused()
    ana.keyboard.press("Enter")
    expect(said(ana, "Thirty <days>.")).to_contain_text("edited")
    expect(box).to_have_count(0)
    now = ["Thirty <days>.\nReally.", "Bye for now"]
    assert ana.locator('[data-log] [data-from="agent"] .body').all_inner_texts() == now
    assert read(desk, visitor) == now


def test_from_an_empty_field_the_arrow_edits_the_last_words_and_escape_leaves_them(desk: Desk, ana: Page) -> None:
    visitor = claimed(desk, ana, "one", "two")
    field = ana.locator("[data-compose-form] [data-text]")
    field.focus()
    ana.keyboard.press("ArrowUp")
    expect(ana.get_by_label("New words")).to_have_value("two")
    ana.keyboard.type(" and three")
    ana.keyboard.press("Escape")
    expect(ana.get_by_label("New words")).to_have_count(0)
    expect(said(ana, "two").locator("summary")).to_be_focused()
    expect(ana.locator('[data-mode="mine"]')).to_be_visible()
    assert read(desk, visitor) == ["one", "two"]


def test_half_edited_words_outlive_another_conversation(desk: Desk, ana: Page) -> None:
    other = desk.visitor("I want to talk to a human")
    visitor = claimed(desk, ana, "one")
    ana.keyboard.press("ArrowUp")
    ana.get_by_label("New words").fill("one and a half")
    open_row(ana, other)
    open_row(ana, visitor)
    expect(ana.get_by_label("New words")).to_have_count(0)
    said(ana, "one").locator("summary").click()
    said(ana, "one").get_by_role("button", name="Edit message").click()
    expect(ana.get_by_label("New words")).to_have_value("one and a half")
    ana.keyboard.press("Escape")


def test_a_note_stays_paper_while_it_is_edited(desk: Desk, ana: Page) -> None:
    visitor = claimed(desk, ana)
    ana.locator("[data-scroll]").focus()
    ana.keyboard.press("n")
    ana.keyboard.type("a regula")
    ana.keyboard.press("Enter")
    line = said(ana, "a regula")
    line.locator("summary").press("Enter")
    line.get_by_role("button", name="Edit note").press("Enter")
    expect(ana.locator("[data-edit-form].is-note")).to_contain_text("Only the team sees this.")
    ana.get_by_label("New words").fill("a regular")
    ana.get_by_role("button", name="Save").click()
    expect(said(ana, "a regular")).to_contain_text("edited")
    assert read(desk, visitor) == []


def test_to_delete_is_asked_first_and_the_safe_answer_has_the_focus(desk: Desk, ana: Page) -> None:
    visitor = claimed(desk, ana, "My card is 4111", "Bye")
    line = said(ana, "4111")
    line.locator("summary").click()
    line.get_by_role("button", name="Delete message").click()
    dialog = ana.locator("[data-delete-dialog]")
    expect(dialog).to_contain_text("gone for Vera Lind and the team")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    ana.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert read(desk, visitor) == ["My card is 4111", "Bye"]
    line.locator("summary").click()
    line.get_by_role("button", name="Delete message").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(ana.locator(".is-gone")).to_contain_text("This message was deleted")
    assert "4111" not in ana.content()
    assert read(desk, visitor) == ["", "Bye"]
    assert ana.locator(".is-gone summary").count() == 0


def test_words_for_what_a_colleague_deleted_meanwhile_are_kept(desk: Desk, ana: Page) -> None:
    visitor = claimed(desk, ana, "one")
    ana.keyboard.press("ArrowUp")
    ana.get_by_label("New words").fill("two")
    seq = int(said(ana, "one").get_attribute("data-seq") or 0)
    given = {"conversation_id": visitor.id, "seat_id": desk.cast.owner.seat_id, "change": chat.Change(seq)}
    desk.run(chat.delete_message, **given)
    expect(ana.locator(".is-gone")).to_contain_text(f"This message was deleted by {desk.cast.owner.name}")
    expect(ana.locator("[data-compose-form] [data-text]")).to_have_value("two")
    expect(ana.locator("[data-problem]")).to_contain_text("Your words are kept here.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE], ids=["desktop", "phone"])
def test_editing_is_accessible_in_every_look(desk: Desk, viewport: dict[str, int], scheme: str) -> None:
    touch = viewport is PHONE
    page = desk.page(desk.cast.agent, viewport=viewport, color_scheme=scheme, has_touch=touch, is_mobile=touch)
    first = "Thirteen days, if the lamp is unused and its box is there."
    claimed(desk, page, first, "My number is 555 0199", "Bye", "One more")
    page.locator("[data-scroll]").focus()
    page.keyboard.press("n")
    page.keyboard.type("A regular; be kind.")
    page.keyboard.press("Enter")
    line = said(page, "555")
    line.locator("summary").click()
    line.get_by_role("button", name="Delete message").click()
    page.locator("[data-delete-dialog]").screenshot(path=PICTURES / f"delete-{viewport['width']}-{scheme}.png")
    page.locator("[data-delete-go]").click()
    expect(page.locator(".is-gone")).to_be_visible()
    line = said(page, "Bye")
    line.locator("summary").click()
    line.get_by_role("button", name="Edit message").click()
    page.get_by_label("New words").fill("Goodbye, and write again whenever you like.")
    page.keyboard.press("Enter")
    expect(said(page, "Goodbye")).to_contain_text("edited")
    said(page, "Thirteen").locator("summary").click()
    said(page, "Thirteen").get_by_role("button", name="Edit message").click()
    expect(page.get_by_label("New words")).to_be_focused()
    said(page, "One more").locator("summary").click()
    page.screenshot(path=PICTURES / f"edit-{viewport['width']}-{scheme}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["target"]) for one in found] == []
    page.context.close()
