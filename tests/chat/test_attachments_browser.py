"""Pictures and PDFs in a real browser: a visitor on a shop of another site, and the agent who reads them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Frame, Locator, Page, expect
from pytest_django import DjangoDbBlocker

from chat.models import Conversation, Handoff
from tenants.workspace.models import Project
from tests.browser.product import ROOT, browsing
from tests.chat import hostile_files as files
from tests.chat import widget_stage as stage
from tests.chat.widget_stage import DESKTOP, open_chat, until
from tests.conftest import make_tenant
from tests.knowledge.test_pdf import make_pdf
from tests.livesupport.test_dashboard_browser import Desk

pytestmark = pytest.mark.browser
SHOT = {"name": "checkout-error.png", "mimeType": "image/png", "buffer": files.picture("PNG", (640, 400))}
TALL = {"name": "phone.jpg", "mimeType": "image/jpeg", "buffer": files.picture("JPEG", (390, 844))}
PDF = {"name": "invoice.pdf", "mimeType": "application/pdf", "buffer": make_pdf(["Invoice 42."])}
SVG = {"name": "drawing.svg", "mimeType": "image/svg+xml", "buffer": files.SVG}


@dataclass(frozen=True)
class Stage:
    shop: str
    desk: Desk


@pytest.fixture(scope="module")
def set_up(web_port: int, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    with django_db_blocker.unblock():
        cast = make_tenant()
        cast.run(lambda: Project.objects.update(name="Brackwater", greeting=""))
    with stage.shop_server(f"http://{cast.host}:{web_port}") as shop, browsing() as browser:
        yield Stage(shop, Desk(cast, web_port, browser, django_db_blocker))


def _end_all() -> None:
    """An agent who holds nothing has room for the next visitor, who is then the first in the list."""
    Handoff.objects.update(state=Handoff.State.CLOSED)
    Conversation.objects.update(owner=Conversation.Owner.NONE, holder=None)


class Both:
    """A visitor who asked for a person, and an agent who is online. Nothing may end in an error on either page."""

    def __init__(self, set_up: Stage) -> None:
        self.problems: list[str] = []
        set_up.desk.run(_end_all)
        look: dict[str, Any] = {"viewport": DESKTOP, "accept_downloads": True}
        self.agent = set_up.desk.page(set_up.desk.cast.agent, **look)
        self._listen(self.agent)
        self.agent.wait_for_timeout(500)  # their first sign of life
        browser: Browser = set_up.desk.browser
        self.context: BrowserContext = browser.new_context(**look)
        self.shop = self.context.new_page()
        self._listen(self.shop)
        self.shop.goto(f"{set_up.shop}/lamp")
        self.frame: Frame = open_chat(self.shop)
        expect(self.frame.locator("[data-start] .msg-ai")).to_be_visible()

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self.problems.append(line.text) if "Security Policy" in line.text else None)

    def ask_for_a_person(self) -> None:
        self.frame.get_by_role("button", name="Talk to a human").click()
        expect(self.frame.locator("[data-attach]")).to_be_visible()

    def claim(self) -> None:
        self.agent.locator("a.q[data-row]").first.click()
        self.agent.locator('button[data-act="claim"]').click()
        expect(self.agent.locator('[data-mode="mine"]')).to_be_visible()

    def send(self, *chosen: dict[str, Any]) -> None:
        self.frame.locator("[data-file]").set_input_files(list(chosen))

    def answer(self, *chosen: dict[str, Any]) -> None:
        self.agent.locator("[data-convo] [data-file]").set_input_files(list(chosen))

    def close(self) -> None:
        self.agent.context.close()
        self.context.close()
        assert self.problems == []


@pytest.fixture
def both(set_up: Stage) -> Iterator[Both]:
    made = Both(set_up)
    yield made
    made.close()


def is_drawn(picture: Locator, size: tuple[int, int]) -> bool:
    """Whether the browser has decoded the picture, with this many points."""
    found = picture.evaluate("(node) => [node.complete, node.naturalWidth, node.naturalHeight]")
    return bool(found == [True, *size])


def test_a_visitor_sends_a_screenshot_and_the_agent_sees_it(both: Both) -> None:
    expect(both.frame.locator("[data-attach]")).to_be_hidden()  # the AI reads no files
    both.ask_for_a_person()
    both.send(SHOT)
    expect(both.frame.locator("[data-log] .msg-visitor .w-pic img")).to_be_visible()
    expect(both.frame.locator("[data-log] .msg-visitor .sent").last).to_have_text("Sent")
    expect(both.frame.locator("[data-tail] .msg-visitor")).to_have_count(0)
    both.claim()
    shown = both.agent.locator("[data-log] .file-pic img")
    expect(shown).to_have_attribute("alt", "checkout-error.png")
    until(both.agent, lambda: is_drawn(shown, (640, 400)))

    both.answer(TALL, PDF)
    theirs = both.frame.locator("[data-log] .msg-agent .w-pic img")
    expect(theirs).to_be_visible()
    until(both.shop, lambda: is_drawn(theirs, (390, 844)))
    assert (theirs.get_attribute("src") or "").startswith("blob:")
    both.frame.get_by_role("button", name="Open picture phone.jpg").click()
    expect(both.frame.locator("dialog.w-look img")).to_be_visible()
    both.shop.keyboard.press("Escape")
    expect(both.frame.locator("dialog.w-look")).to_have_count(0)
    expect(both.frame.locator("[data-field]")).to_be_visible()  # the picture was closed, not the chat
    with both.shop.expect_download() as saved:
        both.frame.get_by_role("button", name="Save invoice.pdf").click()
    assert saved.value.suggested_filename == "invoice.pdf"
    assert saved.value.path().read_bytes() == PDF["buffer"]
    with both.agent.expect_download() as kept:
        both.agent.locator("[data-log] a.file-doc").click()
    assert kept.value.path().read_bytes() == PDF["buffer"]


def test_after_a_reload_the_pictures_are_fetched_with_the_token(both: Both) -> None:
    both.ask_for_a_person()
    both.send(SHOT)
    expect(both.frame.locator("[data-log] .w-pic img")).to_be_visible()
    asked: list[str] = []
    both.shop.on("request", lambda request: asked.append(request.url))
    both.shop.reload()
    frame = stage.frame_of(both.shop)
    picture = frame.locator("[data-log] .w-pic img")
    expect(picture).to_be_visible()
    until(both.shop, lambda: is_drawn(picture, (640, 400)))
    token = both.shop.evaluate("Object.entries(localStorage).find(([key]) => key.endsWith(':token'))[1]")
    assert [url for url in asked if "/widget/attachment/" in url]
    assert not [url for url in asked if token in url]


def test_a_file_that_cannot_be_sent_says_why_and_goes(both: Both) -> None:
    both.ask_for_a_person()
    both.send(SVG)
    expect(both.frame.locator(".is-failed .sent-fail")).to_contain_text("only pictures (PNG, JPEG, WebP, GIF) and PDF")
    both.frame.get_by_role("button", name="Remove").click()
    expect(both.frame.locator(".is-failed")).to_have_count(0)
    both.send({"name": "cut.png", "mimeType": "image/png", "buffer": SHOT["buffer"][:90]})
    expect(both.frame.locator(".is-failed .sent-fail")).to_contain_text("it is damaged or protected")
    both.claim()
    both.answer(SVG)
    expect(both.agent.locator("[data-tail] .sent-fail")).to_contain_text("Only pictures")


def test_a_file_is_sent_again_when_the_line_was_lost(both: Both) -> None:
    both.ask_for_a_person()
    lost = 0

    def lose(route: Any) -> None:
        nonlocal lost
        lost += 1
        if lost == 1:
            route.abort()
        elif lost == 2:  # it arrives, and its receipt is lost
            address = urlsplit(route.request.url)  # only the browser itself knows *.localhost
            here = f"http://127.0.0.1:{address.port}{address.path}"
            assert route.fetch(url=here, headers={**route.request.headers, "host": address.netloc}).ok
            route.abort()
        else:
            route.continue_()

    both.context.route("**/widget/attachment", lose)
    both.send(SHOT)
    until(both.shop, lambda: lost >= 2, seconds=15)
    expect(both.frame.locator("[data-log] .w-pic img")).to_have_count(1, timeout=15_000)
    expect(both.frame.locator("[data-tail] .w-pic")).to_have_count(0)
    both.agent.locator("a.q[data-row]").first.click()
    expect(both.agent.locator("[data-log] .file-pic")).to_have_count(1)


PASTE = """(base64) => {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
  const field = document.querySelector('[data-field], [data-text]');
  field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def test_a_pasted_picture_is_sent(both: Both) -> None:
    picture = base64.b64encode(SHOT["buffer"]).decode()
    both.frame.evaluate(PASTE, picture)  # while the AI speaks: it says what it cannot do
    expect(both.frame.locator("[data-log] .msg-visitor .w-pic")).to_have_count(1)
    expect(both.frame.locator("[data-log] .msg-ai .body")).to_have_text("I can't read files. A person can.")
    both.frame.get_by_role("button", name="Ask a person").click()
    expect(both.frame.locator("[data-attach]")).to_be_visible()
    both.claim()
    both.agent.evaluate(PASTE, picture)
    expect(both.frame.locator("[data-log] .msg-agent .w-pic")).to_have_count(1)
    expect(both.agent.locator("[data-log] .file-pic")).to_have_count(2)


def test_files_are_accessible(both: Both) -> None:
    both.ask_for_a_person()
    both.send(SHOT, PDF)
    expect(both.frame.locator("[data-log] .w-file")).to_be_visible()
    both.claim()
    both.answer(PDF, TALL)
    expect(both.frame.locator("[data-log] .msg-agent .w-pic img")).to_be_visible()
    both.send(SVG)
    expect(both.frame.locator(".is-failed")).to_be_visible()
    expect(both.agent.locator("[data-log] .file-pic")).to_have_count(2)
    for look in stage.looks(both.shop, both.agent):
        keep(both.shop, f"visitor-{look}")
        keep(both.agent, f"agent-{look}")
        check(both.frame)
        check(both.agent)
    both.frame.get_by_role("button", name="Open picture phone.jpg").click()
    expect(both.frame.locator("dialog.w-look")).to_be_visible()
    for look in stage.looks(both.shop):
        keep(both.shop, f"look-{look}")
        check(both.frame)


def keep(page: Page, name: str) -> None:
    """A screenshot for people to look at; it must not be blank."""
    shot = page.screenshot(path=ROOT / ".artifacts" / f"attachments-{name}.png")
    with Image.open(io.BytesIO(shot)) as picture:
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 50


def check(page: Page | Frame) -> None:
    found = Axe().run(page).response["violations"]  # type: ignore[arg-type]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
