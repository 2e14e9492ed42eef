"""The figures of retrieval, against values worked out by hand, and the lines that are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from knowledge.errors import KnowledgeError
from knowledge.evaluation import PAGES, Line, Verdict, auroc, figures, judge, mrr_at, read_lines, recall_at
from knowledge.evidence import Evidence, Passage

HOST = "https://help.shop.example"


def found(*urls: str, confidence: float = 0.5) -> Evidence:
    """Evidence of passages from these addresses; the same address is the same page."""
    ids = {url: number for number, url in enumerate(dict.fromkeys(urls))}
    return Evidence(confidence, tuple(Passage(0, ids[url], url, "", "", "", "", 0.8, "en") for url in urls))


def line(*urls: str, lang: str = "en") -> Line:
    return Line(1, "How?", lang, urls)


def verdict(rank: int | None, confidence: float, *, lang: str = "en", answerable: bool = True) -> Verdict:
    return Verdict(line(*([f"{HOST}/a"] if answerable else []), lang=lang), confidence, (), rank)


def test_a_page_counts_once_however_many_of_its_passages_come_first() -> None:
    evidence = found(f"{HOST}/a", f"{HOST}/a", f"{HOST}/b", f"{HOST}/a", f"{HOST}/c")
    judged = judge(line(f"{HOST}/c"), evidence)
    assert (judged.rank, judged.pages) == (3, (f"{HOST}/a", f"{HOST}/b", f"{HOST}/c"))
    assert judge(line(f"{HOST}/nowhere", f"{HOST}/b", f"{HOST}/c"), evidence).rank == 2


def test_pages_without_an_address_take_a_place_each() -> None:
    written = tuple(Passage(0, number, "", "", "", "", "", 0.9, "en") for number in (1, 2))
    evidence = Evidence(0.5, (*written, *found(f"{HOST}/a").passages))
    assert judge(line(f"{HOST}/a"), evidence).rank == 3


def test_no_more_than_ten_pages_are_looked_at() -> None:
    pages = [f"{HOST}/{number}" for number in range(12)]
    assert judge(line(f"{HOST}/9"), found(*pages)).rank == PAGES
    assert judge(line(f"{HOST}/10"), found(*pages)).rank is None


@pytest.mark.parametrize(
    ("wanted", "page"),
    [
        (f"{HOST}/a#part", f"{HOST}/a"),
        (f"{HOST}/a", f"{HOST}/a#part"),
        ("HTTPS://Help.Shop.Example:443/a", f"{HOST}/a"),
        (f"{HOST}/a/index.html?utm_source=mail", f"{HOST}/a/"),
        (f"{HOST}/a?y=2&x=1", f"{HOST}/a?x=1&y=2"),
        (f"{HOST}/größe", f"{HOST}/gr%C3%B6%C3%9Fe"),
        ("/a#part", f"{HOST}/a"),
        ("/a", "http://127.0.0.1:8001/a"),
        ("/a?x=1", f"{HOST}/a?x=1"),
        ("/content/1/terms.txt", "http://acme.localhost:8000/content/1/terms.txt"),
    ],
)
def test_addresses_are_compared_as_the_crawler_spells_them(wanted: str, page: str) -> None:
    assert judge(line(wanted), found(page)).rank == 1


@pytest.mark.parametrize(
    ("wanted", "page"),
    [
        (f"{HOST}/a", f"{HOST}/a/"),
        (f"{HOST}/a", "https://www.help.shop.example/a"),
        (f"{HOST}/a", "http://help.shop.example/a"),
        ("/a", f"{HOST}/b/a"),
        ("/a", f"{HOST}/a?x=1"),
        (f"{HOST}/a", f"{HOST}/A"),
    ],
)
def test_another_address_is_another_page(wanted: str, page: str) -> None:
    assert judge(line(wanted), found(page)).rank is None


def test_recall_and_mrr_by_hand() -> None:
    ranks = [1, 2, None, 5, 10]
    assert recall_at(1, ranks) == 0.2
    assert recall_at(5, ranks) == 0.6
    assert mrr_at(10, ranks) == pytest.approx((1 + 1 / 2 + 0 + 1 / 5 + 1 / 10) / 5)
    assert (recall_at(1, []), mrr_at(10, [])) == (None, None)


def test_auroc_by_hand() -> None:
    # Of six pairs of one with and one without: four in order, one tied, one the wrong way round.
    assert auroc([True, True, True, False, False], [0.9, 0.6, 0.4, 0.6, 0.1]) == pytest.approx(4.5 / 6, abs=5e-5)
    assert auroc([True, False], [0.2, 0.8]) == 0.0
    assert auroc([True, True], [0.2, 0.8]) is None
    assert auroc([False], [0.2]) is None


def test_figures_are_over_all_lines_and_with_the_same_names_over_each_language() -> None:
    rows = [
        verdict(1, 0.9),
        verdict(4, 0.7),
        verdict(None, 0.3, answerable=False),
        verdict(2, 0.8, lang="de"),
        verdict(None, 0.8, lang="ja", answerable=False),
        verdict(None, 0.1, lang=""),
    ]
    told = figures(rows)
    by_lang = told.pop("by_lang")
    # 4 answerable, ranks 1 4 2 and none; of 8 pairs (.9 .7 .8 .1 with .3 .8): 5 in order, 1 tied.
    assert told == {
        "n": 6,
        "recall_at_1": 0.25,
        "recall_at_5": 0.75,
        "mrr_at_10": 0.4375,
        "auroc": pytest.approx(4.5 / 8, abs=5e-5),
    }
    assert by_lang["en"] == {"n": 3, "recall_at_1": 0.5, "recall_at_5": 1.0, "mrr_at_10": 0.625, "auroc": 1.0}
    assert by_lang["de"] == {"n": 1, "recall_at_1": 0.0, "recall_at_5": 1.0, "mrr_at_10": 0.5, "auroc": None}
    assert by_lang["ja"] == {"n": 1, "recall_at_1": None, "recall_at_5": None, "mrr_at_10": None, "auroc": None}
    assert list(by_lang) == ["en", "de", "ja", "none"]
    assert all(group.keys() == told.keys() for group in by_lang.values())


def test_lines_are_read_as_they_are_written() -> None:
    odd = "what is this?\u2028and that\x85?"
    rows: list[Any] = [
        {"question": odd, "lang": "en", "urls": ["/a", f"{HOST}/b"], "id": 7},
        {"question": "¿qué?", "urls": []},
    ]
    text = "\ufeff" + "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"
    assert read_lines(text) == [Line(1, odd, "en", ("/a", f"{HOST}/b")), Line(3, "¿qué?", "", ())]
    assert read_lines("") == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("{not json", "line_not_json"),
        ('["How?"]', "line_not_object"),
        ('{"lang": "en", "urls": []}', "line_without_question"),
        ('{"question": "  ", "urls": []}', "line_without_question"),
        ('{"question": 5, "urls": []}', "line_without_question"),
        ('{"question": "How?", "lang": 5, "urls": []}', "line_lang_invalid"),
        ('{"question": "How?", "lang": "en"}', "line_urls_invalid"),
        ('{"question": "How?", "urls": "/a"}', "line_urls_invalid"),
        ('{"question": "How?", "urls": [null]}', "line_urls_invalid"),
        ('{"question": "How?", "urls": ["help/a"]}', "line_urls_invalid"),
        ('{"question": "How?", "urls": ["//shop.example/a"]}', "line_urls_invalid"),
        ('{"question": "How?", "urls": ["https://["]}', "line_urls_invalid"),
        ('{"question": "How?", "urls": ["ftp://shop.example/a"]}', "line_urls_invalid"),
    ],
)
def test_a_line_that_is_none_is_refused_with_its_number(bad: str, code: str) -> None:
    good = json.dumps({"question": "How?", "lang": "en", "urls": []})
    with pytest.raises(KnowledgeError, match=r"^Line 3: ") as refused:
        read_lines(f"{good}\n\n{bad}\n{good}\n")
    assert refused.value.code == code
