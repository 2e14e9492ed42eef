"""A page keeps what it says, loses what surrounds it, and its parts stay separate."""

from __future__ import annotations

import time

import pytest

from knowledge.extract import decode, extract

LONG = "Parcels leave our warehouse in Graz each weekday before noon, and you can follow each by its number. " * 3


def _page(main: str, *, head: str = "", around: str = "") -> bytes:
    return (
        f'<!doctype html><html lang="en-GB"><head><title>Shipping | Acme</title>{head}</head><body>'
        f'<div class="cookie-banner" role="dialog">We use cookies <button>OK</button></div>'
        f'<header><nav><a href="/">Home</a><a href="/billing">Billing</a></nav></header>'
        f'<aside class="sidebar">Sidebar list</aside>{main}{around}'
        f'<footer>All rights reserved</footer><script>var a = "script text"</script></body></html>'
    ).encode()


def _read(html: bytes, **more: str):
    return extract(html, url="https://help.example/shipping/", **more)


def test_only_the_article_is_kept() -> None:
    page = _read(_page(f"<main><article><h1>Shipping costs</h1><p>{LONG}</p></article></main>"))
    assert (page.title, page.language) == ("Shipping costs", "en")
    assert [block.text for block in page.blocks] == [LONG.strip()]
    assert page.links == ("https://help.example/", "https://help.example/billing")


def test_page_without_landmark_falls_back_to_its_prose() -> None:
    body = f"<div><div><h2>Delivery times</h2><p>{LONG}</p><p>{LONG.replace('Graz', 'Linz')}</p></div></div>"
    page = _read(_page(body))
    assert page.title == "Shipping"
    assert "Graz" in page.text
    assert "Linz" in page.text
    assert "rights reserved" not in page.text


@pytest.mark.parametrize(
    "accordion",
    [
        '<h3 id="lost"><button aria-expanded="false" aria-controls="p">Is it lost?</button></h3>'
        '<div id="p" hidden><p>Ask us.</p></div>',
        '<button id="lost" aria-expanded="false" aria-controls="p">Is it lost?</button>'
        '<div id="p" aria-hidden="true"><p>Ask us.</p></div>',
        '<details id="lost"><summary>Is it lost?</summary><p>Ask us.</p></details>',
        '<dl><dt id="lost">Is it lost?</dt><dd>Ask us.</dd></dl>',
        '<div role="button" id="lost" aria-expanded="true">Is it lost?</div><p>Ask us.</p>',
    ],
)
def test_accordion_question_becomes_the_heading_of_its_answer(accordion: str) -> None:
    page = _read(_page(f"<main><h1>Shipping</h1><h2>Parcels</h2><p>{LONG}</p>{accordion}</main>"))
    answer = page.blocks[-1]
    assert (answer.text, answer.headings, answer.anchor) == ("Ask us.", ("Parcels", "Is it lost?"), "lost")


def test_two_accordion_answers_do_not_share_a_heading() -> None:
    items = "".join(
        f"<button aria-expanded='false'>Question {n}?</button><div><p>Answer {n}.</p></div>" for n in (1, 2)
    )
    page = _read(_page(f"<main><h1>FAQ</h1><p>{LONG}</p>{items}</main>"))
    assert [(b.headings, b.text) for b in page.blocks[1:]] == [
        (("Question 1?",), "Answer 1."),
        (("Question 2?",), "Answer 2."),
    ]


def test_menu_buttons_and_feedback_are_not_content() -> None:
    extra = (
        '<button aria-expanded="false" aria-haspopup="true">Menu</button>'
        '<div class="feedback"><p>Was this helpful?</p></div><form><p>Search</p></form>'
    )
    page = _read(_page(f"<main><h1>Shipping</h1><p>{LONG}</p>{extra}</main>"))
    assert page.text == LONG.strip()


def test_ending_list_of_links_is_dropped_in_any_language() -> None:
    related = '<h2>Articles connexes</h2><ul><li><a href="/a">Retours</a></li><li><a href="/b">Prix</a></li></ul>'
    page = _read(_page(f"<main><h1>Shipping</h1><p>{LONG}</p>{related}</main>"))
    assert "Retours" not in page.text
    assert "https://help.example/a" in page.links


