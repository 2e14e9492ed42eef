"""A crawl reads what a source means, politely, once, and can be picked up where it fell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from knowledge.crawl.run import MOST_SITEMAPS, Bounds, Crawl, Ending, PageRead, Visit
from knowledge.errors import FetchFailed, FetchRefused, RunStopped
from knowledge.extract import Extracted, extract
from knowledge.fetch import Fetcher, Page
from tests.knowledge.web import Web, serving

FILLER = "Every lamp is tested for a whole day before it leaves our workshop, and it is packed in paper. " * 3


@dataclass
class Memory:
    """A store without a database; `stop_after` pages it refuses to go on, like a cancelled run."""

    pages: list[PageRead] = field(default_factory=list)
    beats: int = 0
    stop_after: int = 10_000
    live: list[str] = field(default_factory=list)

    def visited(self) -> dict[str, Visit]:
        return {
            page.url: Visit(
                page.links,
                page.text_hash,
                page.state == "skipped" and len(page.links) == 1 and not page.title,
                page.may_return,
            )
            for page in self.pages
        }

    def live_urls(self) -> list[str]:
        return self.live

    def beat(self, *, found: int) -> None:
        self.beats += 1
        if len(self.pages) >= self.stop_after:
            raise RunStopped("cancelled", "This crawl was cancelled.")

    def keep(self, page: PageRead, *, found: int) -> None:
        assert page.url not in {other.url for other in self.pages}
        self.pages.append(page)

    def states(self, web: Web) -> dict[str, str]:
        return {page.url.removeprefix(web.url): page.state for page in self.pages}

    def error(self, web: Web, path: str) -> str:
        return next(page.error for page in self.pages if page.url == web.url + path)


def article(web: Web, path: str, *links: str, text: str = "", head: str = "") -> None:
    anchors = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    body = f"<main><h1>Page {path}</h1><p>{text or FILLER + path}</p></main><nav>{anchors}</nav>"
    web.page(path, f"<html><head>{head}</head><body>{body}</body></html>")


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


def crawl(web: Web, start: str = "/", *, store: Memory | None = None, **bounds: int) -> Memory:
    store = store or Memory()
    Crawl(Fetcher(allow_private=frozenset({web.host})), store, Bounds(**bounds)).run(web.url + start)
    return store


def test_pages_are_found_by_links_and_by_sitemap(web: Web) -> None:
    article(web, "/", "/a", "/logo.png", "https://elsewhere.example/")
    article(web, "/a", "/b#part", "/")
    article(web, "/b")
    article(web, "/alone")
    web.routes["/sitemap.xml"] = (200, {}, f"<urlset><url><loc>{web.url}/alone</loc></url></urlset>".encode())
    store = crawl(web)
    assert store.states(web) == {"/": "ok", "/a": "ok", "/b": "ok", "/alone": "ok"}
    assert web.paths().count("/a") == 1


def test_pages_outside_the_start_folder_are_left_alone(web: Web) -> None:
    article(web, "/help/", "/help/a", "/blog/x")
    article(web, "/help/a")
    article(web, "/blog/x")
    assert crawl(web, "/help/").states(web) == {"/help/": "ok", "/help/a": "ok"}


def test_robots_rules_are_kept_and_named(web: Web) -> None:
    web.routes["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /internal/")
    article(web, "/", "/internal/plan", "/open")
    article(web, "/internal/plan")
    article(web, "/open")
    store = crawl(web)
    assert store.states(web) == {"/": "ok", "/internal/plan": "skipped", "/open": "ok"}
    assert "robots.txt" in store.error(web, "/internal/plan")
    assert "/internal/plan" not in web.paths()


def test_every_kind_of_bad_page_has_its_reason(web: Web) -> None:
    paths = ("/gone", "/secret", "/hidden", "/copy", "/empty", "/app", "/soft", "/print", "/image", "/moved", "/all")
    article(web, "/", *paths)
    web.routes["/secret"] = (403, {}, b"")
    article(web, "/hidden", head='<meta name="robots" content="noindex">')
    article(web, "/copy", text=FILLER + "/")
    web.page("/copy", web.routes["/"][2].decode())
    web.page("/empty", "<html><body></body></html>")
    web.page("/app", '<html><body><div id="root"></div><script src="/app.js"></script></body></html>')
    web.page("/soft", "<main><h1>Page not found</h1><p>Sorry.</p></main>")
    article(web, "/print", head='<link rel="canonical" href="/original">')
    article(web, "/original")
    web.routes["/image"] = (200, {"Content-Type": "image/png"}, b"\x89PNG")
    web.routes["/moved"] = (301, {"Location": "/target"}, b"")
    article(web, "/target")
    web.page("/all", '<main><h1>All</h1><ul><li><a href="/original">Original</a></li></ul></main>')
    store = crawl(web)
    reasons = {path: store.error(web, path) for path, state in store.states(web).items() if state != "ok"}
    assert reasons == {
        "/gone": "There is no page at this address (404).",
        "/secret": "The site does not let us read this page (403).",
        "/hidden": "The page asks not to be indexed.",
        "/copy": "Another page has the same text.",
        "/empty": "No text found.",
        "/app": "The page is made by scripts and has no text of its own.",
        "/soft": "The page says that it does not exist.",
        "/print": f"The same page is at {web.url}/original.",
        "/image": "This is not a page (image/png).",
        "/moved": f"This address leads to {web.url}/target.",
        "/all": "The page only leads to other pages.",
    }
    assert {path for path, state in store.states(web).items() if state == "ok"} == {
        "/",
        "/original",
        "/target",
    }
    assert store.states(web)["/gone"] == "failed"


def test_broken_template_that_calls_every_page_the_front_page_is_not_believed(web: Web) -> None:
    head = '<link rel="canonical" href="/">'
    article(web, "/", "/a", "/b", head=head)
    article(web, "/a", head=head)
    article(web, "/b", head=head)
    assert set(crawl(web).states(web).values()) == {"ok"}


def test_page_limit_and_depth_end_an_endless_site(web: Web) -> None:
    for n in range(60):
        article(web, f"/cal/{n}", f"/cal/{n + 1}")
    article(web, "/", "/cal/0")
    assert len(crawl(web, "/", max_pages=7).pages) == 7
    assert len(crawl(web, "/", max_depth=4).pages) == 5


def test_stopped_crawl_resumes_without_fetching_a_page_twice(web: Web) -> None:
    names = [f"/p{n}" for n in range(9)]
    article(web, "/", *names[:5], "/old")
    web.routes["/old"] = (302, {"Location": "/new"}, b"")
    article(web, "/new", *names[5:])
    for name in names:
        article(web, name)
    whole = crawl(web)
    for stop_after in range(1, len(whole.pages)):
        web.requests.clear()
        store = Memory(stop_after=stop_after)
        with pytest.raises(RunStopped):
            crawl(web, store=store)
        store.stop_after = 10_000
        crawl(web, store=store)
        assert store.states(web) == whole.states(web)
        fetched = [path for path in web.paths() if "robots" not in path and "sitemap" not in path and path != "/new"]
        assert len(fetched) == len(set(fetched))


def test_start_that_leads_to_another_folder_is_followed(web: Web) -> None:
    web.routes["/help"] = (301, {"Location": "/hc/en/"}, b"")
    article(web, "/hc/en/", "/hc/en/a", "/hc/de/")
    article(web, "/hc/en/a")
    store = crawl(web, "/help")
    assert store.states(web) == {"/help": "skipped", "/hc/en/": "ok", "/hc/en/a": "ok"}


def test_start_that_cannot_be_read_ends_the_crawl_with_its_reason(web: Web) -> None:
    with pytest.raises(FetchFailed) as missing:
        crawl(web, "/nothing")
    assert missing.value.code == "http_404"
    with pytest.raises(FetchRefused):
        Crawl(Fetcher(), Memory()).run(web.url + "/")


def test_links_to_private_addresses_are_never_contacted(web: Web) -> None:
    with serving() as trap:
        article(web, "/", trap.url + "/x", "http://169.254.169.254/latest/", "http://localhost:1/")
        web.routes["/sitemap.xml"] = (
            200,
            {},
            f"<urlset><url><loc>{trap.url}/y</loc></url></urlset>".encode(),
        )
        web.routes["/robots.txt"] = (200, {}, f"Sitemap: {trap.url}/sitemap.xml".encode())
        crawl(web)
        assert trap.requests == []


def test_public_hosts_get_one_request_a_second_or_what_they_ask(web: Web) -> None:
    now, naps = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    class Everywhere(Fetcher):
        """Reaches the test's server under a public name, as if it stood on the internet."""

        def get(self, url: str, **options: object):
            local = Fetcher(
                allow_private=frozenset({f"a.example:{web.port}"}), resolve=lambda host, port: ["127.0.0.1"]
            )
            page = local.get(url.replace("a.example", f"a.example:{web.port}"))
            return page.__class__(**{**page.__dict__, "final_url": url})

    web.routes["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 3")
    article(web, "/", "http://a.example/1", "http://a.example/2")
    article(web, "/1")
    article(web, "/2")
    store = Memory()
    Crawl(Everywhere(), store, sleep=sleep, clock=lambda: now[0]).run("http://a.example/")
    assert len([page for page in store.pages if page.state == "ok"]) == 3
    assert now[0] == 3 * 3  # the sitemap and three pages: three waits between four requests
    assert max(naps) <= 1.0  # the lease is renewed while waiting


