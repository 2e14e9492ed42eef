"""The periodic re-read outlives sockets that close while it runs."""

from chat.sockets import rereader
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
