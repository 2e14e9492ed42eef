"""Pages that only lead to others are left out; pages that say something are not, however many links they have."""

from __future__ import annotations

import time

import pytest

from builtabot.demo.site import paths, respond
from knowledge.extract import extract

SENTENCE = "A lamp that is too large for a parcel is brought by two people, who ring an hour before."


def is_listing(main: str) -> bool:
    html = f"<html><body><nav><a href='/'>Home</a></nav><main>{main}</main></body></html>"
    return extract(html.encode(), url="https://help.example/").is_listing


def entries(form: str, count: int = 5) -> str:
    return "".join(form.format(n=n, name=f"Returning lamp number {n}", text=SENTENCE) for n in range(count))


@pytest.mark.parametrize(
    "form",
    [
        '<li><a href="/{n}">{name}</a></li>',
        '<li><a href="/{n}">{name}</a><p>{text}</p></li>',
        '<li><a href="/{n}">{name}</a> – {text}</li>',
        '<article><h2><a href="/{n}">{name}</a></h2><p>{text}</p><a href="/{n}">Read on</a></article>',
        '<a href="/{n}"><h3>{name}</h3><p>{text}</p></a>',
        '<section><h2><a href="/{n}/">{name}</a></h2><ul><li><a href="/{n}/a">The first page</a></li></ul></section>',
        '<dl><dt><a href="/{n}">{name}</a></dt><dd></dd></dl>',
    ],
)
def test_indexes_are_seen(form: str) -> None:
    assert is_listing(f"<h1>Returns</h1>{entries(form)}")
    assert is_listing(f"<h1>How can we help?</h1><p>Every page is written by us.</p>{entries(form, 12)}")


@pytest.mark.parametrize(
    "main",
    [
        f"<h1>Large lamps</h1><p>{SENTENCE}</p>",
        "<h1>Returns</h1><ul>" + entries("<li>{text} See <a href='/{n}'>{name}</a>.</li>") + "</ul>",
        "<h1>Returns</h1><ol>" + entries("<li><a href='/{n}'>Sign in</a> and open the order. {text}</li>") + "</ol>",
        "<h1>Call us</h1><ul>" + entries("<li><a href='tel:+43{n}'>+43 {n}</a></li>") + "</ul>",
        "<h1>On this page</h1><ul>" + entries("<li><a href='#{n}'>{name}</a></li>") + "</ul>",
        f"<h1>Large lamps</h1><p>{SENTENCE * 3}</p><ul>" + entries("<li><a href='/{n}'>{name}</a></li>", 4) + "</ul>",
        "<h1>Nothing</h1>",
        "",
    ],
)
def test_pages_that_say_something_are_kept(main: str) -> None:
    assert not is_listing(main)


def test_of_the_demos_pages_exactly_the_indexes_are_left_out() -> None:
    found = set()
    for path in paths():
        answer = respond(path, widget_base_url="http://acme.localhost:8000", site_base_url="http://127.0.0.1:8001")
        if "html" in answer.content_type and extract(answer.body, url=f"http://127.0.0.1:8001{path}").is_listing:
            found.add(path)
    assert found == {path for path in paths() if path.startswith("/help/") and path.endswith("/")}


def test_endless_lists_take_no_time() -> None:
    started = time.monotonic()
    links = "".join(f"<a href='/{n}'>Lamp {n}</a> and some words about it " for n in range(20_000))
    is_listing(f"<h1>All</h1><div><div><div>{links}</div></div></div>")
    assert time.monotonic() - started < 5
