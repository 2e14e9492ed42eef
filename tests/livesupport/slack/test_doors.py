"""Slack's ways in: only what Slack signed is heard, it is kept once, and answered at once."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.test import Client

from livesupport.slack import signature
from livesupport.slack.inbound import from_event, from_press
from tenants.models import ExternalEvent
from tests.cast import browser
from tests.conftest import Tenants
from tests.fakes.slack_server import FakeSlack
from tests.livesupport.slack.conftest import Desk, hear, signed

VECTORS = [
    json.loads(line)
    for line in Path(project_settings.BASE_DIR, "tests/data/security/slack_signatures.jsonl").read_text().splitlines()
]


def verdict(vector: dict[str, Any], secret: str) -> bool:
    return signature.is_genuine(
        secret,
        timestamp=vector["headers"].get("X-Slack-Request-Timestamp", ""),
        signature=vector["headers"].get("X-Slack-Signature", ""),
        body=vector["body"].encode(),
        now=vector["now"],
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['id']} {vector['name']}")
def test_a_signature_is_judged_right(vector: dict[str, Any]) -> None:
    assert verdict(vector, vector["secret"]) is vector["signature_valid"]
    assert not verdict(vector, "")


def test_the_vectors_are_there() -> None:
    assert len(VECTORS) >= 40
    assert sum(vector["signature_valid"] for vector in VECTORS) >= 18


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['id']} {vector['name']}")
def test_the_door_answers_each_call_as_it_should(
    vector: dict[str, Any], clean: Tenants, slack: FakeSlack, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SLACK_SIGNING_SECRET = vector["secret"]
    monkeypatch.setattr(time, "time", lambda: float(vector["now"]))
    response = browser("localhost:8000").post(
        "/slack/events", vector["body"].encode(), content_type="application/json", headers=vector["headers"]
    )
    readable = vector["body"].startswith("{") and vector["body"] != "{"
    expected = 401 if not vector["signature_valid"] else 200 if readable else 400
    assert response.status_code == expected
    if expected != 200:
        assert not ExternalEvent.objects.exists()
    if "url_verification" in vector["name"]:
        assert response.headers["Content-Type"].startswith("text/plain")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert 0 < len(response.content) <= 200


def test_without_a_secret_there_is_no_door(clean: Tenants, slack: FakeSlack, settings: Any) -> None:
    body = slack.event(slack.say("C0SUPPORT", "Hi", thread_ts="1.1"))
    assert signed(body).status_code == 200
    settings.SLACK_SIGNING_SECRET = ""
    for path in ("slack/events", "slack/interactivity"):
        assert signed(body, path=path).status_code == 404
    assert ExternalEvent.objects.count() == 1


def test_a_tenants_host_has_no_such_door(clean: Tenants, slack: FakeSlack) -> None:
    assert Client(HTTP_HOST=clean.a.http_host).post("/slack/events").status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"\xff\xfe", b'{"type":', b"[" * 100_000],
    ids=["empty", "list", "null", "bytes", "cut", "deep"],
)
@pytest.mark.parametrize("path", ["slack/events", "slack/interactivity"])
def test_nonsense_that_slack_signed_is_refused_politely(
    body: bytes, path: str, clean: Tenants, slack: FakeSlack
) -> None:
    assert signed(body, path=path).status_code == 400
    assert not ExternalEvent.objects.exists()


def test_a_hostile_challenge_comes_back_as_inert_text(clean: Tenants, slack: FakeSlack) -> None:
    body = {"type": "url_verification", "challenge": "<script>alert(1)</script>\ud800" + "x" * 2**20}
    response = signed(json.dumps(body).encode())
    assert response.status_code == 200
    assert len(response.content) <= 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_text_that_a_database_cannot_hold_is_kept_without_it(desk: Desk) -> None:
    desk.reply("zero\x00 and \ud800 half")
    assert desk.texts() == ["zero and  half"]


def test_an_unknown_channel_is_kept_with_its_reason_and_never_guessed(desk: Desk) -> None:
    body = desk.fake.event(desk.fake.say("C0OTHER", "Hi", thread_ts=desk.thread.ts), "C0OTHER")
    assert hear(body).status_code == 200
    event = ExternalEvent.objects.get()
    assert (event.handled_at is not None, event.body["text"]) == (True, "Hi")
    assert "No chatbot answers" in event.error
    assert (desk.owner, desk.texts()) == ("queue", [])


EVENT = {
    "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev1",
    "event": {"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "2.0", "thread_ts": "1.0"},
}  # fmt: skip


def test_an_event_is_reduced_to_what_concerns_us() -> None:
    found = from_event({**EVENT, "token": "x", "authorizations": [{"user_id": "U9"}]})
    assert found is not None
    assert found[0] == "Ev1"
    assert asdict(found[1]) == {
        "what": "said", "app": "A1", "team": "T1", "channel": "C1", "thread": "1.0", "ts": "2.0", "user": "U1",
        "text": "hi",
    }  # fmt: skip


@pytest.mark.parametrize("missing", ["type", "team_id", "api_app_id", "event_id", "event"])
def test_an_event_without_its_envelope_is_nothing(missing: str) -> None:
    assert from_event({name: value for name, value in EVENT.items() if name != missing}) is None


@pytest.mark.parametrize("value", [None, 7, {}, [], "x" * 500, "\x00", "ü"])
@pytest.mark.parametrize("name", ["channel", "user", "ts", "thread_ts"])
def test_ids_that_are_none_are_nothing(name: str, value: object) -> None:
    assert from_event({**EVENT, "event": {**EVENT["event"], name: value}}) is None


@pytest.mark.parametrize("body", [{}, {"type": "block_actions"}, {"type": "block_actions", "actions": [None]},
                                  {"type": "block_actions", "actions": {}, "team": [], "user": "U1"}])  # fmt: skip
def test_a_press_without_its_parts_is_nothing(body: dict[str, Any]) -> None:
    assert from_press(body) is None


def test_each_press_has_an_id_of_its_own() -> None:
    fake = FakeSlack()
    first, second = fake.press("claim", "1.0"), fake.press("claim", "1.0")
    fake._server.server_close()
    assert from_press(first)[0] == from_press(first)[0]
    assert from_press(first)[0] != from_press(second)[0]