def test_busy_site_is_asked_once_more_after_the_wait_it_names(web: Web) -> None:
    answers = iter(
        [
            (429, {"Retry-After": "0"}, b""),
            (200, {"Content-Type": "text/html"}, b"<main><p>At last: " + FILLER.encode()),
        ]
    )
    article(web, "/", "/busy")
    web.routes["/busy"] = lambda: next(answers)
    store = Memory()
    Crawl(Fetcher(allow_private=frozenset({web.host})), store, sleep=lambda seconds: None).run(web.url + "/")
    assert store.states(web) == {"/": "ok", "/busy": "ok"}


def test_single_page_reads_only_that_page(web: Web) -> None:
    article(web, "/a", "/b")
    article(web, "/b")
    store = Memory()
    Crawl(Fetcher(allow_private=frozenset({web.host})), store).run(web.url + "/a", kind="page")
    assert store.states(web) == {"/a": "ok"}


def test_sitemap_source_reads_what_the_sitemap_lists(web: Web) -> None:
    article(web, "/a", "/b")
    article(web, "/b")
    web.routes["/maps/s.xml"] = (200, {}, f"<urlset><url><loc>{web.url}/a</loc></url></urlset>".encode())
    store = Memory()
    Crawl(Fetcher(allow_private=frozenset({web.host})), store).run(web.url + "/maps/s.xml", kind="sitemap")
    assert store.states(web) == {"/a": "ok"}


