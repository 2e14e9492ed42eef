"""`make screenshots`: the README's two pictures, taken from the running product."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.people import agent, visitor
from tests.browser.product import ROOT, Product, browsing, running

PICTURES = ROOT / "docs" / "img"


def take(product: Product, browser: Browser) -> None:
    """A visitor with an answer; then the same conversation at the desk, with a person."""
    tom = agent(product, browser, device_scale_factor=1.5)
    vera = visitor(product, browser, device_scale_factor=1.5)
    vera.open()
    vera.say("How long do I have to return a lamp?")
    expect(vera.answers().first.locator("a").first).to_be_visible(timeout=20_000)
    vera.page.wait_for_timeout(600)
    vera.page.screenshot(path=PICTURES / "widget.png")
    vera.say("Mine arrived with a cracked shade. Can I talk to a human?")
    expect(tom.row(vera)).to_be_visible()
    tom.claim(vera)
    tom.reply("I am sorry about the shade. Which colour was it? I can send a new one today.")
    vera.say("The amber one, thank you!")
    expect(tom.page.locator("[data-log]")).to_contain_text("The amber one")
    tom.page.wait_for_timeout(800)
    tom.page.screenshot(path=PICTURES / "dashboard.png")


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="builtabot-shots-") as folder,
        running(Path(folder) / "data") as product,
        browsing() as browser,
    ):
        take(product, browser)


if __name__ == "__main__":
    main()
