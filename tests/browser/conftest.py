"""The real product and a real browser, once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser import plugin
from tests.browser.people import Agent, Visitor, agent, visitor
from tests.browser.product import Product, await_ready, launch


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Not longer than this folder's tests: while playwright's loop runs, nobody else may use the ORM here.
    with sync_playwright() as playwright:
        try:
            launched = launch(playwright)
        except Error as error:
            pytest.skip(f"no browser on this machine; `make test` brings one: {error.message.splitlines()[0]}")
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def product(browser: Browser) -> Iterator[Product]:
    started = plugin.found()
    await_ready(started)
    yield started
    assert started.is_alive, "the product ended by itself"
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