def sitemap(web: Web, path: str, *pages: str, maps: tuple[str, ...] = ()) -> None:
    entries = "".join(f"<url><loc>{web.url}{page}</loc></url>" for page in pages)
    entries += "".join(f"<sitemap><loc>{web.url}{name}</loc></sitemap>" for name in maps)
    web.routes[path] = (200, {}, f"<urlset>{entries}</urlset>".encode())


def listed(web: Web, start: str, store: Memory | None = None) -> tuple[Ending, Memory]:
    store = store or Memory()
    crawl = Crawl(Fetcher(allow_private=frozenset({web.host})), store, sleep=lambda seconds: None)
    return crawl.run(web.url + start, kind="sitemap"), store


def test_indexes_of_sitemaps_are_followed_three_deep_and_once(web: Web) -> None:
    for path in ("/a", "/b", "/c", "/d"):
        article(web, path)
    sitemap(web, "/1.xml", "/a", maps=("/2.xml", "/1.xml"))
    sitemap(web, "/2.xml", "/b", maps=("/3.xml", "/2.xml"))
    sitemap(web, "/3.xml", "/c", maps=("/4.xml",))
    sitemap(web, "/4.xml", "/d")
    ending, store = listed(web, "/1.xml")
    assert (ending, store.states(web)) == ("whole", {"/a": "ok", "/b": "ok", "/c": "ok"})
    assert [path for path in web.paths() if path.endswith(".xml")] == ["/1.xml", "/2.xml", "/3.xml"]


