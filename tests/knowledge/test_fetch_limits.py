"""A page costs at most what the limits say, whatever the server sends."""

from __future__ import annotations

import gzip
import zlib

import pytest

from knowledge.errors import FetchFailed
from knowledge.fetch import Fetcher, Limits
from tests.knowledge.web import Web, serving

SMALL = Limits(max_bytes=50_000, total_seconds=5)


def _failure(web: Web, path: str) -> FetchFailed:
    with pytest.raises(FetchFailed) as failure:
        Fetcher(allow_private=frozenset({web.host}), limits=SMALL).get(web.url + path)
    return failure.value


def test_too_large_bodies_are_refused_declared_streamed_or_packed() -> None:
    bomb = gzip.compress(b"\0" * 40_000_000)
    assert len(bomb) < SMALL.max_bytes
    with serving() as web:
        web.routes["/declared"] = (200, {"Content-Length": "99999999"}, b"x")
        web.routes["/streamed"] = (200, {}, b"x" * 60_000)
        web.routes["/packed"] = (200, {"Content-Encoding": "gzip"}, bomb)
        web.routes["/deflated"] = (200, {"Content-Encoding": "deflate"}, zlib.compress(b"\0" * 9_000_000))
        codes = {_failure(web, path).code for path in ("/declared", "/streamed", "/packed", "/deflated")}
    assert codes == {"too_large"}


def test_broken_and_unasked_encodings_fail_with_a_reason() -> None:
    with serving() as web:
        web.routes["/cut"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"hello" * 900)[:-9])
        web.routes["/junk"] = (200, {"Content-Encoding": "gzip"}, b"not gzip at all")
        web.routes["/br"] = (200, {"Content-Encoding": "br"}, b"\x0b\x02\x80")
        assert [_failure(web, path).code for path in ("/cut", "/junk", "/br")] == ["encoding"] * 3


def test_packed_page_is_unpacked_with_its_headers() -> None:
    with serving() as web:
        headers = {"Content-Encoding": "gzip", "ETag": '"v1"', "Content-Type": 'text/HTML; charset="UTF-8"'}
        web.routes["/"] = (200, headers, gzip.compress("héllo".encode()))
        page = Fetcher(allow_private=frozenset({web.host})).get(web.url + "/#part")
    assert (page.body.decode(), page.etag, page.content_type, page.charset) == (
        "héllo",
        '"v1"',
        "text/html",
        "utf-8",
    )


def test_conditions_are_sent_and_304_is_an_answer() -> None:
    with serving() as web:
        web.routes["/"] = (304, {}, b"")
        page = Fetcher(allow_private=frozenset({web.host})).get(web.url + "/", etag='"v1"')
        assert web.requests[0][1]["If-None-Match"] == '"v1"'
    assert page.status == 304


def test_error_status_is_an_answer_with_its_wish_to_wait() -> None:
    with serving() as web:
        web.routes["/"] = (503, {"Retry-After": "7"}, b"later")
        page = Fetcher(allow_private=frozenset({web.host})).get(web.url + "/")
    assert (page.status, page.retry_after_seconds) == (503, 7.0)


def test_server_that_hangs_up_is_a_failure_worth_retrying() -> None:
    with serving() as web:
        web.routes["/"] = (200, {"Content-Length": "500"}, b"short")
        failure = _failure(web, "/")
    assert (failure.code, failure.retryable) == ("network", True)
