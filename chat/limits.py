"""How much one visitor, and one address, may make us do: token buckets that no ordinary person empties.

What is stored or answered is counted in Valkey, for all processes together; what merely passes (typing, pages, signs of
life) in each process. When Valkey is away, or slow, each process counts by itself for a while: a limit that fails must
not keep visitors out. Nothing is stored that names a person: keys are digests, and expire with their bucket.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from ipaddress import IPv6Address, ip_address
from math import ceil

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat.errors import TooFast
from tenants.asgi import Scope, only_header
from tenants.schema import current_schema

log = logging.getLogger(__name__)
ANSWER_SECONDS = 0.3
ALONE_SECONDS = 5.0
MOST_BUCKETS = 20_000
LONGEST_WAIT_SECONDS = 30
_PORT = re.compile(r"^(?:\[([^\]]*)\]|(\d+(?:\.\d+){3}))(?::\d+)?$")  # some proxies add it

# A bucket holds a minute's worth and fills evenly. Returns the seconds until there is one more, "0" when it was taken.
_TAKE = """
local now = redis.call('TIME'); now = now[1] + now[2] / 1000000
local most = tonumber(ARGV[1]); local rate = most / 60
local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = math.min(most, (tonumber(kept[1]) or most) + math.max(0, now - (tonumber(kept[2]) or now)) * rate)
local wait = 0
if left >= 1 then left = left - 1 else wait = (1 - left) / rate end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], 61)
return tostring(wait)
"""


class OwnBuckets:
    """This process's buckets, the longest unused forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, per_minute: int) -> float:
        """Seconds until one may be taken; 0 when it was."""
        now, rate = self._clock(), per_minute / 60
        with self._lock:
            left, at = self._kept.pop(key, (float(per_minute), now))
            left = min(float(per_minute), left + (now - at) * rate)
            wait = 0.0 if left >= 1 else (1 - left) / rate
            self._kept[key] = (left if wait else left - 1, now)
            while len(self._kept) > MOST_BUCKETS:
                self._kept.popitem(last=False)
        return wait


class SharedBuckets:
    """Everybody's buckets, in the server at `url`; this process's own while that is away."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        limits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
        self._client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **limits)
        self._script = self._client.register_script(_TAKE)
        self._own = OwnBuckets(clock)
        self._clock = clock
        self._alone_until = 0.0

    def take(self, key: str, per_minute: int) -> float:
        """Seconds until one may be taken; 0 when it was."""
        if self._clock() >= self._alone_until:
            try:
                return float(self._script(keys=["limit:" + key], args=[per_minute]))
            except redis.RedisError as error:
                log.warning("visitors' limits are counted by process (%s)", type(error).__name__)
                self._alone_until = self._clock() + ALONE_SECONDS
        return self._own.take(key, per_minute)


@cache
def _shared() -> SharedBuckets:
    return SharedBuckets(settings.CHANNEL_URL)


_passing = OwnBuckets()


def check_session(address: str) -> None:
    """One more visitor from an address, where there is one. Raises TooFast."""
    if address:
        _check(_shared(), f"session:{address}", settings.ADDRESS_SESSIONS_PER_MINUTE)


def check_text(conversation: str, address: str) -> None:
    """One more thing of a visitor's to store and to answer. Raises TooFast."""
    _check(_shared(), f"text:{conversation}", settings.VISITOR_TEXTS_PER_MINUTE)
    if address:
        _check(_shared(), f"texts:{address}", settings.ADDRESS_TEXTS_PER_MINUTE)


def check_passing(conversation: str) -> None:
    """One more frame that is nothing to keep. Raises TooFast."""
    _check(_passing, f"frame:{conversation}", settings.VISITOR_FRAMES_PER_MINUTE)


def _check(buckets: OwnBuckets | SharedBuckets, name: str, per_minute: int) -> None:
    if per_minute <= 0:
        return
    digest = hashlib.blake2b(f"{current_schema()}:{name}".encode(), digest_size=16, key=_key()).hexdigest()
    if wait := buckets.take(digest, per_minute):
        raise TooFast(retry_after=min(LONGEST_WAIT_SECONDS, max(1, ceil(wait))))


def _key() -> bytes:
    return hashlib.sha256(settings.SECRET_KEY.encode()).digest()


def address_of(scope: Scope) -> str:
    """Whose caps a socket counts against: what the proxy in front says, or the peer; empty when there is neither."""
    peer = str((scope.get("client") or [""])[0])
    return whose(only_header(scope, b"x-forwarded-for") or "", peer)


def whose(forwarded_for: str, peer: str) -> str:
    """The caller's address; of IPv6 the network of 64 bits, all of which one household has."""
    given = forwarded_for.rpartition(",")[2].strip() if settings.TRUST_PROXY and forwarded_for else peer
    bare = _PORT.sub(r"\1\2", given)
    try:
        address = ip_address(bare)
    except ValueError:
        return given[:64]
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # a listener for both kinds sees everybody so
        address = address.ipv4_mapped
    return address.exploded[:19] if isinstance(address, IPv6Address) else str(address)