def test_no_more_sitemaps_are_read_than_the_bound_and_it_is_said(web: Web) -> None:
    article(web, "/a")
    sitemap(web, "/0.xml", maps=tuple(f"/{n}.xml" for n in range(1, 80)))
    for n in range(1, 80):
        sitemap(web, f"/{n}.xml", "/a")
    ending, store = listed(web, "/0.xml")
    assert (ending, store.states(web)) == ("many lists", {"/a": "ok"})
    assert len([path for path in web.paths() if path.endswith(".xml")]) == MOST_SITEMAPS


def test_a_turn_ends_after_a_page_and_the_next_goes_on(web: Web) -> None:
    article(web, "/", "/a", "/b")
    article(web, "/a", "/c")
    article(web, "/b")
    article(web, "/c")
    store, endings = Memory(), []
    for _ in range(5):
        fetcher = Fetcher(allow_private=frozenset({web.host}))
        endings.append(str(Crawl(fetcher, store, Bounds(seconds=0.0)).run(web.url + "/")))
    assert endings == ["paused", "paused", "paused", "paused", "whole"]
    assert store.states(web) == {"/": "ok", "/a": "ok", "/b": "ok", "/c": "ok"}
    assert [web.paths().count(path) for path in ("/", "/a", "/b", "/c")] == [1, 1, 1, 1]


def test_the_run_says_that_it_lives_between_fetching_a_page_and_reading_it(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[str]()

    class Telling(Fetcher):
        def get(self, url: str, **options: Any) -> Page:
            told.append("fetch")
            return super().get(url, **options)

    class Listening(Memory):
        def beat(self, *, found: int) -> None:
            told.append("beat")

    def read(body: bytes, **more: Any) -> Extracted:
        told.append("read")
        return extract(body, **more)

    article(web, "/")
    monkeypatch.setattr("knowledge.crawl.run.read_page", read)
    Crawl(Telling(allow_private=frozenset({web.host})), Listening()).run(web.url + "/", kind="page")
    assert told[-4:] == ["beat", "fetch", "beat", "read"]


@pytest.mark.parametrize(
    ("answer", "may_return"),
    [(404, False), (410, False), (401, True), (403, True), (429, True), (500, True), (503, True)],
)
def test_a_page_that_may_return_is_told_from_one_that_is_gone(web: Web, answer: int, may_return: bool) -> None:
    article(web, "/", "/a")
    web.routes["/a"] = (answer, {"Retry-After": "0"}, b"")
    store = Memory()
    Crawl(Fetcher(allow_private=frozenset({web.host})), store, sleep=lambda seconds: None).run(web.url + "/")
    assert {page.url.removeprefix(web.url): page.may_return for page in store.pages} == {"/": False, "/a": may_return}


@pytest.mark.parametrize("broken", ["/hub", "/sitemap.xml"])
def test_what_an_unreadable_page_or_sitemap_led_to_is_visited_all_the_same(web: Web, broken: str) -> None:
    article(web, "/", "/hub")
    article(web, "/hub")
    article(web, "/child")
    web.routes[broken] = (503, {"Retry-After": "0"}, b"")
    store = Memory(live=[web.url + "/hub", web.url + "/child", "https://elsewhere.example/"])
    Crawl(Fetcher(allow_private=frozenset({web.host})), store, sleep=lambda seconds: None).run(web.url + "/")
    assert store.states(web)["/child"] == "ok"
    assert {page.url for page in store.pages} == {web.url + path for path in ("/", "/hub", "/child")}


def test_a_page_that_nothing_leads_to_is_not_visited_when_all_could_be_read(web: Web) -> None:
    article(web, "/")
    article(web, "/old")
    assert crawl(web, store=Memory(live=[web.url + "/old"])).states(web) == {"/": "ok"}
