"""The demo's website: what it promises to the crawler, the browser tests and the people who read it."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit
from xml.etree import ElementTree

import pytest
from lxml import html
from pypdf import PdfReader

import builtabot.demo
from builtabot.demo.pages import SECTIONS, load_pages, render_article
from builtabot.demo.site import MANUAL_PATH, PRINTED, Response, paths, respond

SHOP = "http://shop.test:8001"
WIDGET = "http://acme.localhost:8000"
PAGES = list(load_pages().values())


def get(path: str) -> Response:
    return respond(path, widget_base_url=WIDGET, site_base_url=SHOP)


def tree(path: str) -> html.HtmlElement:
    return html.document_fromstring(get(path).body.decode())


def words(text: str) -> int:
    """Words of a text; two Japanese characters count as one word."""
    japanese = re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]", text)
    return len(re.sub(r"[\u3040-\u30ff\u4e00-\u9fff]", " ", text).split()) + len(japanese) // 2


def article_text(path: str) -> str:
    (article,) = tree(path).xpath("//main/article")
    return " ".join(article.itertext())


HTML_PATHS = [path for path in paths() if get(path).content_type.startswith("text/html")]


def test_there_are_about_forty_help_pages_in_every_section():
    assert 40 <= len(PAGES) <= 48
    assert {page.section for page in PAGES} == set(SECTIONS)


def test_at_least_five_pages_are_in_german_french_spanish_and_japanese():
    foreign = [page.lang for page in PAGES if page.lang != "en"]
    assert set(foreign) == {"de", "fr", "es", "ja"}
    assert len(foreign) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_says_its_language_and_its_canonical_address(page):
    document = tree(page.path)
    assert document.get("lang") == page.lang
    assert document.xpath("//link[@rel='canonical']/@href") == [SHOP + page.path]
    assert document.xpath("//h1/text()") == [page.title]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_lies_in_its_own_section_and_has_a_useful_length(page):
    assert page.path.startswith(f"/help/{page.section}/")
    longest = 500 if page.path == "/help/start/faq" else 350
    assert 120 <= words(article_text(page.path)) <= longest


def test_the_whole_content_stays_cheap_to_index():
    assert 9_000 <= sum(words(article_text(page.path)) for page in PAGES) <= 11_500


@pytest.mark.parametrize("path", HTML_PATHS)
def test_every_internal_link_and_its_anchor_resolve(path):
    for link in tree(path).xpath("//a/@href | //link/@href | //form/@action | //img/@src"):
        address, anchor = urldefrag(urljoin(SHOP + path, link))
        target = urlsplit(address)
        if target.scheme == "data":
            continue
        assert target.netloc == "shop.test:8001", link
        assert get(target.path).status == 200, link
        if anchor:
            assert tree(target.path).xpath("//*[@id=$anchor]", anchor=anchor), link


@pytest.mark.parametrize("path", HTML_PATHS)
def test_no_id_is_used_twice_and_nothing_reads_like_a_placeholder(path):
    ids = tree(path).xpath("//@id")
    assert len(ids) == len(set(ids))
    assert not re.search(r"(?i:lorem|ipsum)|\bTODO\b|\bTBD\b|{{|{%", get(path).body.decode())


def test_the_article_is_free_of_navigation_banner_and_footer():
    for page in PAGES:
        document = tree(page.path)
        (article,) = document.xpath("//main/article")
        assert not article.xpath(".//nav | .//aside | .//footer | .//form | .//script")
        whole = " ".join(document.itertext())
        for boilerplate in ("Cookies at Acme", "Letters from the workshop", "Back to the shop"):
            assert boilerplate in whole
            assert boilerplate not in " ".join(article.itertext())


def test_the_faq_folds_questions_behind_buttons_and_in_details():
    (article,) = tree("/help/start/faq").xpath("//main/article")
    buttons = article.xpath(".//button[@aria-expanded='false']")
    assert len(buttons) >= 5
    assert len(article.xpath(".//details[summary]")) >= 5
    for button in buttons:
        (panel,) = article.xpath(".//*[@id=$id]", id=button.get("aria-controls"))
        assert words(" ".join(panel.itertext())) >= 8


def test_delivery_prices_are_a_table_by_country():
    rows = tree("/help/delivery/delivery-prices").xpath("//main//table//tr")
    assert [cell.text_content() for cell in rows[1]] == ["Ireland", "€4.90", "€75", "1–2"]


def test_the_sitemap_lists_exactly_the_help_pages():
    root = ElementTree.fromstring(get("/sitemap.xml").body)
    namespace = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    listed = {
        url.findtext("s:loc", namespaces=namespace): url.findtext("s:lastmod", namespaces=namespace)
        for url in root
    }
    assert listed == {SHOP + page.path: page.updated.isoformat() for page in PAGES}


def test_robots_keep_crawlers_out_of_the_internal_folder_that_pages_link_to():
    robots = get("/robots.txt").body.decode().splitlines()
    assert "Disallow: /internal/" in robots
    assert f"Sitemap: {SHOP}/sitemap.xml" in robots
    assert "/internal/stock-plan" in tree("/help/start/faq").xpath("//a/@href")
    assert get("/internal/stock-plan").status == 200


def test_without_its_own_address_the_site_links_relative_to_its_root():
    sitemap = respond("/sitemap.xml", widget_base_url=WIDGET).body.decode()
    assert f"<loc>{PAGES[0].path}</loc>" in sitemap
    assert "Sitemap:" not in respond("/robots.txt", widget_base_url=WIDGET).body.decode()


@pytest.mark.parametrize("path", PRINTED)
def test_a_print_page_repeats_the_text_and_names_the_original(path):
    original = PRINTED[path]
    assert tree(path).xpath("//link[@rel='canonical']/@href") == [SHOP + original]
    assert article_text(path).split() == article_text(original).split()


def test_the_manual_is_a_linked_pdf_whose_text_can_be_read():
    response = get(MANUAL_PATH)
    assert response.content_type == "application/pdf"
    pages = PdfReader(io.BytesIO(response.body)).pages
    assert 2 <= len(pages) <= 3
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "security updates until at least 31 December 2033" in text
    assert any(MANUAL_PATH in render_article(page).html for page in PAGES)


@pytest.mark.parametrize("path", ["/", "/cart", "/help/", "/help/start/faq"])
def test_the_embed_is_one_line_just_before_the_end_of_the_body(path):
    embed = f'<script async src="{WIDGET}/widget.js" data-project="shop"></script>'
    assert re.search(re.escape(embed) + r"\s*</body>", get(path).body.decode())


def test_no_page_loads_anything_from_elsewhere_but_the_widget():
    for path in HTML_PATHS:
        loaded = tree(path).xpath("//@src | //link[@rel!='canonical']/@href")
        foreign = [
            url for url in loaded if "//" in url and not url.startswith(("data:", f"{WIDGET}/widget.js"))
        ]
        assert foreign == [], path


@pytest.mark.parametrize(
    "path", ["/help/nothing", "/help/returns/", "/help/returns/../../../etc/passwd", "/widget.js", ""]
)
def test_only_known_paths_are_found(path):
    expected = 200 if path == "/help/returns/" else 404
    assert get(path).status == expected


def test_a_query_string_changes_nothing():
    assert get("/help/start/faq?utm_source=mail") == get("/help/start/faq")


def test_validators_are_stable_and_differ_between_pages():
    first, again, other = get("/help/start/faq"), get("/help/start/faq"), get("/help/start/contact")
    assert first.etag == again.etag
    assert first.etag != other.etag
    assert first.last_modified == "Mon, 19 Oct 2026 00:00:00 GMT"


def test_the_site_needs_no_settings():
    root = Path(__file__).parents[2]
    code = "from builtabot.demo.site import respond; print(respond('/help/', widget_base_url='').status)"
    answer = subprocess.run(
        [sys.executable, "-c", code], env={}, cwd=root, timeout=60, stdout=subprocess.PIPE
    )
    assert answer.stdout == b"200\n"


def test_questions_name_pages_that_exist_and_a_quarter_has_no_answer():
    file = Path(builtabot.demo.__file__).parent / "questions.jsonl"
    questions = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    known = {page.path for page in PAGES} | {MANUAL_PATH}
    assert 55 <= len(questions) <= 75
    assert all(set(question["urls"]) <= known for question in questions)
    assert len({question["question"] for question in questions}) == len(questions)
    assert {question["lang"] for question in questions} >= {"en", "de", "fr", "es", "ja"}
    assert 12 <= sum(not question["urls"] for question in questions) <= 20
    asked = {url for question in questions for url in question["urls"]}
    assert len(asked) >= 40
