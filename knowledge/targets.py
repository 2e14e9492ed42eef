"""Which addresses a customer's URL may reach: the pure half of the guarded fetcher."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

import idna

from knowledge.errors import FetchRefused

PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})

# `ipaddress.is_global` of the Python we run on passes several of these; the list decides, not the library.
_DENIED_V4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent on a public address
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Global unicast is the only IPv6 block with public hosts: loopback, mapped, compatible, translated, NAT64,
# unique-local, link-local, site-local and multicast addresses all lie outside it.
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_DENIED_V6 = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # Teredo, ORCHID, benchmarking and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address inside
        "3fff::/20",
    )
)
_PRIVATE_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "onion",
    "test",
    "invalid",
    "alt",
)
_SHAPE = re.compile(r"(https?)://([^/?#]+)", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~-._[]"


@dataclass(frozen=True)
class Target:
    """A URL that passed every check which needs no network.

    `host` is ASCII, lower case, without brackets or trailing dot; `is_listed` means that its exact
    `host:port` is on the caller's private list, so that its addresses need not be public.
    """

    scheme: str
    host: str
    port: int
    path: str
    is_listed: bool

    @property
    def authority(self) -> str:
        """The Host header: brackets for IPv6, the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == default_port(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def parse(url: str, *, allow_private: frozenset[str] = frozenset()) -> Target:
    """Check a URL's text; raises FetchRefused where no connection may be tried.

    `allow_private` holds exact `host:port` entries (IPv6 in brackets). Doubtful shapes are refused instead
    of repaired: two parsers that repair differently are how guards are walked around.
    """
    shape = _SHAPE.match(url)
    if not shape or len(url) > 2000 or any(c <= " " or c == "\\" or c == "\x7f" for c in url):
        raise FetchRefused("url_invalid", "This is not a complete http:// or https:// address.")
    scheme, authority = shape[1].lower(), shape[2]
    if "@" in authority or "%" in authority:
        raise FetchRefused("url_userinfo", "An address with a user name or escapes in its host is not fetched.")
    host, port = _split(authority, scheme)
    literal = _literal(host)
    host = str(literal) if literal else host
    entry = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    is_listed = entry in allow_private
    if not is_listed:
        if port not in PUBLIC_PORTS:
            raise FetchRefused("port_refused", f"Port {port} is not fetched (80, 443, 8080, 8443 are).")
        if literal and not is_public(host):
            raise FetchRefused("address_private", f"{host} is not a public internet address.")
        if not literal and _is_private_name(host):
            raise FetchRefused("host_private", f"{host} is not a name on the public internet.")
    return Target(scheme, host, port, _path(url[shape.end() :]), is_listed)


def is_public(address: str) -> bool:
    """Whether a resolved address may be connected to; anything unreadable is not."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in net for net in _DENIED_V4)
    return ip.scope_id is None and ip in _PUBLIC_V6 and not any(ip in net for net in _DENIED_V6)


def _split(authority: str, scheme: str) -> tuple[str, int]:
    bracketed = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\])(?::([0-9]*))?", authority)
    named = re.fullmatch(r"([^:\[\]]+)(?::([0-9]*))?", authority)
    found = bracketed or named
    if not found:
        raise FetchRefused("url_invalid", "The host of this address cannot be read.")
    port = int(found[2]) if found[2] else default_port(scheme)
    if not 0 < port < 65536:
        raise FetchRefused("port_refused", "The port of this address is not a port.")
    if bracketed:
        return found[1], port
    return _ascii_name(found[1]), port


def _ascii_name(host: str) -> str:
    """The name as DNS will see it, after the same folding (UTS 46) that a browser does."""
    try:
        name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        # Digits and letters in disguise: fold them so that the checks below see what they stand for.
        name = unicodedata.normalize("NFKC", host).lower()
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise FetchRefused("host_invalid", "The host of this address is not a valid name.")
    if any(label.startswith("xn--") and not _decodes(label) for label in labels):
        raise FetchRefused("host_invalid", "The host of this address is not a valid name.")
    return name


def _decodes(label: str) -> bool:
    try:
        return not label[4:].encode("ascii").decode("punycode").isascii()
    except UnicodeError:
        return False


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a host spells, None for a name; short, hex, octal and decimal spellings are refused."""
    if host.startswith("["):
        try:
            return ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise FetchRefused("host_invalid", "The host of this address is not an IPv6 address.") from None
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        raise FetchRefused("host_numeric", "The host of this address is a number, not a name.") from None


def _is_private_name(host: str) -> bool:
    return "." not in host or any(host.endswith("." + suffix) for suffix in _PRIVATE_SUFFIXES)


def _path(rest: str) -> str:
    bare, _, query = rest.partition("#")[0].partition("?")
    path = quote(bare, safe=_SAFE_IN_PATH) or "/"
    return f"{path}?{quote(query, safe=_SAFE_IN_PATH + '?')}" if query else path
