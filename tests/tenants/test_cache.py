"""Signing in while the cache is away: no server error, and attempts are counted all the same."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.core.cache import caches

from tenants import cache as subject
from tests.cast import browser

AWAY = "unix:///nowhere/at/all.sock?db=1"


@pytest.fixture
def away(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": AWAY}}
    caches["default"].own.clear()


def test_attempts_to_sign_in_are_answered_and_limited_without_the_server(db: None, away: None) -> None:
    began = time.monotonic()
    answers = [
        browser("localhost:8000").post("/accounts/login/", {"login": "x@y.example", "password": "wrong"})
        for _ in range(12)
    ]
    codes = [answer.status_code for answer in answers]
    assert codes[0] == 200
    assert set(codes) <= {200, 429}
    told = answers[-1].content.decode()
    assert codes[-1] == 429 or "Too many" in told
    assert time.monotonic() - began < 20


def test_the_server_is_asked_again_after_a_while(away: None, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = caches["default"]
    mine.set("a", [1], 60)
    assert mine.get("a") == [1]
    assert mine.add("count", 1)
    assert mine.incr("count") == 2
    monkeypatch.setattr(subject.RedisCache, "get", lambda *_, **__: "from the server")
    assert mine.get("a") == [1]
    mine.alone_until = 0.0
    assert mine.get("a") == "from the server"
