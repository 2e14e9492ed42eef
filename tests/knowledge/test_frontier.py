"""A crawl visits the pages that its source means, each once, and no others."""

from __future__ import annotations

import pytest

from knowledge.crawl.frontier import Frontier, Scope, normalise

BASE = "https://www.Shop.example/help/"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("returns/", "https://www.shop.example/help/returns/"),
        ("/help/index.html", "https://www.shop.example/help/"),
        ("//shop.example/a//b", "https://shop.example/a/b"),
        ("https://shop.example:443/a#part", "https://shop.example/a"),
        ("a?utm_source=x&b=2&a=1&gclid=9", "https://www.shop.example/help/a?a=1&b=2"),
        ("a;jsessionid=12ab?x=1", "https://www.shop.example/help/a?x=1"),
        ("my page", "https://www.shop.example/help/my%20page"),
        ("größe", "https://www.shop.example/help/gr%C3%B6%C3%9Fe"),
        ("manual.pdf", "https://www.shop.example/help/manual.pdf"),
        ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x"),
        ("mailto:a@shop.example", ""),
        ("javascript:void(0)", ""),
        ("tel:123", ""),
        ("logo.PNG", ""),
        ("download.zip?x=1", ""),
        ("http://user:pw@shop.example/", ""),
        ("http://[::1", ""),
        ("/a/b/a/b/a/b/a/b", ""),
        ("/1/2/3/4/5/6/7/8/9/10/11/12/13", ""),
        ("?a=1&b=2&c=3&d=4&e=5&f=6&g=7", ""),
    ],
)
def test_links_are_brought_to_one_spelling(link: str, url: str) -> None:
    assert normalise(link, base=BASE) == url


@pytest.mark.parametrize(
    ("start", "inside", "outside"),
    [
        ("https://a.example/", "https://a.example/x/y", "https://b.a.example/"),
        ("https://a.example/help/", "https://a.example/help/x", "https://a.example/helpful"),
        ("https://a.example/help", "https://a.example/help", "https://a.example/helpful"),
        ("https://a.example/help", "https://a.example/help/x", "https://a.example/"),
        ("https://a.example/help/index.html", "https://a.example/help/", "https://a.example/blog/"),
        ("https://a.example/d/start.html", "https://a.example/d/b.html", "https://a.example/e.html"),
        ("http://a.example/", "https://www.a.example/", "http://a.example:8080/"),
        ("http://127.0.0.1:9001/help/", "http://127.0.0.1:9001/help/a", "http://127.0.0.1:9002/help/a"),
    ],
)
def test_scope_is_the_host_and_the_folder(start: str, inside: str, outside: str) -> None:
    scope = Scope.of(start)
    assert scope.contains(inside)
    assert not scope.contains(outside)


def _frontier(**limits: int) -> Frontier:
    return Frontier(Scope.of("https://a.example/"), **({"max_pages": 100, "max_depth": 3} | limits))


def _drain(frontier: Frontier) -> list[str]:
    found = []
    while entry := frontier.pop():
        found.append(entry[0].removeprefix("https://a.example"))
    return found


def test_each_page_is_queued_once_however_it_is_spelled() -> None:
    frontier = _frontier()
    spelled = ["https://a.example/x", "https://a.example/x/", "http://www.a.example/x", "https://a.example/y"]
    frontier.add(spelled, depth=1)
    assert _drain(frontier) == ["/x", "/y"]


def test_near_pages_come_before_far_ones() -> None:
    frontier = _frontier()
    frontier.add(["https://a.example/1"], depth=1)
    frontier.add(["https://a.example/2"], depth=2)
    frontier.add(["https://a.example/3"], depth=4)
    assert _drain(frontier) == ["/1", "/2"]


def test_page_limit_bounds_the_queue() -> None:
    frontier = _frontier(max_pages=5)
    frontier.add([f"https://a.example/{n}" for n in range(10_000)], depth=1)
    assert frontier.found == len(_drain(frontier)) == 5


def test_a_page_reached_under_another_name_is_known_afterwards() -> None:
    frontier = _frontier()
    assert frontier.mark("https://a.example/end")
    assert not frontier.mark("https://a.example/end/")
    frontier.add(["https://a.example/end"], depth=1)
    assert _drain(frontier) == []
