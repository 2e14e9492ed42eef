"""Both sockets against docs/protocol.md, through the whole ASGI application and the real channel layer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.backends.db import SessionStore

from builtabot.asgi import application
from chat import actions, sockets
from chat.models import Conversation, Message
from tenants import push
from tenants.access import open_session
from tenants.schema import PUBLIC, hop
from tests.cast import Cast

Frame = dict[str, Any]


class Wire:
    """A test's end of one socket."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.communicator = communicator

    async def say(self, **frame: Any) -> None:
        await self.communicator.send_to(text_data=json.dumps(frame))

    async def hear(self, wanted: Callable[[Frame], bool] | str, seconds: float = 5) -> Frame:
        fits = wanted if callable(wanted) else lambda frame: frame["type"] == wanted
        async with asyncio.timeout(seconds):
            while True:
                frame = json.loads(await self.communicator.receive_from(timeout=seconds))
                if fits(frame):
                    return frame

    async def silent(self, unwanted: Callable[[Frame], bool], seconds: float = 0.4) -> bool:
        try:
            await self.hear(unwanted, seconds)
        except TimeoutError:
            return True
        return False

    async def closed(self) -> int:
        while True:
            output = await self.communicator.receive_output(timeout=5)
            if output["type"] == "websocket.close":
                return int(output["code"])


@asynccontextmanager
async def socket(cast: Cast, path: str, *, host: str = "", origin: str = "", cookie: str = "") -> AsyncIterator[Wire]:
    headers = [(b"host", (host or cast.http_host).encode()), (b"origin", (origin or cast.origin).encode())]
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    communicator = WebsocketCommunicator(application, path, headers=headers)
    connected, _ = await communicator.connect(timeout=5)
    if not connected:
        raise ConnectionRefusedError
    try:
        yield Wire(communicator)
    finally:
        await communicator.disconnect()


@asynccontextmanager
async def visitor(cast: Cast, token: str = "", seq: int = 0) -> AsyncIterator[Wire]:
    if not token:
        token = (await hop(cast.schema, actions.open_session, project=cast.project_key, token=None)).token
    async with socket(cast, "/ws/visitor/") as wire:
        await wire.say(type="hello", v=1, token=token, seq=seq)
        wire.conversation = (await wire.hear("hello"))["conversation"]  # type: ignore[attr-defined]
        await wire.hear("state")
        yield wire


@asynccontextmanager
async def desk(cast: Cast, user_id: int | None = None) -> AsyncIterator[Wire]:
    key = await hop("public", _session, cast, user_id or cast.agent.user_id)
    async with socket(cast, "/ws/desk/", cookie=f"sessionid={key}") as wire:
        await wire.say(type="hello", v=1)
        await wire.hear("hello")
        yield wire


def _session(cast: Cast, user_id: int) -> str:
    from tenants.models import User

    return open_session(user=User.objects.get(pk=user_id), tenant=cast.tenant, seconds=600)


async def test_an_unknown_host_and_the_public_host_are_refused_in_the_handshake(fresh_tenant: Cast) -> None:
    for host in ("nobody.localhost:8000", "localhost:8000", "127.0.0.1:8000"):
        with pytest.raises(ConnectionRefusedError):
            async with socket(fresh_tenant, "/ws/visitor/", host=host):
                pass


