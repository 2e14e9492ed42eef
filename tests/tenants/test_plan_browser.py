"""The price page's script says what the server says; the plan's pages and the checklist's button, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from celery import current_app
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from tests.browser.product import browsing
from tests.cast import Cast, Person
from tests.chat.widget_stage import looks
from tests.insights.test_setup_rehearsal import add_page
from tests.web import working

pytestmark = pytest.mark.browser
READERS = [(2000, 8000, 700, 75), (1, 0, 1, 0), (12345, 6789, 43, 67), (2001, 8000, 700, 100), (1400, 8000, 700, 50)]
NAMES = ("tickets", "cost", "per_agent", "share")
FIGURES = """() => Object.fromEntries([
    ...[...document.querySelectorAll('[data-out]')].map((e, n) => [`${n} ${e.dataset.out}`, e.textContent]),
    ...[...document.querySelectorAll('[data-bar]')].map((e) => [e.dataset.bar, e.getAttribute('width')]),
    ['over', document.querySelector('[data-over]').hidden]])"""


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browsing() as launched:
        yield launched


def sign_in(page: Page, cast: Cast, person: Person) -> None:
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": person.session_key, "domain": cast.host, "path": "/"}])


def complaints(page: Page) -> list[str]:
    return [f"{each['id']}: {each['nodes'][0]['target']}" for each in Axe().run(page).response["violations"]]


def test_the_script_computes_what_the_server_computes(web_port: int, chromium: Browser) -> None:
    with_script = chromium.new_page()
    without = chromium.new_context(java_script_enabled=False).new_page()
    with_script.goto(f"http://localhost:{web_port}/pricing/")
    expect(with_script.get_by_role("button", name="Compute")).to_be_hidden()
    for numbers in READERS:
        for name, number in zip(NAMES, numbers, strict=True):
            with_script.fill(f"[name={name}]", str(number))
        without.goto(f"http://localhost:{web_port}/pricing/")
        for name, number in zip(NAMES, numbers, strict=True):
            without.fill(f"[name={name}]", str(number))
        without.get_by_role("button", name="Compute").click()
        typed, served = with_script.evaluate(FIGURES), without.evaluate(FIGURES)
        assert typed == served
        assert with_script.url == without.url.partition("#")[0]


def test_a_number_that_makes_no_sense_is_told_and_changes_no_figure(web_port: int, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"http://localhost:{web_port}/pricing/")
    before = page.evaluate(FIGURES)
    page.fill("[name=share]", "101")
    page.locator("[name=share]").blur()
    expect(page.get_by_text("A whole number from 0 to 100.")).to_be_visible()
    assert page.evaluate(FIGURES) == before
    page.fill("[name=share]", "60")
    expect(page.get_by_text("A whole number from 0 to 100.")).to_be_hidden()
    assert page.evaluate(FIGURES) != before


def test_the_pages_are_fit_for_everybody(fresh_tenant: Cast, web_port: int, chromium: Browser) -> None:
    page = chromium.new_page()
    sign_in(page, fresh_tenant, fresh_tenant.owner)
    home = f"http://{fresh_tenant.host}:{web_port}"
    paths = ("/plan/", "/plan/cancel/", "/plan/start/", "/setup/?open=test")
    for address in (f"http://localhost:{web_port}/pricing/", *(home + path for path in paths)):
        page.goto(address)
        for look in looks(page):
            assert complaints(page) == [], (address, look)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (address, look)


def test_the_button_shows_each_hop_until_the_last(
    fresh_tenant: Cast, web_port: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    current_app.control.purge()
    fresh_tenant.run(add_page, fresh_tenant.project_id)
    with working(tmp_path, web_port):
        page = request.getfixturevalue("chromium").new_page()
        sign_in(page, fresh_tenant, fresh_tenant.owner)
        page.goto(f"http://{fresh_tenant.host}:{web_port}/setup/?open=test")
        expect(page.locator("[data-run-steps]")).to_be_hidden()
        page.get_by_role("button", name="Run the test escalation").click()
        expect(page.get_by_text("Running against this server")).to_be_visible()
        expect(page.get_by_text("Every step happened. You can go live.")).to_be_visible(timeout=60_000)
        assert page.locator("[data-hop][data-state=ok]").count() == 6
        page.reload()
        assert page.locator("[data-hop][data-state=ok]").count() == 6
        expect(page.get_by_role("button", name="Run the test escalation again")).to_be_visible()
