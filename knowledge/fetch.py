"""The guarded fetcher: the only way to a URL that a customer gave.

The address that was checked is the address that is connected to, so a name that changes its answer between
check and use gains nothing; the Host header and the TLS name stay those of the URL.
"""

from __future__ import annotations

import functools
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import httpcore

from knowledge.errors import FetchFailed, FetchRefused
from knowledge.targets import Target, is_public, parse

USER_AGENT = "BuiltABot/1.0 (help content indexer)"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SocketOptions = Iterable[tuple[Any, ...]]

Resolver = Callable[[str, int], list[str]]
Dialler = Callable[[str, int, float], socket.socket]


@dataclass(frozen=True)
class Limits:
    """Bounds of one fetch. `max_bytes` holds for the body both as sent and as unpacked."""

    max_bytes: int = 5 * 1024 * 1024
    max_redirects: int = 5
    connect_seconds: float = 5.0
    total_seconds: float = 25.0


@dataclass(frozen=True)
class Page:
    """An answer, whatever its status. `final_url` is the address after redirects; header texts may be ''."""

    status: int
    final_url: str
    content_type: str
    charset: str
    body: bytes
    etag: str = ""
    last_modified: str = ""
    retry_after_seconds: float | None = None


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, in the system's order. `*.localhost` is loopback, which Python's own lookup
    does not know."""
    if host == "localhost" or host.endswith(".localhost"):
        return ["127.0.0.1"]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def dial(address: str, port: int, timeout_seconds: float) -> socket.socket:
    return socket.create_connection((address, port), timeout=timeout_seconds)


@dataclass(frozen=True)
class Fetcher:
    """GETs customers' URLs under `limits`.

    Hosts must be public unless their exact `host:port` is in `allow_private` (settings.CRAWL_ALLOW_PRIVATE).
    No cookies, credentials or proxies are ever sent or used. Safe to share between threads.
    """

    allow_private: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    resolve: Resolver = resolve
    dial: Dialler = dial

    def get(self, url: str, *, etag: str = "", last_modified: str = "", max_bytes: int | None = None) -> Page:
        """Fetch a URL, following up to `max_redirects` redirects, each checked like the first address.

        Raises FetchRefused where the URL or a redirect may not be contacted, FetchFailed for the network,
        the limits and broken answers. Error statuses (and 304) are answers, not exceptions.
        """
        deadline = time.monotonic() + self.limits.total_seconds
        headers = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        cap = max_bytes or self.limits.max_bytes
        target = parse(url, allow_private=self.allow_private)
        seen = {target.url}
        for _ in range(self.limits.max_redirects + 1):
            answer = self._once(target, headers, deadline=deadline, max_bytes=cap)
            if isinstance(answer, Page):
                return answer
            target = self._follow(target, answer)
            if target.url in seen:
                raise FetchFailed("redirect_loop", "This address redirects in a circle.")
            seen.add(target.url)
            headers = {}
        raise FetchFailed("redirect_limit", "This address redirects too many times.")

    def _follow(self, source: Target, location: str) -> Target:
        target = parse(urljoin(source.url, location), allow_private=self.allow_private)
        if source.scheme == "https" and target.scheme == "http" and target.host != source.host:
            raise FetchRefused("redirect_downgrade", "This address redirects to another, unencrypted host.")
        return target

    def _once(self, target: Target, headers: dict[str, str], *, deadline: float, max_bytes: int) -> Page | str:
        """One request; a redirect's Location, or the page."""
        backend = _Backend(self, target, deadline)
        sent: dict[bytes | str, bytes | str] = {
            "Host": target.authority,
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "gzip, deflate",
            "Accept": "*/*",
        }
        sent |= {name: value for name, value in headers.items() if value}
        pool = httpcore.ConnectionPool(
            ssl_context=_tls(), max_connections=1, max_keepalive_connections=0, network_backend=backend
        )
        try:
            with pool, pool.stream("GET", target.url, headers=sent) as response:
                fields = _fields(response.headers)
                if response.status in _REDIRECTS and fields.get("location"):
                    return fields["location"]
                body = _body(response.iter_stream(), fields, max_bytes)
                return _page(target, response.status, fields, body)
        except httpcore.TimeoutException:
            raise FetchFailed("timeout", f"{target.host} did not answer in time.", retryable=True) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise FetchFailed("network", f"{target.host} could not be read: {error}.", retryable=True) from None

    def addresses(self, target: Target) -> list[str]:
        """The addresses that may be dialled. One bad answer spoils all of them: the next lookup of the same
        name could return it alone."""
        try:
            found = self.resolve(target.host, target.port)
        except OSError:
            found = []
        if not found:
            raise FetchFailed("dns", f"{target.host} has no address.", retryable=True)
        if not target.is_listed and not all(is_public(address) for address in found):
            raise FetchRefused("address_private", f"{target.host} does not lead to a public internet address.")
        return found


