"""axe finds nothing on the main pages of the running product, on a desktop and on a phone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.people import DESKTOP, PHONE, agent
from tests.browser.product import Product

pytestmark = pytest.mark.browser


def violations(page: object) -> list[tuple[str, str]]:
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_public_pages(product: Product, browser: Browser, viewport: dict[str, int]) -> None:
    context = browser.new_context(viewport=viewport)
    page = context.new_page()
    found = {}
    for path in ("/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
        page.goto(product.public + path)
        found[path] = violations(page)
    context.close()
    assert not any(found.values()), found


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_tenants_pages(product: Product, browser: Browser, viewport: dict[str, int]) -> None:
    ana = agent(product, browser, "owner", viewport=viewport)
    found = {}
    for path in ("/live/", "/insights/", "/setup/"):
        ana.page.goto(product.tenant + path)
        found[path] = violations(ana.page)
    ana.page.context.close()
    assert not any(found.values()), found
    assert ana.problems == []
