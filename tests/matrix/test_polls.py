"""The matrix of sockets once more for the same commands over plain HTTP: tokens, hosts, and what others hear."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from tenants.schema import PUBLIC, hop
from tests.conftest import Tenants
from tests.matrix.state import fingerprints
from tests.matrix.test_sockets import VISITOR_COMMANDS, assert_own_only, filled
from tests.polls import POLL, SEND, Request, Tab
from tests.sockets import Socket


def test_the_matrix_knows_every_address_beside_django() -> None:
    from builtabot.asgi import http_urlpatterns

    assert [f"/{route.pattern}" for route in http_urlpatterns] == [POLL, SEND, "/"]


async def test_a_visitors_token_reads_its_own_log_only(three: Tenants) -> None:
    for cast in three:
        for thread, other in ((cast.thread, cast.other_thread), (cast.other_thread, cast.thread)):
            tab = Tab(cast, thread.token)
            found = []
            while not found or found[-1]["type"] != "state":
                found += await tab.poll()
            assert thread.marker in json.dumps(found)
            assert "Note on" not in json.dumps(found)
            assert_own_only(found, [other.marker], three, cast)


async def test_another_tenants_token_is_as_good_as_none(three: Tenants) -> None:
    before = await hop(PUBLIC, fingerprints, three)
    body = {"frames": [filled(VISITOR_COMMANDS["message.send"], type="message.send")]}
    for cast in three:
        polled, sent = [], []
        for token in ("x" * 43, *(other.thread.token for other in three.others(cast))):
            polled.append((await (await Tab(cast, token).hold()).answer()).json)
            answer = await (await Request(SEND, cast.http_host, body, token=token).begin()).answer()
            sent.append((answer.status, answer.json))
        assert polled[0] == polled[1] == polled[2]
        assert (polled[0]["closed"], sent[0][0]) == (4401, 401)
        assert sent[0] == sent[1] == sent[2]
    assert await hop(PUBLIC, fingerprints, three) == before


@pytest.mark.parametrize("name", VISITOR_COMMANDS)
async def test_a_visitors_command_stays_in_its_own_conversation(name: str, three: Tenants) -> None:
    """The other tenants' visitors hear nothing, and their rows do not change."""
    cast = three.a
    before = await hop(PUBLIC, fingerprints, three)
    async with Socket.of_visitor(three.b) as theirs:
        await theirs.send("hello", v=1, token=three.b.thread.token)
        await theirs.answers()
        same = {"client_id": str(uuid4())} if "client_id" in VISITOR_COMMANDS[name].model_fields else {}
        heard = await Tab(cast, cast.thread.token).send(filled(VISITOR_COMMANDS[name], type=name, **same))
        overheard = await theirs.overheard()
    after = await hop(PUBLIC, fingerprints, three)
    assert not [frame for frame in heard if frame["type"] == "error"], heard
    assert_own_only(heard, [cast.other_thread.marker], three, cast)
    assert overheard == []
    assert {schema for schema in after if after[schema] != before[schema]} <= {cast.schema}
