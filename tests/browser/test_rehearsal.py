"""`manage.py rehearse` against the running product: the test escalation that every customer should run."""

from __future__ import annotations

import json

import pytest

from tests.browser.product import Product

pytestmark = pytest.mark.browser
STEPS = ["content_ready", "answer_started", "in_queue", "claimed_seen", "reply_seen", "resolved"]


def test_a_rehearsal_succeeds_step_by_step(product: Product) -> None:
    done = product.manage("rehearse", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert [step["name"] for step in told["steps"]] == STEPS
    assert all(step["ok"] for step in told["steps"]), told
    took = {step["name"]: step["ms"] for step in told["steps"]}
    assert took["in_queue"] < 2_000, told


def test_a_rehearsal_of_nothing_fails(product: Product) -> None:
    for wrong in (["--project", "nothing"], ["--host", "nobody.localhost"]):
        done = product.manage("rehearse", "--json", *wrong)
        assert done.returncode != 0
