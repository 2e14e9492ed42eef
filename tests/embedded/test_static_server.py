"""The demo's static server over real HTTP."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from builtabot.embedded.static_server import Server, handler


@dataclass(frozen=True)
class FakePage:
    status: int
    content_type: str
    body: bytes


def answer(path: str) -> FakePage:
    if path == "/shop?x=1":
        return FakePage(200, "text/html; charset=utf-8", "<p>Übersicht</p>".encode())
    return FakePage(404, "text/plain", b"no such page")


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    server = Server(("127.0.0.1", 0), handler(answer))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    yield client
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_pages_keep_their_status_type_and_body_on_one_connection(connection) -> None:
    for path, status, kind in (("/shop?x=1", 200, "text/html; charset=utf-8"), ("/no", 404, "text/plain")):
        connection.request("GET", path)
        got = connection.getresponse()
        assert (got.status, got.headers["Content-Type"], got.read()) == (status, kind, answer(path).body)


def test_head_has_the_length_and_no_body(connection) -> None:
    connection.request("HEAD", "/shop?x=1")
    got = connection.getresponse()
    assert (got.status, got.headers["Content-Length"], got.read()) == (200, "17", b"")


def test_posting_is_refused(connection) -> None:
    connection.request("POST", "/shop?x=1", body=b"")
    assert connection.getresponse().status == 501
