"""The channel layer itself: channels_redis' pub/sub, made so that its failures are never a consumer's.

Channels awaits `new_channel` and `receive` of every socket, before it is accepted; channels_redis subscribes there, so
a layer that is away would refuse visitors who need nothing but the log. Here a consumer's own channel lives in its
process alone, and only groups are subscribed: the product speaks to nothing else (tenants/push.py).

A call that the layer does not answer fails soon, and the next ones at once, until one gets through; a keeper renews
all subscriptions when the layer is back, and asks for its own echo meanwhile, as a link that is half open says nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer, RedisSingleShardConnection
from channels_redis.utils import _wrap_close
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = logging.getLogger(__name__)
ANSWER_SECONDS = 1.5
KEEP_SECONDS = 5.0
ECHO_SECONDS = 0.25
PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # after the first failure in a row, the second, ...


class LayerAway(ConnectionError):
    """The layer failed a moment ago and was not asked again."""


class Link(RedisSingleShardConnection):
    """One connection to publish and one to listen; it is given up whole at the first trouble of either."""

    def __init__(self, host: dict[str, Any], layer: LoopLayer) -> None:
        # The library's own retries would hold up whoever pushes; ours are the keeper's.
        super().__init__(host | {"retry": Retry(NoBackoff(), 0), "socket_connect_timeout": ANSWER_SECONDS}, layer)
        self._layer = layer

    @property
    def subscribed(self) -> frozenset[str]:
        return frozenset(self._subscribed_to)

    async def _do_receiving(self) -> None:
        try:
            while True:
                if self._pubsub and self._pubsub.subscribed:
                    self._receive_message(await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0))
                else:
                    await asyncio.sleep(0.1)
        except Exception as error:  # noqa: BLE001  whatever it was, this link hears nothing more
            self._layer.lose(self, error)

    async def end(self) -> None:
        """Hear nothing from now on; close once nobody can be waiting for an answer."""
        if self._receive_task is not None:
            self._receive_task.cancel()
        await asyncio.sleep(ANSWER_SECONDS)
        with suppress(Exception):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.flush()


class LoopLayer(RedisPubSubLoopLayer):
    """The layer of one event loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._codec: Layer = options["channel_layer"]
        self._shards: list[Link] = [Link(shard.host, self) for shard in self._shards]
        self._echo = f"{self.prefix}__echo__{uuid4().hex}"
        self._failures = 0
        self._away_until = 0.0
        self._stirred = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def new_channel(self, prefix: str = "specific.") -> str:
        """A consumer's own channel: a queue in this process."""
        channel = f"{self.prefix}{prefix}{uuid4().hex}"
        self.channels[channel] = asyncio.Queue()
        return channel

    async def receive(self, channel: str) -> Any:
        """The next message of a group that the channel is in. To cancel it is to be done with the channel."""
        try:
            return self._codec.deserialize(await self.channels.setdefault(channel, asyncio.Queue()).get())
        except asyncio.CancelledError:
            self.channels.pop(channel, None)
            raise

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Refused: a consumer's own channel has no name outside its process."""
        raise NotImplementedError("Messages go to groups only.")

    async def group_add(self, group: str, channel: str) -> None:
        """Raises when the layer is away; the channel is in the group all the same, as soon as it is back."""
        if channel not in self.channels:
            raise RuntimeError("A channel joins groups in its own process, while its consumer runs.")
        name = self._get_group_channel_name(group)
        self.groups.setdefault(name, set()).add(channel)
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep())
        await self._ask(Link.subscribe, name)

    async def group_discard(self, group: str, channel: str) -> None:
        """Raises when the layer is away; the channel hears no more of the group all the same."""
        name = self._get_group_channel_name(group)
        members = self.groups.get(name, set())
        members.discard(channel)
        if not members and self.groups.pop(name, None) is not None:
            await self._ask(Link.unsubscribe, name)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Raises when the layer is away."""
        name = self._get_group_channel_name(group)
        await self._ask(Link.publish, name, self._codec.serialize(message))

    async def _ask(self, call: Callable[..., Awaitable[None]], name: str, *more: Any) -> None:
        if asyncio.get_running_loop().time() < self._away_until:
            raise LayerAway
        link = self._get_shard(name)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await call(link, name, *more)
        except Exception as error:
            self.lose(link, error)
            raise
        self._failures, self._away_until = 0, 0.0

    def lose(self, link: Link, error: Exception) -> None:
        """Put a new link in the place of one that failed, and leave the layer in peace for a while."""
        if link not in self._shards:
            return  # seen to already: all who waited for it fail together
        self._shards[self._shards.index(link)] = Link(link.host, self)
        ending = asyncio.create_task(link.end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        pause = PAUSES_SECONDS[min(self._failures, len(PAUSES_SECONDS) - 1)]
        log.warning("the channel layer failed (%s); nudges are lost for %.1f s", type(error).__name__, pause)
        self._failures += 1
        self._away_until = asyncio.get_running_loop().time() + pause
        self._stirred.set()

    async def _keep(self) -> None:
        """While anybody is in a group: see that all groups are subscribed, and that what is sent comes back."""
        loop = asyncio.get_running_loop()
        while self.groups:
            self._stirred.clear()
            with suppress(Exception):  # `_ask` has put a new link in place, and said so
                await self._renew()
            pause = self._away_until - loop.time() if self._failures else KEEP_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause)):
                    await self._stirred.wait()

    async def _renew(self) -> None:
        wanted = {self._echo, *self.groups}
        for name in wanted - self._get_shard(self._echo).subscribed:
            await self._ask(Link.subscribe, name)
        for name in self._get_shard(self._echo).subscribed - wanted - self.groups.keys():
            await self._ask(Link.unsubscribe, name)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        self.channels[self._echo] = heard
        try:
            await self._ask(_hear_echo, self._echo, heard)
        finally:
            self.channels.pop(self._echo, None)


async def _hear_echo(link: Link, name: str, heard: asyncio.Queue[Any]) -> None:
    """More than once: the first may overtake the subscription, which is on a connection of its own."""
    while heard.empty():
        await link.publish(name, b"")
        with suppress(TimeoutError):
            async with asyncio.timeout(ECHO_SECONDS):
                await heard.get()
                return


class Layer(RedisPubSubChannelLayer):
    """What CHANNEL_LAYERS names: a LoopLayer for each event loop, over one server."""

    def _get_layer(self) -> LoopLayer:
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            self._layers[loop] = LoopLayer(*self._args, **self._kwargs, channel_layer=self)
            _wrap_close(self, loop)
        found: LoopLayer = self._layers[loop]
        return found
