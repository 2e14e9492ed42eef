"""Shared words and identifiers: which pieces a text has, how they are scored, and that an index follows its source."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge import actions, embed, lexical, postings
from knowledge.crawl.work import work_off
from knowledge.models import Chunk, PostingList, Source, WordIndex
from knowledge.search import search
from tenants.workspace.models import Project


@pytest.fixture
def project(tenants: object) -> Iterator[Project]:
    with tenants.a.inside():  # type: ignore[attr-defined]
        yield Project.objects.create(key="words", name="Words")


def write(project: Project, name: str, text: str) -> Source:
    source = actions.add_source(project=project, kind="faq", name=name, text=text)
    run = actions.start_crawl(source=source)
    work_off(run_id=run.pk)
    source.refresh_from_db()
    return source


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Error E-4012 when I set maxRetries", ["e-4012", "maxretries"]),
        ("ERR_TIMEOUT, config.yaml and 0x80070005.", ["err_timeout", "config.yaml", "0x80070005"]),
        ("SKU12345 or a 2FA code", ["sku12345", "2fa"]),
        ("and/or a well-known sign-in, 24/7, 1.5 km in 2024", []),
        ("see https://example.com/page", []),
    ],
)
def test_identifiers_are_told_from_words(text: str, found: list[str]) -> None:
    assert lexical.identifiers(text) == found


def test_words_are_cut_in_fours_and_unspaced_scripts_in_pairs() -> None:
    def of(text: str) -> int:
        return len(lexical.prose_terms(text))

    assert of("lamp") == len({" lam", "lamp", "amp "})
    assert of("a") == 1
    assert of("返品について") == 5
    assert of("PDFファイル") == of("PDF") + 3
    assert of("हिन्दी") == 5  # its marks stay in the word
    assert lexical.terms("Lamp lamp LAMP") == Counter(dict.fromkeys(lexical.prose_terms("lamp"), 3))


@given(st.text(max_size=300))
def test_any_text_has_terms_that_postgres_can_hold(text: str) -> None:
    found = {**lexical.terms(text), **dict.fromkeys(lexical.identifier_terms(text), 1)}
    assert all(-(2**31) <= term < 2**31 for term in found)
    assert set(lexical.prose_terms(text)) | set(lexical.identifier_terms(text)) == set(lexical.terms(text))


def test_words_are_scored_as_bm25_says(project: Project) -> None:
    write(project, "", "red lamp red")
    write(project, "", "red chair and a table")
    write(project, "", "garden hose")
    chunks = {chunk.text: chunk for chunk in Chunk.objects.filter(project=project)}
    found = postings.by_words(project.pk, "red", language="")
    terms, size = lexical.prose_terms("red"), 3
    length = sum(chunk.tokens for chunk in chunks.values()) / size
    idf = math.log(1 + (size - 2 + 0.5) / 2.5)

    def bm25(text: str, times: int) -> float:
        return idf * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * chunks[text].tokens / length))

    expected = {
        chunks["red lamp red"].pk: bm25("red lamp red", 2),
        chunks["red chair and a table"].pk: bm25("red chair and a table", 1),
    }
    assert found == pytest.approx(
        {chunk: len(terms) * score / (len(terms) * 2.2 * idf) for chunk, score in expected.items()}
    )


def test_words_count_in_their_own_language_alone(project: Project) -> None:
    source = write(project, "", "The hotel has a restaurant")
    Chunk.objects.filter(document__source=source).update(language="en")
    assert postings.by_words(project.pk, "restaurant", language="en")
    assert postings.by_words(project.pk, "restaurant", language="")
    assert postings.by_words(project.pk, "restaurant", language="fr") == {}


def test_an_identifier_finds_its_page_in_any_language(project: Project) -> None:
    for number in range(8):
        write(
            project,
            f"Fault {number}",
            f"The pump stops with the code E-40{number}. Open the valve, wait a minute, then start it.",
        )
    best = search(project.pk, "Was heißt E-405 bei der Pumpe?").passages[0]
    assert "E-405" in best.text
    assert postings.by_names(project.pk, "pump without a code") == {}


def test_an_identifier_that_is_everywhere_names_nothing(project: Project) -> None:
    for number in range(12):
        write(project, f"Page {number}", f"In the app LampOS2 page {number} is about something else.")
    assert postings.by_names(project.pk, "what is LampOS2?") == {}


def test_an_index_follows_its_source(project: Project) -> None:
    source = write(project, "Delivery", "Parcels arrive within three days.")
    first = WordIndex.objects.get(source=source)
    assert (first.run_id, first.headings) == (source.live_run_id, 1)
    expected = embed.embed_passage("Delivery") / (1 + 8)
    assert postings.common_direction(project.pk) == pytest.approx(np.array(expected), abs=1e-6)
    actions.change_source(source=source, name="Delivery", text="Pigeons bring them.")
    work_off(run_id=actions.start_crawl(source=source).pk)
    assert postings.by_words(project.pk, "pigeons", language="")
    assert postings.by_words(project.pk, "parcels", language="") == {}
    actions.remove_source(source=source)
    assert not PostingList.objects.filter(project=project).exists()
    assert not postings.common_direction(project.pk).any()


def test_what_was_indexed_in_another_way_is_indexed_again(project: Project) -> None:
    source = write(project, "Delivery", "Parcels arrive within three days.")
    PostingList.objects.all().delete()
    postings.index_what_waits()
    assert not PostingList.objects.exists()  # it was up to date
    WordIndex.objects.filter(source=source).update(recipe="0/old")
    postings.index_what_waits()
    assert postings.by_words(project.pk, "parcels", language="")


def test_without_an_index_a_page_is_found_by_its_meaning(project: Project) -> None:
    source = write(project, "Delivery", "Parcels arrive within three days.")
    WordIndex.objects.filter(source=source).delete()
    PostingList.objects.all().delete()
    assert search(project.pk, "when does my order come?").passages[0].title == "Delivery"
