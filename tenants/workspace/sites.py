"""How people write a site, and the origin that it means: for the form that stores it and for whatever uses it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
# As a content policy may name a host: no underscore, though a browser would open it.
_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\]")


def site_of(written: object) -> str | None:
    """The origin that a person's entry means, or None for what is no site.

    `shop.example` means https; a path is dropped; `https://*.shop.example` means every subdomain. The result
    holds nothing but scheme, host and port, so it may stand in a header.
    """
    text = str(written).strip().lower()
    try:
        parts = urlsplit(text if "://" in text else "https://" + text)
        port = parts.port
        host = parts.netloc.rpartition("@")[2]
        host = host[: -len(str(port)) - 1] if port is not None else host.rstrip(":")
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or not _HOST.fullmatch(host) or port == 0:
        return None
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"
