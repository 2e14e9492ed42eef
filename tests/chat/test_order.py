"""What a socket takes it takes in order, also when the database fails in between."""

import pytest
from django.db import OperationalError

from chat import actions
from chat.models import Message
from tenants.schema import hop
from tests.cast import Cast
from tests.sockets import Socket, client_id


async def test_nothing_overtakes_a_message_that_the_database_did_not_take(
    fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket ends with it, and what was sent behind it is left for the next one, which gets all in order."""
    thread, post = fresh_tenant.thread, actions.post_as_visitor
    tried: list[str] = []

    def fails_once(**given: object) -> object:
        tried.append(given["draft"].text)  # type: ignore[attr-defined]
        if len(tried) == 1:
            raise OperationalError("the connection is gone")
        return post(**given)

    monkeypatch.setattr(actions, "post_as_visitor", fails_once)
    async with Socket.of_visitor(fresh_tenant) as visitor:
        await visitor.send("hello", v=1, token=thread.token, seq=thread.last_seq)
        await visitor.answers()
        for text in ("first", "second"):
            await visitor.send("message.send", client_id=client_id(), text=text)
        told = await visitor.answers()
    assert [frame["type"] for frame in told if frame["type"] in ("error", "ack", "close")] == ["error", "close"]
    assert told[-1]["code"] == 1012
    assert tried == ["first"]
    said = Message.objects.filter(conversation=thread.conversation_id).values_list("text", flat=True)
    assert "second" not in await hop(fresh_tenant.schema, lambda: list(said))
