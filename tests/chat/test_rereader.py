"""The periodic re-read outlives sockets that close while it runs."""

import asyncio
from datetime import timedelta

import pytest
from channels.layers import get_channel_layer
from django.db import connection
from django.utils import timezone

from chat import actions
from chat.models import Conversation, Handoff, Turn, Visitor
from chat.sockets import rereader
from chat.watch import Watch
from tenants import push
from tenants.schema import hop, run_in
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.sockets import Socket


async def test_a_socket_that_closed_meanwhile_does_not_stop_the_round(fresh_tenant: Cast) -> None:
    """Its channel is gone, and joining a group with it is an error that would end the round for all others."""
    stays = Socket.of_desk(fresh_tenant, fresh_tenant.agent)
    async with stays:
        async with Socket.of_desk(fresh_tenant, fresh_tenant.owner) as goes, Socket.of_visitor(fresh_tenant) as visitor:
            for desk in (stays, goes):
                await desk.send("hello", v=1)
                await desk.answers()
            await visitor.send("hello", v=1, token=fresh_tenant.thread.token)
            await visitor.answers()
            round_ = [socket for socket in rereader._sockets if socket.schema == fresh_tenant.schema]
        assert len(round_) == 3
        round_.sort(key=lambda socket: socket in rereader._sockets)
        assert round_[0] not in rereader._sockets
        await rereader._reread(fresh_tenant.schema, round_)


async def test_a_layer_that_is_away_keeps_nobody_from_the_log(
    fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without nudges and subscriptions a new entry is still told by the next round, and a socket may still come."""
    layer = get_channel_layer()

    async def gone(*_: object) -> None:
        raise ConnectionError("the layer is away")

    for name in ("group_add", "group_discard", "group_send"):
        monkeypatch.setattr(layer, name, gone, raising=False)
    thread = fresh_tenant.thread
    async with Socket.of_visitor(fresh_tenant) as visitor:
        await visitor.send("hello", v=1, token=thread.token, seq=thread.last_seq)
        await visitor.answers()
        given = {"conversation_id": thread.conversation_id, "draft": actions.Draft("Are you there?")}
        ack = await hop(fresh_tenant.schema, actions.post_as_visitor, **given)
        mine = [socket for socket in rereader._sockets if socket.schema == fresh_tenant.schema]
        await rereader._reread(fresh_tenant.schema, mine)
        told = await visitor.answers()
    assert ack.seq in [frame.get("seq") for frame in told if frame["type"] == "message"]


async def test_what_the_watch_wrote_is_shown_without_the_layer(
    fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a nudge nor the periodic round comes in this test's time."""
    monkeypatch.setattr(push, "send", lambda group, message: None)

    def overdue() -> Turn:
        thread = fresh_tenant.thread
        Conversation.objects.filter(pk=thread.conversation_id).update(owner="ai")
        Handoff.objects.filter(pk=thread.handoff_id).update(state="closed")
        actions.post_as_visitor(conversation_id=thread.conversation_id, draft=actions.Draft("Where is my parcel?"))
        return Turn.objects.latest("pk")

    async with Socket.of_visitor(fresh_tenant) as visitor:
        await visitor.send("hello", v=1, token=fresh_tenant.thread.token, seq=fresh_tenant.thread.last_seq)
        await visitor.answers()
        turn = await hop(fresh_tenant.schema, overdue)
        mine = Watch(lambda schema: run_in(schema, actions.overdue_turns, now=turn.overdue_at))
        mine.tell(rereader.look)
        monkeypatch.setattr(mine, "_run", lambda: None)
        mine.note(fresh_tenant.schema, timezone.now())
        await asyncio.to_thread(_look_and_leave, mine)
        shown = await visitor.overheard(1.0)
        assert [frame["event"] for frame in shown if frame["type"] == "message"] == ["", "standing"]


def _look_and_leave(watch: Watch) -> None:
    try:
        watch.look_now()
    finally:
        connection.close()


async def test_a_visitor_whose_panel_is_closed_stays_present_while_connected(fresh_tenant: Cast) -> None:
    """Nothing is sent by such a page, and nothing it said about itself is changed."""
    thread, long_ago = fresh_tenant.thread, timezone.now() - timedelta(minutes=5)
    visitors = Visitor.objects.filter(conversation__pk=thread.conversation_id)
    async with Socket.of_visitor(fresh_tenant) as visitor:
        await visitor.send("hello", v=1, token=thread.token)
        await visitor.answers()
        await hop(fresh_tenant.schema, lambda: visitors.update(seen_at=long_ago, is_away=True))
        mine = [socket for socket in rereader._sockets if socket.schema == fresh_tenant.schema]
        await rereader._reread(fresh_tenant.schema, mine)
        row = await hop(fresh_tenant.schema, visitors.get)
    assert timezone.now() - row.seen_at < timedelta(seconds=30)
    assert row.is_away


async def test_a_desk_is_told_again_only_of_what_no_nudge_has_brought(
    fresh_tenant: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, thread = fresh_tenant.schema, fresh_tenant.thread
    given = {"conversation_id": thread.conversation_id}
    await hop(schema, lambda: Conversation.objects.filter(pk=thread.conversation_id).update(owner="queue"))
    async with Socket.of_desk(fresh_tenant, fresh_tenant.agent) as desk:
        await desk.send("hello", v=1)
        await desk.answers()
        mine = [socket for socket in rereader._sockets if socket.schema == schema]
        await rereader._reread_desk(schema, mine)
        await hop(schema, actions.post_as_visitor, **given, draft=actions.Draft("Is anybody there?"))
        assert "state" in {frame["type"] for frame in await desk.overheard()}
        await rereader._reread_desk(schema, mine)
        assert await desk.overheard() == []
        monkeypatch.setattr(push, "send", lambda group, message: None)
        await hop(schema, actions.post_as_visitor, **given, draft=actions.Draft("Hello?"))
        await rereader._reread_desk(schema, mine)
        assert [frame["type"] for frame in await desk.overheard()] == ["state"]


async def test_a_visitors_presence_and_page_are_told_to_seats_of_their_chatbot_alone(fresh_tenant: Cast) -> None:
    thread, page = fresh_tenant.thread, {"url": "https://shop.example/cart", "title": "Cart"}
    await hop(fresh_tenant.schema, _bind_elsewhere, fresh_tenant)
    theirs = Socket.of_desk(fresh_tenant, fresh_tenant.owner)
    others = Socket.of_desk(fresh_tenant, fresh_tenant.agent)
    async with theirs, others, Socket.of_visitor(fresh_tenant) as visitor:
        for desk in (theirs, others):
            await desk.send("hello", v=1)
            await desk.answers()
        await visitor.send("hello", v=1, token=thread.token)
        await visitor.send("page.view", url=page["url"], title=page["title"], away=True)
        await visitor.answers()
        told = [frame for frame in await theirs.overheard() if frame["type"] == "presence"]
        assert [frame["state"] for frame in told] == ["here", "away"]
        assert (told[-1]["conversation"], told[-1]["page"]) == (str(thread.conversation_id), page["url"])
        assert [frame for frame in await others.overheard() if frame["type"] == "presence"] == []


def _bind_elsewhere(cast: Cast) -> None:
    """The agent works for another chatbot than the one of the cast's thread."""
    assert cast.agent.seat is not None
    cast.agent.seat.projects.set([Project.objects.create(key="elsewhere", name="Elsewhere")])
