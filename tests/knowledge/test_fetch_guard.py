"""Nothing that a customer types makes our servers talk to a private address."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.errors import FetchFailed, FetchRefused, KnowledgeError
from knowledge.fetch import Fetcher, Limits
from knowledge.targets import is_public, parse
from tests.knowledge.web import Web, serving

DATA = Path(__file__).parent.parent / "data"
PUBLIC = "93.184.215.14"


def _cases(*kinds: str) -> list[tuple[str, str, str]]:
    rows = []
    for line in (DATA / "ssrf.txt").read_text("utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        url, kind, _, fixture = (line.split("\t") + ["", ""])[:4]
        if kind in kinds:
            rows.append((url.replace("%EMPTY%", "").replace("%09RAWTAB", "\t"), kind, fixture))
    return rows


def _allowed() -> list[str]:
    lines = (DATA / "ssrf_allow.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


class Dials(list[tuple[str, int]]):
    """Records every address that a fetcher dials, and connects none of them."""

    def __call__(self, address: str, port: int, timeout_seconds: float) -> socket.socket:
        self.append((address, port))
        raise ConnectionRefusedError("not in a test")


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A listener on loopback that must never be connected to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("url", [url for url, _, _ in _cases("static")])
def test_forbidden_url_is_refused_without_lookup_or_connection(url: str) -> None:
    dials, lookups = Dials(), list[str]()
    fetcher = Fetcher(resolve=lambda host, port: lookups.append(host) or [PUBLIC], dial=dials)
    with pytest.raises(FetchRefused) as refusal:
        fetcher.get(url)
    assert (dials, lookups) == ([], [])
    assert not refusal.value.retryable
    assert refusal.value.sentence.endswith(".")


@pytest.mark.parametrize("url", _allowed())
def test_public_url_reaches_the_dialler_at_the_resolved_address(url: str) -> None:
    dials = Dials()
    with pytest.raises(FetchFailed, match="could not be read"):
        Fetcher(resolve=lambda host, port: [host if host[0].isdigit() else PUBLIC], dial=dials).get(url)
    assert dials


@pytest.mark.parametrize(("url", "fixture"), [(url, fixture) for url, _, fixture in _cases("resolve")])
def test_name_with_a_forbidden_answer_is_never_dialled(url: str, fixture: str) -> None:
    answers = [part.partition("=")[2] for part in fixture.split() if part.startswith(("A=", "AAAA="))]
    if "64 public" in fixture:
        answers = [f"93.184.215.{n}" for n in range(1, 65)] + ["10.0.0.1"]
    if fixture.startswith("CNAME=localhost"):
        answers = ["127.0.0.1"]
    answers = ["10.9.8.7" if "<" in answer else answer for answer in answers]
    dials = Dials()
    with pytest.raises(KnowledgeError) as refusal:
        Fetcher(resolve=lambda host, port: answers, dial=dials).get(url)
    assert refusal.value.code == ("address_private" if answers else "dns")
    assert dials == []


@pytest.mark.parametrize("bad", ["127.0.0.1", "169.254.169.254", "10.0.0.8", "::1", "64:ff9b::7f00:1"])
@pytest.mark.parametrize("calls_before", [1, 2, 7])
def test_a_name_that_changes_its_answer_is_dialled_only_where_it_was_checked(bad: str, calls_before: int) -> None:
    answers = iter([PUBLIC] * calls_before + [bad] * 3)
    dials = Dials()
    fetcher = Fetcher(resolve=lambda host, port: [next(answers)], dial=dials)
    for _ in range(calls_before):
        with pytest.raises(FetchFailed):
            fetcher.get("http://rebind.example/")
    with pytest.raises(FetchRefused):
        fetcher.get("http://rebind.example/")
    assert dials == [(PUBLIC, 80)] * calls_before


def _redirecting(web: Web, trap_port: int) -> dict[str, str]:
    """Path -> Location, for each redirect of the corpus and more."""
    here = f"http://public.example:{web.port}"
    targets = {
        "meta": "http://169.254.169.254/latest/meta-data/",
        "priv": "http://10.0.0.1/",
        "dec": "http://2130706433/",
        "file": "file:///etc/passwd",
        "rel": f"//127.0.0.1:{trap_port}/",
        "userinfo": "http://example.com@127.0.0.1/",
        "trap": f"http://127.0.0.1:{trap_port}/",
        "name": f"http://localhost:{trap_port}/",
        "mapped": f"http://[::ffff:127.0.0.1]:{trap_port}/",
        "nat64": "http://[64:ff9b::7f00:1]/",
        "backslash": f"http:\\\\127.0.0.1:{trap_port}\\",
        "chain0": f"{here}/r/chain1",
        "chain1": f"{here}/r/chain2",
        "chain2": f"{here}/r/chain3",
        "chain3": f"{here}/r/trap",
    }
    for name, location in targets.items():
        web.routes[f"/r/{name}"] = (302, {"Location": location}, b"")
    return targets


def test_every_redirect_to_a_forbidden_target_is_refused(trap: socket.socket) -> None:
    with serving() as web:
        names = _redirecting(web, trap.getsockname()[1])
        listed = frozenset({f"public.example:{web.port}"})
        fetcher = Fetcher(allow_private=listed, resolve=lambda host, port: ["127.0.0.1"])
        for name in names:
            with pytest.raises(FetchRefused):
                fetcher.get(f"http://public.example:{web.port}/r/{name}")


def test_redirect_loops_and_long_chains_end_with_a_reason() -> None:
    with serving() as web:
        web.routes["/self"] = (302, {"Location": "/self"}, b"")
        for n in range(8):
            web.routes[f"/{n}"] = (301, {"Location": f"/{n + 1}"}, b"")
        fetcher = Fetcher(allow_private=frozenset({web.host}))
        with pytest.raises(FetchFailed) as loop:
            fetcher.get(web.url + "/self")
        with pytest.raises(FetchFailed) as chain:
            fetcher.get(web.url + "/0")
        web.page("/5", "<p>end")
        assert fetcher.get(web.url + "/0").final_url == web.url + "/5"
    assert (loop.value.code, chain.value.code) == ("redirect_loop", "redirect_limit")


def test_redirect_from_https_to_another_plain_host_is_refused() -> None:
    source, same = parse("https://shop.example/a"), "http://shop.example/b"
    fetcher = Fetcher()
    assert fetcher._follow(source, same).url == same
    with pytest.raises(FetchRefused, match="unencrypted"):
        fetcher._follow(source, "http://other.example/b")


def test_refresh_headers_and_canonical_links_are_not_followed(trap: socket.socket) -> None:
    port = trap.getsockname()[1]
    with serving() as web:
        web.page(
            "/",
            f'<link rel=canonical href="http://127.0.0.1:{port}/">',
            Refresh=f"0;url=http://127.0.0.1:{port}/",
        )
        page = Fetcher(allow_private=frozenset({web.host})).get(web.url + "/")
    assert page.status == 200


def test_private_list_matches_host_and_port_exactly(trap: socket.socket) -> None:
    port = trap.getsockname()[1]
    fetcher = Fetcher(allow_private=frozenset({"127.0.0.1:9", f"docs.localhost:{port}"}))
    for url in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://a.docs.localhost:{port}/"):
        with pytest.raises(FetchRefused):
            fetcher.get(url)


def test_listed_name_below_localhost_is_fetched_with_its_own_host_header() -> None:
    with serving() as web:
        web.page("/", "<p>docs")
        listed = frozenset({f"docs.localhost:{web.port}"})
        page = Fetcher(allow_private=listed).get(f"http://docs.localhost:{web.port}/")
        assert web.requests[0][1]["Host"] == f"docs.localhost:{web.port}"
    assert page.body == b"<p>docs"


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch, trap: socket.socket) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.getsockname()[1]}")
    with serving() as web:
        web.page("/", "<p>direct")
        assert Fetcher(allow_private=frozenset({web.host})).get(web.url + "/").body == b"<p>direct"


@pytest.mark.parametrize(
    "address",
    [
        "168.63.129.16",
        "192.0.0.192",
        "192.88.99.1",
        "224.0.0.1",
        "fec0::1",
        "::7f00:1",
        "::ffff:0:127.0.0.1",
        "2002:0a00:1::",
        "2001:0:7f00:1::",
        "ff02::1",
        "fe80::1%eth0",
        "nonsense",
    ],
)
def test_address_beyond_the_library_list_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_public_address_is_public(address: str) -> None:
    assert is_public(address)


def test_slow_drip_ends_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    fetcher = Fetcher(limits=Limits(total_seconds=0.4), resolve=lambda host, port: [PUBLIC], dial=lambda *where: ours)
    stop = threading.Event()

    def drip() -> None:
        for byte in itertools.chain(b"HTTP/1.1 200 OK\r\nX: ", itertools.repeat(ord("a"))):
            if stop.wait(0.03):
                return
            theirs.send(bytes([byte]))

    with ours, theirs:
        dripper = threading.Thread(target=drip)
        dripper.start()
        started = time.monotonic()
        with pytest.raises(FetchFailed) as slow:
            fetcher.get("http://slow.example/")
        took = time.monotonic() - started
        stop.set()
        dripper.join()
    assert (slow.value.code, slow.value.retryable) == ("timeout", True)
    assert took < 2
