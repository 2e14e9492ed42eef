"""The renderer against hostile text, and against eating honest text."""

from __future__ import annotations

import time
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.template import Context, Template
from lxml import html as parser

from chat.render import ALLOWED_SCHEMES, ALLOWED_TAGS, link_allowed, plain, rich, web_address

DATA = Path(__file__).parent.parent / "data" / "security"
LINKS = frozenset({"ok.example"})
REL = "noopener nofollow ugc"


def lines(name: str) -> list[str]:
    marks = ("#!",) if name == "xss.txt" else ("# ",)
    whole = (DATA / name).read_text(encoding="utf-8")
    return [line for line in whole.split("\n") if line and not line.startswith(marks)]


def forbidden(html: str, links: frozenset[str]) -> list[str]:
    """Every element, attribute and address of the parsed `html` that is not on the list."""
    found: list[str] = []
    for node in parser.fragment_fromstring(html, create_parent="div").iterdescendants():
        if not isinstance(node.tag, str) or node.tag not in ALLOWED_TAGS:
            found.append(str(node.tag))
            continue
        allowed = {"href", "rel"} if node.tag == "a" else set()
        found += [f"{node.tag}[{name}]" for name in node.attrib if name not in allowed]
        if node.tag == "a":
            parts = urlsplit(node.attrib["href"])
            if parts.scheme not in ALLOWED_SCHEMES or parts.netloc not in links or node.attrib["rel"] != REL:
                found.append(node.attrib["href"])
    return found


PAYLOADS = lines("xss.txt")


def test_the_payload_file_is_whole() -> None:
    assert len(PAYLOADS) >= 140
    assert sum(1 for payload in PAYLOADS if "evil.test" in payload) > 20


@pytest.mark.parametrize("links", [frozenset(), LINKS], ids=["no links", "one host"])
@pytest.mark.parametrize("shape", ["{}", "Hello {} there", "- {}\n- {}", "> {}", "`{}`", "[x]({})"])
def test_no_payload_leaves_a_forbidden_node(shape: str, links: frozenset[str]) -> None:
    shown = {payload: rich(shape.replace("{}", payload), links=links) for payload in PAYLOADS}
    leaks = {payload: found for payload, html in shown.items() if (found := forbidden(html, links))}
    assert leaks == {}


def test_no_payload_typed_by_a_person_becomes_a_node() -> None:
    for payload in PAYLOADS:
        assert forbidden(plain(payload), frozenset()) == []
        assert "<a" not in plain(payload)


def test_all_payloads_as_one_text() -> None:
    whole = "\n".join(PAYLOADS)
    assert forbidden(rich(whole, links=LINKS), LINKS) == []
    assert forbidden(plain(whole), frozenset()) == []


def seen(html: str) -> str:
    html = html.removeprefix("<p>").removesuffix("</p>").replace("</p><p>", "\n\n")
    return unescape(html.replace("<br>", "\n"))


@pytest.mark.parametrize("text", lines("benign_text.txt"))
def test_what_a_person_typed_is_seen_as_typed(text: str) -> None:
    assert seen(plain(text)) == text


def test_lines_and_paragraphs_of_a_person_are_kept() -> None:
    assert plain("a\nb\r\n\r\nc <b>") == "<p>a<br>b</p><p>c &lt;b&gt;</p>"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**bold** _it_ `code`", "<p><strong>bold</strong> <em>it</em> <code>code</code></p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("1. a", "<ol>\n<li>a</li>\n</ol>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("# Title", "<p><strong>Title</strong></p>"),
        ("5 < 6 && 7 > 3", "<p>5 &lt; 6 &amp;&amp; 7 &gt; 3</p>"),
        ("![a cat](https://ok.example/cat.png)", "<p>a cat</p>"),
        ("[go](https://ok.example/a?b=1)", f'<p><a href="https://ok.example/a?b=1" rel="{REL}">go</a></p>'),
        ("[go](https://evil.test/a)", "<p>go</p>"),
        ("[**go** now](https://evil.test/a) then", "<p><strong>go</strong> now then</p>"),
        ("<https://ok.example/>", f'<p><a href="https://ok.example/" rel="{REL}">https://ok.example/</a></p>'),
    ],
)
def test_markdown_of_the_ai(markdown: str, html: str) -> None:
    assert rich(markdown, links=LINKS).strip() == html


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://ok.example", True),
        ("http://OK.example:80/x", True),
        ("https://ok.example:8443/", False),
        ("http://127.0.0.1:8001/help", True),
        ("http://127.0.0.1/help", False),
        ("https://sub.ok.example/", False),
        ("https://ok.example@evil.test/", False),
        ("https://evil.test@ok.example/", False),
        ("https://ok.example.evil.test/", False),
        ("//ok.example/", False),
        ("/relative", False),
        ("javascript:alert(1)", False),
        ("ftp://ok.example/", False),
        ("https:\\\\ok.example\\x", False),
        ("https://ok.example:99999/", False),
        ("mailto:help@ok.example", True),
        ("mailto:help@ok.example?bcc=x@evil.test", False),
        ("mailto:x@evil.test", False),
    ],
)
def test_a_link_leads_only_to_a_named_host(url: str, allowed: bool) -> None:
    assert link_allowed(url, LINKS | {"127.0.0.1:8001"}) is allowed


@pytest.mark.parametrize("url", ["https://shop.example/a?b#c", "http://127.0.0.1:8001/x"])
def test_a_visitors_page_is_linked(url: str) -> None:
    assert web_address(url) == url


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "/x", "//x.example", "https://a@b.example", "http://[", ""]
)
def test_anything_else_a_visitor_claims_as_page_is_no_link(url: str) -> None:
    assert web_address(url) == ""


def test_a_hostile_shape_is_rendered_in_bounded_time() -> None:
    started = time.process_time()
    for unit in ("[", "> ", "*a ", "`" * 3, "![](", "<a ", "- " * 3 + "\n"):
        rich(unit * 5000)
    assert time.process_time() - started < 8


def test_the_filters_render_for_templates() -> None:
    template = Template("{% load safe_text %}{{ a|plain }}{{ b|rich:links }}")
    html = template.render(Context({"a": "<i>", "b": "*x*", "links": frozenset()}))
    assert html.strip() == "<p>&lt;i&gt;</p><p><em>x</em></p>"
