"""Slack in the running product: connected in a browser, then rehearsed through signed calls to the public host."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.people import DESKTOP, PHONE, agent
from tests.browser.product import ARTIFACTS, Product
from tests.browser.test_accessibility import violations

pytestmark = pytest.mark.browser
STEPS = ["content_ready", "answer_started", "in_queue", "claimed_seen", "reply_seen", "resolved"]


def test_an_owner_connects_slack_and_rehearses_through_it(product: Product, browser: Browser) -> None:
    ana = agent(product, browser, "owner", viewport=DESKTOP)
    page = ana.page
    page.goto(f"{product.tenant}/live/slack/?project=shop")
    found = {"before": violations(page)}
    page.get_by_role("link", name="Connect Slack").click()
    expect(page.get_by_role("status").first).to_contain_text("Now choose the channel")
    found["choosing"] = violations(page)
    page.get_by_label("Channel", exact=True).select_option("C0SUPPORT")
    page.get_by_role("button", name="Use this channel").click()
    expect(page.get_by_role("button", name="Send a test message")).to_be_visible()
    found["connected"] = violations(page)
    ana.picture("slack-connected")
    page.set_viewport_size(PHONE)
    found["on a phone"] = violations(page)
    page.emulate_media(color_scheme="dark")
    ana.picture("slack-connected-phone-dark")
    page.context.close()
    assert not any(found.values()), found
    assert ana.problems == []

    done = product.manage("rehearse", "--json", "--via", "slack")
    assert done.returncode == 0, done.stdout + done.stderr
    (ARTIFACTS / "rehearsal-slack.json").write_text(done.stdout)
    told = json.loads(done.stdout)
    assert [step["name"] for step in told["steps"]] == STEPS
    assert told["ok"] is True
    assert all(step["ms"] is not None for step in told["steps"])
