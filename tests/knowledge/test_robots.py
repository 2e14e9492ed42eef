"""The crawler keeps to what a site asks."""

from __future__ import annotations

import gzip
import subprocess
import sys

import pytest

from knowledge.crawl.robots import Sitemap, parse_sitemap, read_robots, read_sitemap
from knowledge.errors import FetchFailed
from knowledge.fetch import Fetcher
from tests.knowledge.web import serving

MAP = (
    b'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    b"<url><loc> https://a.example/1 </loc></url><url><loc>https://a.example/2</loc></url></urlset>"
)


def test_rules_delay_and_sitemaps_are_read() -> None:
    with serving() as web:
        rules = b"User-agent: *\nDisallow: /internal/\nCrawl-delay: 90\nSitemap: https://a.example/s.xml"
        web.routes["/robots.txt"] = (200, {"Content-Type": "text/plain"}, rules)
        robots = read_robots(Fetcher(allow_private=frozenset({web.host})), web.url + "/help/")
        assert robots.allows(web.url + "/help/")
        assert not robots.allows(web.url + "/internal/x")
    assert robots.delay_seconds == 30
    assert robots.sitemaps == ["https://a.example/s.xml"]


def test_our_own_name_is_obeyed() -> None:
    with serving() as web:
        web.routes["/robots.txt"] = (
            200,
            {},
            b"User-agent: BuiltABot\nDisallow: /\n\nUser-agent: *\nDisallow:",
        )
        robots = read_robots(Fetcher(allow_private=frozenset({web.host})), web.url)
        assert not robots.allows(web.url + "/")


def test_no_robots_file_allows_everything_and_a_failing_one_stops() -> None:
    with serving() as web:
        fetcher = Fetcher(allow_private=frozenset({web.host}))
        assert read_robots(fetcher, web.url).allows(web.url + "/internal/")
        web.routes["/robots.txt"] = (503, {}, b"")
        with pytest.raises(FetchFailed) as failure:
            read_robots(fetcher, web.url)
    assert failure.value.retryable


def test_sitemap_is_read_plain_and_packed() -> None:
    with serving() as web:
        web.routes["/s.xml"] = (200, {}, MAP)
        web.routes["/s.xml.gz"] = (200, {"Content-Type": "application/gzip"}, gzip.compress(MAP))
        fetcher = Fetcher(allow_private=frozenset({web.host}))
        both = [read_sitemap(fetcher, web.url + path) for path in ("/s.xml", "/s.xml.gz", "/none.xml")]
    assert [found.pages for found in both] == [("https://a.example/1", "https://a.example/2")] * 2 + [()]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not a map</html>",
        b"<urlset><url><loc>",
        b'<!DOCTYPE u [<!ENTITY e SYSTEM "file:///etc/passwd">]><urlset><url><loc>&e;</loc></url></urlset>',
        b'<!DOCTYPE u [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        b"<urlset><url><loc>&b;</loc></url></urlset>",
    ],
)
def test_hostile_sitemap_names_no_page(body: bytes) -> None:
    assert parse_sitemap(body) == Sitemap()


def test_endless_sitemap_is_cut() -> None:
    body = b"<urlset>" + b"<url><loc>https://a.example/x</loc></url>" * 60_000 + b"</urlset>"
    assert len(parse_sitemap(body).pages) == 50_000


def test_an_index_names_other_sitemaps_relative_to_itself() -> None:
    with serving() as web:
        web.routes["/maps/index.xml"] = (
            200,
            {},
            b'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>https://a.example/1.xml'
            b"</loc><lastmod>2026-01-01</lastmod></sitemap><sitemap><loc>2.xml</loc></sitemap></sitemapindex>",
        )
        found = read_sitemap(Fetcher(allow_private=frozenset({web.host})), web.url + "/maps/index.xml")
    assert found == Sitemap(maps=("https://a.example/1.xml", web.url + "/maps/2.xml"))


@pytest.mark.parametrize(("status", "is_unread"), [(404, False), (410, False), (403, True), (429, True), (503, True)])
def test_a_sitemap_that_cannot_be_read_now_is_told_from_none(status: int, is_unread: bool) -> None:
    with serving() as web:
        web.routes["/s.xml"] = (status, {}, b"")
        found = read_sitemap(Fetcher(allow_private=frozenset({web.host})), web.url + "/s.xml")
    assert found == Sitemap(is_unread=is_unread)


def test_a_sitemap_of_empty_elements_takes_little_memory() -> None:
    script = (
        "import resource, sys; from knowledge.crawl.robots import parse_sitemap; "
        "body = b'<urlset><url><loc>https://a.example/</loc></url>' + b'<a/>' * 2_500_000 + b'</urlset>'; "
        "most = int(open('/proc/self/statm').read().split()[0]) * 4096 + 50_000_000; "
        "resource.setrlimit(resource.RLIMIT_AS, (most, most)); "
        "print(parse_sitemap(body).pages)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("('https://a.example/',)\n", "")