def test_french_question_in_a_heading_id_is_no_comment_section() -> None:
    page = _read(
        _page(f'<main><h1>Aide</h1><p>{LONG}</p><h2 id="comment-payer">Comment payer ?</h2><p>Ici.</p></main>')
    )
    assert page.blocks[-1].headings == ("Comment payer ?",)


def test_table_rows_stand_alone() -> None:
    table = (
        "<table><thead><tr><th>Country</th><th>Standard</th><th>Express</th></tr></thead><tbody>"
        "<tr><th>Austria</th><td>2 days</td><td>1 day</td></tr>"
        '<tr><td>Norway</td><td colspan="2">5 days</td></tr></tbody></table>'
    )
    page = _read(_page(f"<main><h1>Shipping</h1><p>{LONG}</p>{table}</main>"))
    assert [b.text for b in page.blocks if b.kind == "row"] == [
        "Country: Austria; Standard: 2 days; Express: 1 day",
        "Country: Norway; Standard: 5 days; Express: 5 days",
    ]


def test_lists_keep_their_steps_and_lines_keep_their_breaks() -> None:
    steps = "<ol><li>Open <b>Orders</b>.</li><li><p>Press Cancel.</p></li></ol><p>Acme<br>Graz</p>"
    page = _read(_page(f"<main><h1>Shipping</h1><p>{LONG}</p>{steps}</main>"))
    assert [b.text for b in page.blocks[1:]] == ["1. Open Orders.", "2. Press Cancel.", "Acme Graz"]


def test_canonical_noindex_and_nofollow_are_read() -> None:
    head = '<link rel="canonical" href="/shipping"><meta name="ROBOTS" content="NOINDEX, follow">'
    page = _read(_page(f'<main><h1>S</h1><p>{LONG}</p><a rel="nofollow" href="/x">x</a></main>', head=head))
    assert (page.canonical, page.is_noindex) == ("https://help.example/shipping", True)
    assert "https://help.example/x" not in page.links


def test_page_made_by_script_says_so() -> None:
    page = extract(
        b'<html><body><div id="app"></div><script src="/app.js"></script></body></html>',
        url="https://a.example/",
    )
    assert (page.blocks, page.needs_script) == ((), True)


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("Größe".encode(), "", "Größe"),
        ("Größe".encode("latin-1"), "", "Größe"),
        ("Größe".encode("latin-1"), "utf-8", "Größe"),
        ("注文".encode("shift_jis"), "Shift_JIS", "注文"),
        ('<meta charset="windows-1251">Заказ'.encode("cp1251"), "", '<meta charset="windows-1251">Заказ'),
        (b"\xff\xfe" + "Größe".encode("utf-16-le"), "utf-8", "Größe"),
        (b"a\0b", "no-such-charset", "ab"),
    ],
)
def test_wrong_and_missing_charsets_are_coped_with(body: bytes, charset: str, text: str) -> None:
    assert decode(body, charset=charset).removeprefix("\ufeff") == text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        b"<" * 5000,
        b"<div>" * 20_000,
        b"<table>" * 3000,
        b"<main><h1>x</h1>" + b"<b>" * 9000 + b"deep",
        bytes(range(256)) * 40,
        b'<?xml version="1.0" encoding="utf-16"?><html><body><main>x</main></body></html>',
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><html><main>&x;</main></html>",
    ],
)
def test_broken_html_is_read_or_empty_never_an_error(body: bytes) -> None:
    assert "root:" not in extract(body, url="https://a.example/").text


def test_many_accordions_take_no_time() -> None:
    button = b'<h3><button aria-expanded="false" aria-controls="p%d">q</button></h3><p hidden id="p%d">a</p>'
    body = b"<main>" + b"".join(button % (n, n) for n in range(6000)) + b"</main>"
    started = time.process_time()
    assert len(extract(body, url="https://a.example/").blocks) == 6000
    assert time.process_time() - started < 8
