"""A browser that is led from host to host: cookies of one host are never sent to another."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from tests.cast import browser


class Walker:
    """`seen` are the addresses it was sent to, in order; `at` holds a client for each host."""

    def __init__(self, *clients: Client) -> None:
        self.at: dict[str, Client] = {client.defaults["HTTP_HOST"]: client for client in clients}
        self.seen: list[str] = []

    def follow(self, answer: Any, host: str) -> Any:
        """Go where an answer of `host` leads; the last answer."""
        for _ in range(10):
            if answer.status_code != 302:
                return answer
            parts = urlsplit(answer["Location"])
            host = parts.netloc or host
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            self.seen.append(f"http://{host}{path}")
            answer = self.at.setdefault(host, browser(host)).get(path)
        raise AssertionError(f"round and round: {self.seen}")
