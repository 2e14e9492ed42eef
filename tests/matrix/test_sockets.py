"""Every socket and every command x three tenants x {own, another visitor's, another tenant's, missing}."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args
from uuid import uuid4

import pytest

from chat import frames
from tenants.schema import PUBLIC, hop
from tests.cast import Cast
from tests.conftest import Tenants
from tests.matrix import fillers
from tests.matrix.state import fingerprints
from tests.sockets import DESK, VISITOR, Socket

# Field of a command -> a value that the command accepts.
FIELDS: dict[str, Callable[[], Any]] = {
    "client_id": lambda: str(uuid4()),
    "text": lambda: "Hello there",
    "on": lambda: True,
    "seq": lambda: 1,
    "url": lambda: "https://shop.example/lamp",
    "email": lambda: "vera@visitors.example",
    "score": lambda: 5,
}


def commands(adapter: Any) -> dict[str, type[frames.Frame]]:
    """Name -> class of every command of a socket, the hello apart."""
    union = get_args(get_args(adapter._type)[0])
    named = {get_args(cls.model_fields["type"].annotation)[0]: cls for cls in union}
    return {name: cls for name, cls in named.items() if name != "hello"}


VISITOR_COMMANDS, DESK_COMMANDS = commands(frames._VISITOR), commands(frames._DESK)


def filled(cls: type[frames.Frame], **given: Any) -> dict[str, Any]:
    """A command with its required fields; a field that no table names fails the matrix."""
    needed = [name for name, field in cls.model_fields.items() if field.is_required() and name not in {"type", *given}]
    return {name: FIELDS[name]() for name in needed} | given


def assert_own_only(found: list[dict[str, Any]], markers: list[str], others: Tenants, cast: Cast) -> None:
    text = json.dumps(found)
    for other in others.others(cast):
        assert other.marker not in text
    for marker in markers:
        assert marker not in text


def test_the_matrix_knows_every_socket() -> None:
    from builtabot.asgi import websocket_urlpatterns

    assert {f"/{route.pattern}" for route in websocket_urlpatterns} == {VISITOR, DESK}
    assert len(VISITOR_COMMANDS) >= 8
    assert len(DESK_COMMANDS) >= 5


async def test_a_visitors_token_reads_its_own_log_only(three: Tenants) -> None:
    for cast in three:
        for thread, other in ((cast.thread, cast.other_thread), (cast.other_thread, cast.thread)):
            async with Socket.of_visitor(cast) as socket:
                await socket.send("hello", v=1, token=thread.token)
                found = await socket.answers()
            assert thread.marker in json.dumps(found)
            assert "Note on" not in json.dumps(found)
            assert_own_only(found, [other.marker], three, cast)


async def test_another_tenants_token_is_as_good_as_none(three: Tenants) -> None:
    for cast in three:
        answers = []
        for token in ("x" * 43, *(other.thread.token for other in three.others(cast))):
            async with Socket.of_visitor(cast) as socket:
                await socket.send("hello", v=1, token=token)
                answers.append(await socket.answers())
        assert answers[0] == answers[1] == answers[2]
        assert [frame["type"] for frame in answers[0]] == ["error", "close"]
        assert answers[0][1]["code"] == 4401


@pytest.mark.parametrize("name", VISITOR_COMMANDS)
async def test_a_visitors_command_stays_in_its_own_conversation(name: str, three: Tenants) -> None:
    """The other visitor's socket and the other tenants' hear nothing, and their rows do not change."""
    cast = three.a
    before = await hop(PUBLIC, fingerprints, three)
    async with Socket.of_visitor(cast) as mine, Socket.of_visitor(three.b) as theirs:
        await mine.send("hello", v=1, token=cast.thread.token)
        await theirs.send("hello", v=1, token=three.b.thread.token)
        await mine.answers(), await theirs.answers()
        await mine.send(name, **filled(VISITOR_COMMANDS[name]))
        heard, overheard = await mine.answers(), await theirs.overheard()
    after = await hop(PUBLIC, fingerprints, three)
    assert not [frame for frame in heard if frame["type"] == "error"], heard
    assert_own_only(heard, [cast.other_thread.marker], three, cast)
    assert overheard == []
    assert {schema for schema in after if after[schema] != before[schema]} <= {cast.schema}


@pytest.mark.parametrize("name", DESK_COMMANDS)
async def test_a_desks_command_takes_no_id_of_another_tenant(name: str, three: Tenants) -> None:
    """Another tenant's conversation answers as a missing one does; the own one works or reads the own text."""
    cls, cast = DESK_COMMANDS[name], three.a
    if "conversation" not in cls.model_fields:
        pytest.fail(f"{name} names no conversation: say here what it must not reach")
    fill = {"note": True} if "note" in cls.model_fields else {}
    socket = Socket.of_desk(cast, cast.agent)
    async with socket as desk:
        await desk.send("hello", v=1)
        assert (await desk.answers())[0]["type"] == "hello"
        before = await hop(PUBLIC, fingerprints, three)
        answers = []
        same = {"client_id": str(uuid4())} if "client_id" in cls.model_fields else {}
        for conversation in (fillers.MISSING_UUID, *(str(o.thread.conversation_id) for o in three.others(cast))):
            await desk.send(name, **filled(cls, conversation=conversation, **fill, **same))
            answers.append(await desk.answers())
        assert answers[0] == answers[1] == answers[2]
        assert await hop(PUBLIC, fingerprints, three) == before
        await desk.send("resume", conversation=str(cast.thread.conversation_id), seq=0)
        opened = await desk.answers()
        await desk.send(name, **filled(cls, conversation=str(cast.thread.conversation_id), **fill))
        heard = await desk.answers()
    assert cast.thread.marker in json.dumps(opened)
    # Nobody has claimed it, and some commands are its holder's alone: then that is said, of the own one only.
    assert not [frame for frame in heard if frame["type"] == "error" and frame["code"] != "not_holder"], heard
    assert_own_only(opened + heard, [cast.other_thread.marker], three, cast)


