"""What one visitor and one address may make us do in a minute, and what becomes of the rest."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as product
from django.test import Client

from chat import limits
from chat.models import Message
from tenants.schema import hop
from tests.cast import Cast
from tests.chat.test_sockets import visitor
from tests.conftest import Tenants

ADDRESSES = [
    (True, "6.6.6.6, 192.0.2.7", "10.0.0.1", "192.0.2.7"),
    (True, "", "10.0.0.1", "10.0.0.1"),
    (False, "6.6.6.6", "192.0.2.7", "192.0.2.7"),
    (False, "", "2001:db8:1:2:aaaa::1", "2001:0db8:0001:0002"),
    (False, "", "2001:db8:1:2:bbbb::9", "2001:0db8:0001:0002"),
    (False, "", "::ffff:192.0.2.7", "192.0.2.7"),
    (True, "192.0.2.7:5678", "10.0.0.1", "192.0.2.7"),
    (True, "[2001:db8:1:2::9]:443", "10.0.0.1", "2001:0db8:0001:0002"),
    (False, "", "", ""),
]


@pytest.mark.parametrize(("trusts", "forwarded", "peer", "address"), ADDRESSES)
def test_the_proxys_word_counts_where_there_is_one(
    trusts: bool, forwarded: str, peer: str, address: str, settings: Any
) -> None:
    settings.TRUST_PROXY = trusts
    assert limits.whose(forwarded, peer) == address


def test_a_bucket_holds_a_minutes_worth_and_fills_evenly() -> None:
    now = [0.0]
    buckets = limits.OwnBuckets(lambda: now[0])
    assert [buckets.take("a", 6) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 10]
    assert buckets.take("b", 6) == 0
    now[0] = 9
    assert buckets.take("a", 6) == pytest.approx(1)
    now[0] = 10.001
    assert [buckets.take("a", 6) > 0 for _ in range(2)] == [False, True]


def test_all_processes_count_together() -> None:
    key, url = uuid4().hex, product.CHANNEL_URL
    waits = [limits.SharedBuckets(url).take(key, 3) for _ in range(4)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3] == pytest.approx(20, abs=1)


def test_without_the_server_each_process_counts_by_itself_and_nobody_waits_for_it() -> None:
    buckets = limits.SharedBuckets("unix:///nowhere/at/all.sock")
    began = time.monotonic()
    assert [buckets.take("a", 3) > 0 for _ in range(4)] == [False, False, False, True]
    assert time.monotonic() - began < 1


def texts_of(cast: Cast) -> list[str]:
    rows = Message.objects.filter(conversation=cast.thread.conversation_id, kind="text", sender="visitor")
    return [row.text for row in rows.order_by("seq")]


async def test_a_text_too_many_is_refused_for_now_and_what_follows_does_not_overtake_it(
    fresh_tenant: Cast, settings: Any
) -> None:
    settings.VISITOR_TEXTS_PER_MINUTE = 2
    ids = [str(uuid4()) for _ in range(4)]
    before = await hop(fresh_tenant.schema, texts_of, fresh_tenant)
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as wire:
        for number, client_id in enumerate(ids):
            if number == 3:
                settings.VISITOR_TEXTS_PER_MINUTE = 100  # there is room again, and it is still not its turn
            await wire.say(type="message.send", client_id=client_id, text=f"text {number}")
            if number == 2:
                refused = await wire.hear("error")
        assert await wire.closed() == 1013
    assert (refused["code"], refused["retryable"], refused["client_id"]) == ("too_fast", True, ids[2])
    assert 1 <= refused["retry_after"] <= 30
    assert (await hop(fresh_tenant.schema, texts_of, fresh_tenant))[len(before) :] == ["text 0", "text 1"]
    settings.VISITOR_TEXTS_PER_MINUTE = 6000
    await asyncio.sleep(0.05)
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as wire:
        for number in (2, 3):
            await wire.say(type="message.send", client_id=ids[number], text=f"text {number}")
            await wire.hear(lambda frame, number=number: frame.get("client_id") == ids[number])
    assert (await hop(fresh_tenant.schema, texts_of, fresh_tenant))[len(before) :] == [f"text {n}" for n in range(4)]


async def test_what_merely_passes_is_dropped_beyond_its_limit_and_the_socket_stays(
    fresh_tenant: Cast, settings: Any
) -> None:
    settings.VISITOR_FRAMES_PER_MINUTE = 2
    async with visitor(fresh_tenant, token=fresh_tenant.thread.token) as wire:
        for _ in range(3):
            await wire.say(type="typing.set", on=True)
        refused = await wire.hear("error")
        assert refused["code"] == "too_fast"
        assert "client_id" not in refused
        client_id = str(uuid4())
        await wire.say(type="message.send", client_id=client_id, text="still here")
        assert (await wire.hear("ack"))["client_id"] == client_id


def test_an_address_makes_so_many_visitors_and_its_known_ones_come_back(tenants: Tenants, settings: Any) -> None:
    settings.ADDRESS_SESSIONS_PER_MINUTE = 2
    page = {"HTTP_HOST": tenants.a.http_host, "REMOTE_ADDR": "192.0.2.77", "content_type": "application/json"}
    body = {"project": tenants.a.project_key}
    answers = [Client().post("/widget/session", body, **page) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "too_fast"
    assert int(answers[2]["Retry-After"]) == 30
    again = Client().post("/widget/session", {**body, "token": answers[0].json()["token"]}, **page)
    assert again.json()["visitor"] == answers[0].json()["visitor"]
    assert Client().post("/widget/session", {**body, "token": "made up"}, **page).status_code == 429
    elsewhere = Client().post("/widget/session", body, **{**page, "HTTP_HOST": tenants.b.http_host})
    assert elsewhere.status_code == 200
