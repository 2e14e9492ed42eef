"""Door 2: the only way to the channel layer.

Group names are built here, from the tenant's schema name (random, never used twice) and ids. One background
event loop per process holds the layer's connection for synchronous senders: a connection per push is what
`async_to_sync` would cost.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable
from typing import Any, Protocol
from uuid import UUID

from channels.layers import get_channel_layer

log = logging.getLogger(__name__)
LAYER_SECONDS = 2.0
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
lost = 0  # pushes that failed in this process, for the metrics


class Subscriber(Protocol):
    """What `join` and `leave` need of a consumer."""

    channel_name: str
    channel_layer: Any


def conversation_group(schema: str, conversation_id: UUID | str) -> str:
    """Everyone who looks at one conversation: its visitor's tabs, and the agents who opened it."""
    return f"{schema}.c.{conversation_id}"


def desk_group(schema: str) -> str:
    """Every agent of the tenant with a dashboard open."""
    return f"{schema}.desk"


async def join(subscriber: Subscriber, group: str) -> bool:
    """Subscribe a consumer; repeating it heals a subscription that the layer lost. False when the layer did not take
    it: then the re-read has to do."""
    return await _tried(subscriber.channel_layer.group_add(group, subscriber.channel_name), group)


async def leave(subscriber: Subscriber, group: str) -> None:
    """Unsubscribe a consumer."""
    await _tried(subscriber.channel_layer.group_discard(group, subscriber.channel_name), group)


async def tell(group: str, message: dict[str, Any]) -> None:
    """Push from async code. Failures are counted, never raised: the log in Postgres is the truth."""
    layer = get_channel_layer()
    assert layer is not None, "CHANNEL_LAYERS is always set"  # noqa: S101
    await _tried(layer.group_send(group, message), group)


async def _tried(call: Awaitable[None], group: str) -> bool:
    """Whether the layer did it in time: without it only nudges are missing, so nobody waits for it or fails by it."""
    global lost
    try:
        async with asyncio.timeout(LAYER_SECONDS):
            await call
    except Exception:  # noqa: BLE001  any broker trouble means the same here
        lost += 1
        log.warning("push lost to %s", group.split(".")[-2:][0])
        return False
    return True


def send(group: str, message: dict[str, Any]) -> None:
    """Push from synchronous code; returns at once. `message["type"]` names the consumer's handler."""
    asyncio.run_coroutine_threadsafe(tell(group, message), _background_loop())


def answers() -> bool:
    """Whether the layer takes a push just now; for synchronous code that reports on it."""
    layer = get_channel_layer()
    assert layer is not None, "CHANNEL_LAYERS is always set"  # noqa: S101

    async def ask() -> bool:
        return await _tried(layer.group_send("probe", {"type": "probe"}), "probe")

    return asyncio.run_coroutine_threadsafe(ask(), _background_loop()).result(LAYER_SECONDS + 1)


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="push", daemon=True).start()
        return _loop
