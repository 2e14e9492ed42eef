"""Pages are read in a child that serves one after the other, and that alone dies of a hostile one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from knowledge import pages
from knowledge.errors import ExtractFailed
from knowledge.extract import extract
from knowledge.pages import read_page

PAGE = b"""<html lang="de"><head><title>Lamps | Shop</title></head><body><main><h1>Lamps</h1><h2 id="x">Size</h2>
<p>A lamp that is too large for a parcel is brought by two people.</p><ul><li>one</li></ul></main>
<a href="/b">b</a></body></html>"""
TANGLED = b"<main>" + b'<button aria-expanded="false" aria-controls="x">q</button>' * 60_000


@pytest.fixture(autouse=True)
def child() -> Iterator[None]:
    yield
    pages._CHILD.close()


def pid() -> int:
    assert pages._CHILD._process is not None
    return pages._CHILD._process.pid


def test_a_page_reads_the_same_in_the_child() -> None:
    url = "https://help.example/a"
    assert read_page(PAGE, url=url) == extract(PAGE, url=url)
    latin = "<p>Größe über alles, und noch ein Satz dazu.</p>".encode("latin-1")
    assert read_page(latin, url=url, charset="latin-1") == extract(latin, url=url, charset="latin-1")


def test_texts_and_markdown_have_a_title() -> None:
    text = read_page("Über uns\n\nWe repair lamps in our own workshop.".encode(), kind="text", name="about")
    assert (text.title, text.blocks[-1].text) == ("about", "We repair lamps in our own workshop.")
    markdown = read_page(b"# Returns\n\n## Cost\n\nFree.", kind="markdown", name="x")
    assert (markdown.title, markdown.blocks[0].headings) == ("Returns", ("Cost",))


def test_one_child_serves_many_pages() -> None:
    read_page(PAGE)
    first = pid()
    for _ in range(5):
        read_page(PAGE)
    assert pid() == first


def test_the_child_knows_no_secret() -> None:
    read_page(PAGE)
    with open(f"/proc/{pid()}/environ", "rb") as environment:
        names = {entry.partition(b"=")[0] for entry in environment.read().split(b"\0") if entry}
    assert names <= {b"PATH", b"PYTHONIOENCODING", b"PYTHONHASHSEED"}


def test_a_page_that_takes_too_long_ends_the_child_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    read_page(PAGE)
    monkeypatch.setattr(pages, "WALL_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(ExtractFailed) as failure:
        read_page(TANGLED)
    assert failure.value.code == "page_too_big"
    assert time.monotonic() - started < 10
    monkeypatch.undo()
    assert read_page(PAGE).title == "Lamps"


def test_a_page_that_takes_too_much_memory_ends_the_child_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MEMORY_BYTES", 128 * 1024 * 1024)
    with pytest.raises(ExtractFailed) as failure:
        read_page(b"<main><p>" + b"x" * (64 * 1024 * 1024))
    assert failure.value.code == "page_too_big"
    assert read_page(PAGE).title == "Lamps"


def test_headings_repeated_above_every_line_are_cut() -> None:
    found = read_page(b"<main><h2>" + b"x" * 100_000 + b"</h2>" + b"<p>a</p>" * 500)
    assert len(found.blocks) == 19


def test_a_child_that_was_killed_is_replaced_for_the_next_page() -> None:
    read_page(PAGE)
    os.kill(pid(), signal.SIGKILL)
    with pytest.raises(ExtractFailed):
        read_page(PAGE)
    assert read_page(PAGE).title == "Lamps"


def test_a_child_that_went_home_idle_costs_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pages._CHILD.close()  # one that an earlier test began waits for longer
    monkeypatch.setattr(pages, "IDLE_SECONDS", 0.0)
    read_page(PAGE)
    gone = pages._CHILD._process
    assert gone is not None
    assert gone.wait(timeout=10) == 0
    assert read_page(PAGE).title == "Lamps"
    assert pid() != gone.pid


@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "zlib", "no-such", "utf-16"])
def test_odd_charsets_are_not_believed(charset: str) -> None:
    assert read_page(b"<p>You can send a lamp back within thirty days.</p>", charset=charset).links == ()
