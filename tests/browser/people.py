"""The people of the browser tests: a visitor on the shop's page, an agent at the desk. Any error on their consoles
is kept, and fails the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Locator, Page, Response, expect

from tests.browser.product import ARTIFACTS, Product

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
EMAIL = {"owner": "ana@acme.example", "agent": "tom@acme.example"}


@dataclass
class Somebody:
    """A page with everything that went wrong on it."""

    product: Product
    page: Page
    problems: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._console)

    def _console(self, line: ConsoleMessage) -> None:
        if line.type == "error":
            self.problems.append(f"{line.text} ({line.location.get('url', '')})")

    def picture(self, name: str) -> None:
        """Keep a screenshot for people to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")


def _is_session(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/widget/session")


class Visitor(Somebody):
    """Somebody on the shop's page, with the widget. `conversation` is known once the chat was opened."""

    conversation = ""

    @property
    def chat(self) -> FrameLocator:
        return self.page.frame_locator("iframe[src*='/widget/frame']")

    @property
    def log(self) -> Locator:
        return self.chat.locator("[data-log]")

    def open(self) -> None:
        with self.page.expect_response(_is_session) as opened:
            self.page.locator("[data-builtabot] .launcher").click()
        self.conversation = opened.value.json()["conversation"]
        expect(self.chat.locator("[data-field]")).to_be_visible()

    def say(self, text: str) -> None:
        field_ = self.chat.locator("[data-field]")
        field_.fill(text)
        field_.press("Enter")

    def answers(self) -> Locator:
        return self.chat.locator("[data-log] .msg-ai")


class Agent(Somebody):
    """Somebody of the business, at the dashboard."""

    def row(self, visitor: Visitor) -> Locator:
        """The visitor's row in the list."""
        return self.page.locator(f'[data-list] a.q[data-row="{visitor.conversation}"]')

    def claim(self, visitor: Visitor) -> None:
        """Open the visitor's conversation and take it."""
        self.row(visitor).click()
        expect(self.page.locator(f'[data-conversation="{visitor.conversation}"]')).to_be_visible()
        self.page.locator('[data-act="claim"]').click()
        expect(self.page.locator('[data-mode="mine"]')).to_be_visible()

    def sign_in(self, role: str) -> None:
        """From the public host's sign-in to the desk."""
        self.page.goto(f"{self.product.public}/accounts/login/")
        self.page.get_by_label("E-mail").fill(EMAIL[role])
        self.page.get_by_label("Password", exact=True).fill(self.product.password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.product.tenant}/**")
        self.page.goto(f"{self.product.tenant}/live/")
        expect(self.page.locator("[data-list]")).to_be_attached()
        expect(self.page.locator("[data-offline]")).to_be_hidden()

    def reply(self, text: str) -> None:
        self.page.locator("[data-text]").fill(text)
        self.page.locator("[data-text]").press("Enter")


def visitor(product: Product, browser: Browser, path: str = "/", **options: Any) -> Visitor:
    """A new person on the shop's page."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
    somebody = Visitor(product, context.new_page())
    somebody.watch()
    somebody.page.goto(product.shop + path)
    return somebody


def agent(product: Product, browser: Browser, role: str = "agent", **options: Any) -> Agent:
    """A new person, signed in, with the dashboard open."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options})
    somebody = Agent(product, context.new_page())
    somebody.watch()
    somebody.sign_in(role)
    return somebody
