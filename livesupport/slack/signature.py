"""Whether a call really comes from Slack: HMAC-SHA256 over the raw body, in Slack's version 0 of the scheme."""

from __future__ import annotations

import hashlib
import hmac
import re

WINDOW_SECONDS = 300
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `X-Slack-Signature` for a body sent at `timestamp` (seconds since 1970, as text)."""
    signed = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256)
    return "v0=" + signed.hexdigest()


def is_genuine(secret: str, *, timestamp: str, signature: str, body: bytes, now: float) -> bool:
    """Whether the signature fits the body and its time is within five minutes of `now`, either way.

    Without a secret nothing is genuine. Takes the same time wherever the signature differs.
    """
    if not secret or not _TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > WINDOW_SECONDS:
        return False
    return hmac.compare_digest(sign(secret, timestamp, body).encode(), signature.encode("utf-8", "replace"))
