"""The cache that counts attempts to sign in: Valkey's for all processes, each process's own while that is away.

Nobody should meet a server error because a counter is down, and nobody should guess passwords without one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)
ANSWER_SECONDS = 1.0
ALONE_SECONDS = 5.0


def _softly(name: str) -> Callable[..., Any]:
    def method(self: SoftCache, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= self.alone_until:
            try:
                return getattr(RedisCache, name)(self, *args, **kwargs)
            except RedisError as error:
                log.warning("the cache is away (%s): each process counts by itself", type(error).__name__)
                self.alone_until = time.monotonic() + ALONE_SECONDS
        return getattr(self.own, name)(*args, **kwargs)

    return method


class SoftCache(RedisCache):
    """Django's own for Redis, whose server may be away."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        limits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
        options = {**params.get("OPTIONS", {}), **limits, "retry": Retry(NoBackoff(), 0)}
        super().__init__(server, {**params, "OPTIONS": options})
        self.own = LocMemCache("alone", {key: value for key, value in params.items() if key != "OPTIONS"})
        self.alone_until = 0.0

    get: Any = _softly("get")
    set: Any = _softly("set")
    add: Any = _softly("add")
    incr: Any = _softly("incr")
    touch: Any = _softly("touch")
    delete: Any = _softly("delete")
    has_key: Any = _softly("has_key")
    get_many: Any = _softly("get_many")
    set_many: Any = _softly("set_many")
    delete_many: Any = _softly("delete_many")
    clear: Any = _softly("clear")
