"""The real product and a real browser, started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser.people import Agent, Visitor, agent, visitor
from tests.browser.product import Product, launch, running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            launched = launch(playwright)
        except Error as error:
            pytest.skip(f"no browser on this machine; `make test` brings one: {error.message.splitlines()[0]}")
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def product(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """After the browser, so that a machine without one does not start the product for nothing."""
    with running(tmp_path_factory.mktemp("product") / "data") as started:
        yield started
        assert started.process.poll() is None, "the product ended by itself"
        assert started.errors() == []


@pytest.fixture
def vera(product: Product, browser: Browser) -> Iterator[Visitor]:
    somebody = visitor(product, browser)
    yield somebody
    somebody.page.context.close()
    assert somebody.problems == []


@pytest.fixture
def tom(product: Product, browser: Browser) -> Iterator[Agent]:
    somebody = agent(product, browser)
    yield somebody
    somebody.page.context.close()
    assert somebody.problems == []
