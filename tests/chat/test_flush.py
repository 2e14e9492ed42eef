"""The channel layer only nudges: whatever it loses, both sides read the log again within one round of the re-read."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from chat import actions, sockets
from tenants import push
from tenants.schema import hop
from tests.cast import Cast
from tests.chat.test_sockets import desk, visitor


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "REREAD_SECONDS", 0.3)


def layer_client() -> redis.Redis:
    return redis.Redis.from_url(settings.CHANNEL_URL)


async def test_what_was_said_while_the_layer_was_flushed_and_cut_off_reaches_everybody(fresh_tenant: Cast) -> None:
    async with visitor(fresh_tenant) as wire, desk(fresh_tenant) as agent:
        conversation = wire.conversation  # type: ignore[attr-defined]
        await wire.say(type="message.send", client_id=str(uuid4()), text="I want to talk to a human")
        await agent.hear(lambda frame: frame["type"] == "state" and frame["conversation"] == conversation)
        await agent.say(type="resume", conversation=conversation, seq=0)
        await agent.hear("message")
        client = layer_client()
        client.flushall()
        client.client_kill_filter(_type="pubsub", skipme=True)  # every subscription is gone
        draft = actions.Draft("said into the silence", uuid4())
        await hop(fresh_tenant.schema, actions.post_as_visitor, conversation_id=conversation, draft=draft)
        for side in (wire, agent):
            heard = await side.hear(lambda frame: frame.get("text") == "said into the silence")
            assert heard["sender"] == "visitor"
        await hop(
            fresh_tenant.schema,
            lambda: actions.claim_conversation(conversation_id=conversation, seat=fresh_tenant.agent.seat),
        )
        await agent.say(type="typing.set", conversation=conversation, on=True)  # and nudges work again
        assert (await wire.hear("typing"))["who"] == "agent"


async def test_a_group_that_the_layer_forgot_is_joined_again(fresh_tenant: Cast) -> None:
    async with visitor(fresh_tenant) as wire:
        group = push.conversation_group(fresh_tenant.schema, wire.conversation)  # type: ignore[attr-defined]
        (socket,) = [one for one in sockets.rereader._sockets if one.schema == fresh_tenant.schema]
        await push.leave(socket, group)
        await push.tell(group, {"type": "relay", "audience": "all", "frame": {"type": "typing", "who": "lost"}})
        assert await wire.silent(lambda frame: frame["type"] == "typing", 0.1)

        async def again() -> bool:
            await push.tell(group, {"type": "relay", "audience": "all", "frame": {"type": "typing", "who": "back"}})
            return not await wire.silent(lambda frame: frame["type"] == "typing", 0.2)

        assert any([await again() for _ in range(5)])


async def test_a_handoff_that_no_nudge_told_appears_on_the_desk(
    fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(fresh_tenant) as agent:
        session = await hop(fresh_tenant.schema, actions.open_session, project=fresh_tenant.project_key, token=None)
        monkeypatch.setattr(push, "send", lambda group, message: None)
        draft = actions.Draft("I want to talk to a human", uuid4())
        await asyncio.sleep(0.7)  # one round, to compare with
        await hop(fresh_tenant.schema, actions.post_as_visitor, conversation_id=session.conversation_id, draft=draft)
        told = await agent.hear(lambda frame: frame.get("conversation") == session.conversation_id)
        assert (told["type"], told["owner"]) == ("state", "queue")
