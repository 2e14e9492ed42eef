"""The real product and a real browser, started once for all tests of this folder.

The product reads its whole help centre before it is ready, which takes longer than anything else here. So it
starts when collecting is done, the other tests run meanwhile, and these come last.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser.people import Agent, Visitor, agent, visitor
from tests.browser.product import Product, await_ready, launch, start, stop

HERE = Path(__file__).parent
_started: list[Product] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.is_relative_to(HERE))


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted = any(item.path.is_relative_to(HERE) for item in session.items)
    if wanted and not session.config.option.collectonly:
        _started.append(start(Path(tempfile.mkdtemp(prefix="builtabot-product-")) / "data"))


def pytest_sessionfinish() -> None:
    while _started:
        product = _started.pop()
        stop(product)
        shutil.rmtree(product.folder.parent, ignore_errors=True)


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
    started = _started[0]
    await_ready(started)
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