async def test_a_socket_without_a_hello_is_told_so_and_closed(
    fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HELLO_SECONDS", 0.2)
    async with socket(fresh_tenant, "/ws/visitor/") as wire:
        assert (await wire.hear("error"))["code"] == "hello_late"
        assert await wire.closed() == 4408


async def test_an_unknown_token_is_closed_with_4401_and_a_newer_version_comes_back_later(fresh_tenant: Cast) -> None:
    async with socket(fresh_tenant, "/ws/visitor/") as wire:
        await wire.say(type="hello", v=1, token="nobody's")
        assert (await wire.hear("error"))["code"] == "not_signed_in"
        assert await wire.closed() == 4401
    async with socket(fresh_tenant, "/ws/visitor/") as wire:
        await wire.say(type="hello", v=2, token="x")
        error = await wire.hear("error")
        assert (error["code"], error["retryable"]) == ("retry_later", True)


async def test_the_desk_wants_a_session_of_this_host_sent_from_this_hosts_page(
    fresh_tenants: Callable[[int], list[Cast]],
) -> None:
    mine, other = await asyncio.to_thread(fresh_tenants, 2)
    foreign = await hop("public", _session, other, other.owner.user_id)
    own = await hop("public", _session, mine, mine.owner.user_id)
    cases = [
        ("", mine.origin, "not_signed_in", 4401),
        (f"sessionid={foreign}", mine.origin, "not_signed_in", 4401),
        (f"sessionid={own}", "http://evil.example", "not_allowed", 4403),
        (f"sessionid={own}", other.origin, "not_allowed", 4403),
    ]
    for cookie, origin, code, close in cases:
        async with socket(mine, "/ws/desk/", cookie=cookie, origin=origin) as wire:
            await wire.say(type="hello", v=1)
            assert (await wire.hear("error"))["code"] == code
            assert await wire.closed() == close


@pytest.mark.parametrize(
    "raw",
    [
        " ", "null", "[]", "{}", "not json", '{"type": "nope"}', '{"type": "message.send"}',
        '{"type": "message.send", "client_id": "x", "text": "a"}',
        '{"type": "message.send", "client_id": "7b0a2d2e-8d3f-4a44-9c5c-1f1d1f4f0c11", "text": 5}',
        '{"type": "message.send", "client_id": "7b0a2d2e-8d3f-4a44-9c5c-1f1d1f4f0c11", "text": "a", "by": 1}',
        '{"type": "typing.set", "on": "yes"}', '{"type": "resume", "seq": -1}', '{"type": "resume", "seq": 1e9}',
        '{"type": "rating.submit", "client_id": "7b0a2d2e-8d3f-4a44-9c5c-1f1d1f4f0c11", "score": 6}',
        '{"type": "hello", "v": 1, "token": "again"}', '{"type": "leave", "conversation": "x"}',
        '{"type": "message.send", "client_id": "7b0a2d2e-8d3f-4a44-9c5c-1f1d1f4f0c11", "text": "\\ud800"',
        '"' + "a" * 70_000 + '"', "[" * 5_000,
    ],
)  # fmt: skip
async def test_a_bad_frame_is_an_error_with_a_code_and_the_socket_stays_open(fresh_tenant: Cast, raw: str) -> None:
    async with visitor(fresh_tenant) as wire:
        await wire.communicator.send_to(text_data=raw)
        error = await wire.hear("error")
        assert error["code"] == "bad_frame"
        await wire.say(type="message.send", client_id=str(uuid4()), text="still here")
        assert (await wire.hear("ack"))["seq"] == 1


async def test_a_message_is_acknowledged_once_and_shown_in_each_of_the_visitors_tabs(fresh_tenant: Cast) -> None:
    token = (await hop(fresh_tenant.schema, actions.open_session, project=fresh_tenant.project_key, token=None)).token
    async with visitor(fresh_tenant, token) as one, visitor(fresh_tenant, token) as two:
        client_id = str(uuid4())
        for _ in range(2):
            await one.say(type="message.send", client_id=client_id, text="Where is my order?")
            assert (await one.hear("ack"))["seq"] == 1
        shown = await two.hear("message")
        assert (shown["seq"], shown["prev"], shown["client_id"]) == (1, 0, client_id)
        assert await two.silent(lambda frame: frame["type"] == "message")


async def test_a_client_that_missed_entries_gets_exactly_those_with_resume(fresh_tenant: Cast) -> None:
    async with visitor(fresh_tenant) as wire:
        for number in range(4):
            await wire.say(type="message.send", client_id=str(uuid4()), text=f"line {number}")
        for _ in range(4):
            await wire.hear("message")
        await wire.say(type="resume", seq=2)
        assert [(await wire.hear("message"))["seq"] for _ in range(2)] == [3, 4]
        assert await wire.silent(lambda frame: frame["type"] == "message")


async def test_a_lost_nudge_is_healed_by_the_re_read(fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "REREAD_SECONDS", 0.3)
    async with visitor(fresh_tenant) as wire:
        monkeypatch.setattr(push, "send", lambda group, message: None)
        drafts = [actions.Draft("said elsewhere", uuid4())]
        given = {"conversation_id": wire.conversation, "author": actions.VISITOR, "drafts": drafts}  # type: ignore[attr-defined]
        await hop(fresh_tenant.schema, actions.post_messages, **given)
        assert (await wire.hear("message"))["text"] == "said elsewhere"


async def test_from_the_request_to_the_reply_both_sides_see_each_other(fresh_tenant: Cast) -> None:
    async with desk(fresh_tenant) as agent, visitor(fresh_tenant) as wire:
        conversation = wire.conversation  # type: ignore[attr-defined]
        await wire.say(type="message.send", client_id=str(uuid4()), text="I want to talk to a human")
        queued = await agent.hear(
            lambda frame: frame["type"] == "state" and frame["conversation"] == conversation, seconds=2
        )
        assert (queued["owner"], queued["handoff"]["trigger"]) == ("queue", "request")
        assert (await wire.hear(lambda frame: frame.get("event") == "handed_over"))["data"].keys() == {
            "promise",
            "trigger",
        }
        await agent.say(type="resume", conversation=conversation, seq=0)
        assert (await agent.hear("message"))["text"] == "I want to talk to a human"
        await hop(fresh_tenant.schema, _claim, fresh_tenant, conversation)
        joined = await wire.hear(lambda frame: frame.get("event") == "joined")
        assert joined["data"]["name"] == fresh_tenant.agent.name
        await wire.say(type="typing.set", on=True)
        assert (await agent.hear("typing"))["who"] == "visitor"
        await agent.say(type="typing.set", conversation=conversation, on=True)
        assert (await wire.hear("typing"))["name"] == fresh_tenant.agent.name
        client_id = str(uuid4())
        note = {"client_id": str(uuid4()), "conversation": conversation, "text": "secret", "note": True}
        await agent.say(type="message.send", **note)
        await agent.say(type="message.send", client_id=client_id, conversation=conversation, text="Hello, Ana here")
        reply = await wire.hear(lambda frame: frame["type"] == "message" and frame["kind"] == "text")
        assert (reply["text"], reply["sender"]) == ("Hello, Ana here", "agent")


def _claim(cast: Cast, conversation: str) -> None:
    actions.claim_conversation(conversation_id=conversation, seat=cast.agent.seat)


async def test_a_desk_cannot_follow_or_write_to_what_is_not_its_own(
    fresh_tenants: Callable[[int], list[Cast]],
) -> None:
    mine, other = await asyncio.to_thread(fresh_tenants, 2)
    async with desk(mine) as agent:
        for conversation in (str(other.thread.conversation_id), str(uuid4())):
            await agent.say(type="resume", conversation=conversation, seq=0)
            assert (await agent.hear("error"))["code"] == "unknown_conversation"
            await agent.say(type="message.send", conversation=conversation, client_id=str(uuid4()), text="hi")
            assert (await agent.hear("error"))["code"] == "unknown_conversation"
            await agent.say(type="typing.set", conversation=conversation, on=True)
            assert (await agent.hear("error"))["code"] == "unknown_conversation"
    written = await hop(other.schema, lambda: Message.objects.filter(text="hi").count())
    assert written == 0


@pytest.mark.parametrize("command", ["resume", "message.send"])
async def test_a_desk_does_not_outlive_its_session(fresh_tenant: Cast, command: str) -> None:
    cast, conversation = fresh_tenant, str(fresh_tenant.thread.conversation_id)
    key = cast.agent.session_key
    async with socket(cast, "/ws/desk/", cookie=f"sessionid={key}") as agent:
        await agent.say(type="hello", v=1)
        await agent.say(type="resume", conversation=conversation, seq=0)
        await agent.hear("state")
        await hop(PUBLIC, SessionStore(key).delete)
        sent = {"client_id": str(uuid4()), "text": "still here"} if command == "message.send" else {"seq": 0}
        await agent.say(type=command, conversation=conversation, **sent)
        assert (await agent.hear("error"))["code"] == "not_signed_in"
        assert await agent.closed() == 4401
    assert await hop(cast.schema, lambda: Message.objects.filter(text="still here").count()) == 0


async def test_a_lead_with_a_broken_address_is_refused_and_a_good_one_is_kept(fresh_tenant: Cast) -> None:
    async with visitor(fresh_tenant) as wire:
        await wire.say(type="lead.submit", client_id=str(uuid4()), email="maya@lindqvist", name="Maya")
        assert (await wire.hear("error"))["code"] == "email_invalid"
        await wire.say(type="lead.submit", client_id=str(uuid4()), email="maya@lindqvist.example", name="Maya")
        assert (await wire.hear("ack"))["seq"] == 1
        kept = await hop(
            fresh_tenant.schema,
            lambda: list(Conversation.objects.get(pk=wire.conversation).leads.values_list("email", "name")),  # type: ignore[attr-defined]
        )
        assert kept == [("maya@lindqvist.example", "Maya")]


async def test_the_visitor_sees_at_once_that_their_words_were_read(fresh_tenant: Cast) -> None:
    async with visitor(fresh_tenant) as wire, desk(fresh_tenant) as agent:
        conversation = wire.conversation  # type: ignore[attr-defined]
        await wire.say(type="message.send", client_id=str(uuid4()), text="Anybody there?")
        await wire.hear("ack")
        await hop(fresh_tenant.schema, _claim, fresh_tenant, conversation)
        await agent.say(type="resume", conversation=conversation, seq=0)
        await agent.hear("state")
        await agent.say(type="seen.set", conversation=conversation, seq=1)
        read = await wire.hear(lambda frame: frame["type"] == "state" and frame["seen"]["team"] == 1)
        assert read["seen"]["visitor"] == 0


@pytest.mark.parametrize("reader", ["analyst", "owner"])
async def test_who_does_not_hold_a_conversation_moves_nothing_on_the_visitors_screen(
    fresh_tenant: Cast, reader: str
) -> None:
    """An analyst may only read; the owner here may claim, but another one did."""
    cast = fresh_tenant
    watcher = getattr(cast, reader)
    async with visitor(cast) as wire, socket(cast, "/ws/desk/", cookie=f"sessionid={watcher.session_key}") as desk_:
        conversation = wire.conversation  # type: ignore[attr-defined]
        await wire.say(type="message.send", client_id=str(uuid4()), text="Anybody there?")
        await wire.hear("ack")
        await hop(cast.schema, _claim, cast, conversation)
        await wire.hear(lambda frame: frame.get("event") == "joined")
        await desk_.say(type="hello", v=1)
        await desk_.say(type="resume", conversation=conversation, seq=0)
        await desk_.hear("state")
        for command in ({"type": "typing.set", "on": True}, {"type": "seen.set", "seq": 1}):
            await desk_.say(conversation=conversation, **command)
            assert (await desk_.hear("error"))["code"] == "not_holder"
        assert await wire.silent(lambda frame: frame["type"] == "typing", 0.2)
    seen = await hop(cast.schema, lambda: Conversation.objects.get(pk=conversation).team_seen_seq)
    assert seen == 0


async def test_a_desks_hello_and_its_log_tell_nothing_that_is_others(fresh_tenant: Cast) -> None:
    """No name of a schema, and a client_id to its own sender only (docs/protocol.md)."""
    cast, conversation = fresh_tenant, str(fresh_tenant.thread.conversation_id)
    mine, theirs = uuid4(), uuid4()
    for client_id, person in ((mine, cast.agent), (theirs, cast.owner)):
        await hop(cast.schema, _note, conversation, person.seat_id, client_id)
    async with socket(cast, "/ws/desk/", cookie=f"sessionid={cast.agent.session_key}") as agent:
        await agent.say(type="hello", v=1)
        assert (await agent.hear("hello")).keys() == {"type", "v", "seat"}
        await agent.say(type="resume", conversation=conversation, seq=cast.thread.last_seq)
        told = [(await agent.hear("message"))["client_id"] for _ in range(2)]
    assert told == [str(mine), None]


def _note(conversation: str, seat_id: int, client_id: UUID) -> None:
    draft = actions.Draft("A word to the team", client_id, True)
    actions.post_as_seat(conversation_id=conversation, seat_id=seat_id, draft=draft)