class _Backend(httpcore.NetworkBackend):
    """Opens one connection to a checked address; the host httpcore passes is only a name to compare."""

    def __init__(self, fetcher: Fetcher, target: Target, deadline: float) -> None:
        self._fetcher = fetcher
        self._target = target
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        if (host, port) != (self._target.host, self._target.port):
            raise FetchRefused("host_invalid", "The host of this address cannot be read.")
        last: OSError | None = None
        for address in self._fetcher.addresses(self._target)[:4]:
            wait = min(self._fetcher.limits.connect_seconds, _remaining(self._deadline))
            try:
                return _Stream(self._fetcher.dial(address, port, wait), self._deadline)
            except OSError as error:
                last = error
        if isinstance(last, TimeoutError):
            raise httpcore.ConnectTimeout(str(last))
        raise httpcore.ConnectError(str(last))


class _Stream(httpcore.NetworkStream):
    """A socket whose every wait ends at the fetch's deadline, however slowly bytes drip in."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._sock.settimeout(_remaining(self._deadline))
            return self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._sock.settimeout(_remaining(self._deadline))
            self._sock.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._sock.settimeout(_remaining(self._deadline))
            wrapped = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout(str(error)) from None
        except OSError as error:
            self.close()
            raise httpcore.ConnectError(str(error)) from None
        return _Stream(wrapped, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._sock, ssl.SSLSocket):
            return self._sock
        return None

    def close(self) -> None:
        self._sock.close()


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("The time for this fetch is used up.")
    return left


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


def _fields(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in raw:
        fields.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "replace").strip())
    return fields


def _page(target: Target, status: int, fields: dict[str, str], body: bytes) -> Page:
    kind, _, parameters = fields.get("content-type", "").partition(";")
    charset = parameters.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    wait = fields.get("retry-after", "")
    return Page(
        status=status,
        final_url=target.url,
        content_type=kind.strip().lower(),
        charset=charset,
        body=body,
        etag=fields.get("etag", "")[:200],
        last_modified=fields.get("last-modified", "")[:60],
        retry_after_seconds=float(wait) if wait.isdecimal() else None,
    )


def _body(pieces: Iterator[bytes], fields: dict[str, str], max_bytes: int) -> bytes:
    encoding = fields.get("content-encoding", "identity").lower()
    length = fields.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    raw = _capped(pieces, max_bytes)
    if encoding in ("identity", ""):
        return raw
    if encoding in ("gzip", "x-gzip"):
        return gunzip(raw, max_bytes=max_bytes)
    if encoding == "deflate":
        return _inflate(raw, zlib.MAX_WBITS, max_bytes)
    raise FetchFailed("encoding", f"The answer is packed as {encoding[:20]!r}, which was not asked for.")


def _capped(pieces: Iterator[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def gunzip(data: bytes, *, max_bytes: int) -> bytes:
    """Unpack gzip without ever holding more than `max_bytes`; raises FetchFailed when it would."""
    return _inflate(data, 16 + zlib.MAX_WBITS, max_bytes)


def _inflate(data: bytes, window_bits: int, max_bytes: int) -> bytes:
    if not data:
        return b""
    unpacker = zlib.decompressobj(window_bits)
    try:
        body = unpacker.decompress(data, max_bytes + 1)
    except zlib.error:
        raise FetchFailed("encoding", "The answer is packed wrongly and cannot be read.") from None
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    if not unpacker.eof:
        raise FetchFailed("encoding", "The answer ended before it was complete.", retryable=True)
    return body


def is_gone(status: int) -> bool:
    """Whether an answer says that there is nothing at the address, and not just that it cannot be had now."""
    return status in (404, 410)


def _too_large(max_bytes: int) -> FetchFailed:
    return FetchFailed("too_large", f"The answer is larger than {max_bytes // (1024 * 1024)} MB.")