async def test_a_desk_opens_for_its_own_hosts_session_only(three: Tenants) -> None:
    cast, other = three.a, three.b
    own, foreign = cast.agent.session_key, other.agent.session_key
    for key, origin, code in (
        (own, cast.origin, None),
        (foreign, cast.origin, 4401),
        ("", cast.origin, 4401),
        (own, other.origin, 4403),
        (own, None, 4403),
        (own, "null", 4403),
    ):
        async with Socket(DESK, cast.http_host, session_key=key, origin=origin) as desk:
            await desk.send("hello", v=1)
            found = await desk.answers()
        assert ([frame["code"] for frame in found if frame["type"] == "close"] or [None]) == [code], found


@pytest.mark.parametrize("path", [VISITOR, DESK])
@pytest.mark.parametrize("host", ["nobody.localhost:8000", "localhost:8000", "127.0.0.1:8000", ""])
async def test_an_unknown_host_is_refused_in_the_handshake(path: str, host: str, three: Tenants) -> None:
    socket = Socket(path, host)
    accepted, _ = await socket._link.connect(timeout=5)
    assert not accepted


async def test_news_of_one_tenant_reach_no_other_desk(three: Tenants) -> None:
    desks = [Socket.of_desk(cast, cast.agent) for cast in three]
    async with desks[0] as mine, desks[1] as theirs, desks[2] as third, Socket.of_visitor(three.a) as visitor:
        for desk in (mine, theirs, third):
            await desk.send("hello", v=1)
            await desk.answers()
        await visitor.send("hello", v=1, token=three.a.thread.token)
        await visitor.send("message.send", client_id=str(uuid4()), text="Is anybody there?")
        heard = await mine.overheard(0.5)
        assert str(three.a.thread.conversation_id) in json.dumps(heard)
        assert await theirs.overheard() == []
        assert await third.overheard() == []
