"""The visitor's side over plain HTTP: what docs/protocol.md says of a socket holds here too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError

from chat import actions, polling, sockets
from tenants import push
from tenants.schema import hop
from tests.cast import Cast
from tests.chat.test_sockets import desk
from tests.polls import POLL, SEND, Request, Tab


@pytest.fixture
async def cast(fresh_tenant: Cast) -> AsyncIterator[Cast]:
    yield fresh_tenant
    for link in list(polling.links._links.values()):
        link.end()
    await asyncio.sleep(0.05)


async def tab_of(cast: Cast, token: str = "") -> Tab:
    """A tab that has said hello and was told the log."""
    if not token:
        token = (await hop(cast.schema, actions.open_session, project=cast.project_key, token=None)).token
    tab = Tab(cast, token)
    await tab.poll_until("state")
    return tab


async def no_links() -> None:
    async with asyncio.timeout(5):
        while len(polling.links):
            await asyncio.sleep(0.02)


def conversation_of(tab: Tab) -> dict[str, Any]:
    return {"conversation_id": polling._conversation_of(tab.token)}


async def test_the_first_poll_says_hello_and_tells_the_log_and_the_state(cast: Cast) -> None:
    tab = Tab(cast, cast.thread.token)
    told: list[dict[str, Any]] = []
    while not told or told[-1]["type"] != "state":
        told += await tab.poll()
    kinds = [frame["type"] for frame in told]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("hello", "state", {"message"})
    assert tab.seq == told[-2]["seq"]


async def test_a_message_is_acknowledged_once_and_comes_by_the_other_request(cast: Cast) -> None:
    tab = await tab_of(cast)
    held = await tab.hold()
    assert await held.nothing()
    client_id = str(uuid4())
    first, again = await tab.says("Where is my order?", client_id), await tab.says("Where is my order?", client_id)
    assert first == again
    assert (first["type"], first["seq"]) == ("ack", 1)
    shown = [frame for frame in tab.take(await held.answer()) if frame["type"] == "message"]
    assert [(frame["seq"], frame["prev"], frame["client_id"]) for frame in shown] == [(1, 0, client_id)]


async def test_what_was_in_a_lost_answer_is_told_again(cast: Cast) -> None:
    tab = await tab_of(cast)
    await tab.says("one")
    await (await tab.hold()).answer()  # the line broke before it arrived: the cursor stays
    await tab.says("two")
    async with asyncio.timeout(10):
        while len(tab.log) < 2:
            await tab.poll()
    assert tab.log == ["one", "two"]


async def test_a_request_that_was_given_up_takes_nothing_with_it(cast: Cast) -> None:
    tab = await tab_of(cast)
    held = await tab.hold()
    assert await held.nothing(0.1)
    await held.give_up()
    await tab.says("still there?")
    assert (await tab.poll_until("message"))["text"] == "still there?"


async def test_a_newer_request_of_the_same_tab_gets_the_news(cast: Cast) -> None:
    tab = await tab_of(cast)
    older = await tab.hold()
    assert await older.nothing(0.1)
    newer = await tab.hold()
    assert (await older.answer()).json["frames"] == []
    await tab.says("for the newer")
    assert [frame["text"] for frame in tab.take(await newer.answer()) if frame["type"] == "message"] == [
        "for the newer"
    ]


async def test_from_the_request_to_the_reply_nothing_is_different(cast: Cast) -> None:
    async with desk(cast) as agent:
        tab = await tab_of(cast)
        given = await hop(cast.schema, conversation_of, tab)
        assert (await tab.says("I want to talk to a human"))["type"] == "ack"
        assert (await tab.poll_until("message", event="handed_over"))["data"].keys() == {"promise", "trigger"}
        await agent.say(type="resume", conversation=given["conversation_id"], seq=0)
        await agent.hear("message")
        await hop(cast.schema, lambda: actions.claim_conversation(seat=cast.agent.seat, **given))
        assert (await tab.poll_until("message", event="joined"))["data"]["name"] == cast.agent.name
        await tab.send({"type": "typing.set", "on": True})
        assert (await agent.hear("typing"))["who"] == "visitor"
        await agent.say(type="typing.set", conversation=given["conversation_id"], on=True)
        assert (await tab.poll_until("typing"))["name"] == cast.agent.name
        await tab.send({"type": "seen.set", "seq": tab.seq})
        assert (await tab.poll_until("state"))["seen"]["visitor"] == tab.seq


async def test_a_lost_nudge_is_healed_by_the_re_read(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "REREAD_SECONDS", 0.3)
    tab = await tab_of(cast)
    monkeypatch.setattr(push, "send", lambda group, message: None)
    await tab.says("nobody was told")
    assert (await tab.poll_until("message"))["text"] == "nobody was told"


async def test_a_hold_ends_with_nothing_and_the_tab_counts_as_gone_when_it_stays_away(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "HOLD_SECONDS", 0.2)
    monkeypatch.setattr(polling, "LINGER_SECONDS", 0.2)
    async with desk(cast) as agent:
        tab = await tab_of(cast, cast.thread.token)  # somebody who has written: others no seat sees
        assert (await agent.hear("presence"))["state"] == "here"
        assert await tab.poll() == []
        assert (await agent.hear("presence"))["state"] == "left"
        await no_links()
        assert (await tab.poll())[0]["type"] == "hello"  # and may come back


async def test_held_requests_keep_no_thread(cast: Cast) -> None:
    tab = await tab_of(cast)
    await asyncio.gather(*(tab.send({"type": "page.view", "url": "https://shop.example/"}) for _ in range(8)))
    before = threading.active_count()
    tabs = [Tab(cast, tab.token) for _ in range(polling.MOST_PER_VISITOR - 1)]
    for one in tabs:
        await one.poll_until("state")
    held = [await one.hold() for one in tabs]
    assert all([await one.nothing(0.05) for one in held])
    assert threading.active_count() <= max(before, 9)  # the pool of hops, and us
    for one in held:
        await one.give_up()


async def test_after_a_database_error_nothing_overtakes_what_met_it(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await tab_of(cast)
    said = [{"type": "message.send", "client_id": str(uuid4()), "text": text} for text in ("one", "two")]

    def fails(**given: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(actions, "post_as_visitor", fails)
        asked = await Request(SEND, cast.http_host, {"frames": said}, token=tab.token).begin()
        answer = await asked.answer()
    told = [(frame["code"], frame["client_id"]) for frame in answer.json["frames"]]
    assert (told, answer.json["closed"]) == ([("unavailable", said[0]["client_id"])], 1012)
    again = await tab.send(*said)
    assert [frame["seq"] for frame in again] == [1, 2]


async def test_there_are_only_so_many(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = await tab_of(cast)
    monkeypatch.setattr(polling, "MOST_LINKS", len(polling.links))
    stranger = Tab(cast, cast.thread.token)
    refused = await (await stranger.hold()).answer()
    assert (refused.status, refused.json["code"]) == (503, "unavailable")
    monkeypatch.setattr(polling, "MOST_PER_VISITOR", 1)
    held = await mine.hold()
    assert await held.nothing(0.1)
    again = await tab_of(cast, mine.token)  # one's own oldest gives way
    assert (await held.answer()).json["closed"] == 1000
    assert (await again.says("here now"))["type"] == "ack"


async def test_a_tab_that_fetches_nothing_does_not_fill_the_memory(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    tab = await tab_of(cast)
    monkeypatch.setattr(polling, "MOST_WAITING", 20)
    group = push.conversation_group(cast.schema, (await hop(cast.schema, conversation_of, tab))["conversation_id"])
    frame = {"type": "delta", "text": "word"}
    for _ in range(30):
        await push.tell(group, {"type": "relay", "audience": "all", "frame": frame})
    await no_links()
    assert (await tab.poll())[0]["type"] == "hello"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (SEND, {"frames": [{"type": "typing.set", "on": True}]}, 401, "not_signed_in"),
        (SEND, b"{", 400, "bad_frame"),
        (SEND, {"frames": []}, 400, "bad_frame"),
        (SEND, {"frames": [{}] * 51}, 400, "bad_frame"),
        (SEND, {"frames": ["hello"]}, 400, "bad_frame"),
        (SEND, {"frames": [], "more": 1}, 400, "bad_frame"),
        (SEND, b" " * 131_073, 413, "too_large"),
        (POLL, {"link": "x", "hello": {"type": "hello", "v": 1}}, 400, "bad_frame"),
        (POLL, {"link": "0" * 36, "hello": {"type": "resume", "seq": 0}}, 400, "bad_frame"),
        (POLL, {"link": "0" * 36, "hello": {"type": "hello", "v": 1, "by": 1}}, 400, "bad_frame"),
        (POLL, {"hello": {"type": "hello", "v": 1}}, 400, "bad_frame"),
    ],
)
async def test_a_bad_request_is_refused_with_a_stable_code(
    cast: Cast, path: str, body: object, status: int, code: str
) -> None:
    answer = await (await Request(path, cast.http_host, body, token="nobody's").begin()).answer()
    assert (answer.status, answer.json["code"]) == (status, code)
    assert set(answer.json) == {"code", "sentence"}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(polling.links) == 0


@pytest.mark.parametrize("path", [POLL, SEND])
async def test_the_token_is_in_the_header_or_nowhere(cast: Cast, path: str) -> None:
    body = {"link": "0" * 36, "hello": {"type": "hello", "v": 1, "token": cast.thread.token}}
    answer = await (await Request(path, cast.http_host, body).begin()).answer()
    assert (answer.status, answer.json["code"]) == (401, "not_signed_in")


async def test_an_unknown_token_ends_the_link_as_it_ends_a_socket(cast: Cast) -> None:
    tab = Tab(cast, "nobody's")
    answer = await (await tab.hold()).answer()
    assert [frame["code"] for frame in answer.json["frames"]] == ["not_signed_in"]
    assert answer.json["closed"] == 4401


async def test_a_bad_command_is_an_error_and_the_next_one_is_obeyed(cast: Cast) -> None:
    tab = await tab_of(cast)
    good = {"type": "message.send", "client_id": str(uuid4()), "text": "good"}
    answers = await tab.send({"type": "nope"}, {"type": "hello", "v": 1, "token": "x"}, good)
    assert [one.get("code", one["type"]) for one in answers] == ["bad_frame", "bad_frame", "ack"]


@pytest.mark.parametrize("path", [POLL, SEND])
async def test_a_preflight_is_answered_and_other_methods_are_not(cast: Cast, path: str) -> None:
    preflight = await (await Request(path, cast.http_host, method="OPTIONS").begin()).answer()
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "access-control-allow-credentials" not in preflight.headers
    assert (await (await Request(path, cast.http_host, method="GET").begin()).answer()).status == 405


@pytest.mark.parametrize("host", ["nobody.localhost:8000", "localhost:8000", "127.0.0.1:8000"])
@pytest.mark.parametrize("path", [POLL, SEND])
async def test_no_other_host_has_it(cast: Cast, host: str, path: str) -> None:
    answer = await (await Request(path, host, {}, token=cast.thread.token).begin()).answer()
    assert (answer.status, answer.body) == (404, b"")
