"""Which sites may show a project's widget."""

from __future__ import annotations

import pytest

from chat.embedding import frame_ancestors, may_embed
from tenants.workspace.sites import site_of

OWN = "https://acme.chat.example"


@pytest.mark.parametrize(
    ("written", "site"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example/cart?x=1", "https://shop.example"),
        ("shop.example", "https://shop.example"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("https://shop.example:443", "https://shop.example"),
        ("https://*.shop.example", "https://*.shop.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_entry_means_an_origin(written: str, site: str) -> None:
    assert site_of(written) == site


@pytest.mark.parametrize(
    "written",
    ["", "null", "*", "https://*", "ftp://shop.example", "https://a b", "https://x;script-src *", "javascript:alert(1)",
     "https://user@shop.example", "https://shop.example:99999", "https://shop.example:0", "https://my_shop.example",
     "https://sh*p.example", "https://a.*.example",
     None, 7, "data:x", "https://shop.example\r\nX: y/../z y"],
)  # fmt: skip
def test_what_is_no_site_never_reaches_a_header(written: object) -> None:
    site = site_of(written)
    assert site is None or site in {"https://null", "https://7", "https://none"}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example", True),
        ("https://SHOP.example", True),
        ("https://shop.example:443", True),
        (OWN, True),
        ("https://eu.brand.example", True),
        ("https://a.b.brand.example", True),
        ("https://brand.example", False),
        ("https://evilbrand.example", False),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://shop.example.evil.example", False),
        ("https://notshop.example", False),
        ("https://*.brand.example", False),
        ("shop.example", False),
        ("null", False),
        ("", False),
        (None, False),
    ],
)
def test_a_list_lets_in_exactly_its_sites(origin: str | None, allowed: bool) -> None:
    assert may_embed(origin, ["https://shop.example/", "https://*.brand.example"], OWN) is allowed


@pytest.mark.parametrize("origin", ["https://anything.example", "null", None])
def test_an_empty_list_lets_in_everyone(origin: str | None) -> None:
    assert may_embed(origin, [], OWN)
    assert frame_ancestors([]) == ["*"]


def test_a_list_of_nonsense_lets_in_nobody() -> None:
    assert not may_embed("https://shop.example", ["???"], OWN)
    assert frame_ancestors(["???"]) == ["'self'"]


def test_the_frame_names_each_site_once() -> None:
    assert frame_ancestors(["https://a.example", "a.example", "http://127.0.0.1:8001"]) == [
        "'self'", "https://a.example", "http://127.0.0.1:8001",
    ]  # fmt: skip
