"""Retrieval finds the right passages, of the right project, from more than one page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from django.utils import timezone

from knowledge import embed
from knowledge.evidence import Passage, confidence, diverse, page_scores
from knowledge.models import Chunk, CrawlRun, Document, Source
from knowledge.search import search
from tenants.workspace.models import Project
from tests.cast import Cast


@pytest.fixture
def shop(tenants: object) -> Iterator[Cast]:
    with tenants.a.inside() as cast:  # type: ignore[attr-defined]
        yield cast


def fill(project: Project, texts: dict[str, list[str]], *, is_live: bool = True) -> None:
    source = Source.objects.create(project=project, kind="text", text="x")
    run = CrawlRun.objects.create(source=source, state="done", finished_at=timezone.now())
    for title, parts in texts.items():
        document = Document.objects.create(
            source=source,
            project=project,
            run=run,
            url=f"https://{title.lower()}.example/",
            title=title,
            is_live=is_live,
        )
        for position, text in enumerate(parts):
            Chunk.objects.create(
                document=document,
                project=project,
                position=position,
                text=text,
                tokens=9,
                engine=embed.engine_id(),
                embedding=embed.chunk_vector(title, text),
                is_live=is_live,
            )


CONTENT = {
    "Returns": [
        "Send a lamp back within thirty days.",
        "Returns are free.",
        "Sale lamps come back too.",
        "Use the label.",
    ],
    "Delivery": ["Parcels arrive in three days."],
    "Warranty": ["Lamps are covered for five years."],
}


def test_the_passages_that_answer_come_first_from_several_pages(shop: Cast) -> None:
    project = Project.objects.create(key="other", name="Other")
    fill(project, CONTENT)
    found = search(project.pk, "how many days do I have to send a lamp back?")
    assert found.passages[0].text == "Send a lamp back within thirty days."
    titles = [passage.title for passage in found.passages]
    assert titles.count("Returns") == 2
    assert set(titles) == set(CONTENT)
    scores = [passage.score for passage in found.passages]
    assert scores == sorted(scores, reverse=True)
    assert 0 < found.confidence < 1


def test_another_projects_and_unfinished_content_is_never_found(shop: Cast) -> None:
    project = Project.objects.create(key="other", name="Other")
    fill(project, {"Secret": ["Lamps may be returned within ninety days."]}, is_live=False)
    assert search(project.pk, "how many days to return a lamp?").passages == ()
    fill(Project.objects.get(pk=shop.project_id), CONTENT)
    found = search(project.pk, "how many days to return a lamp?")
    assert (found.passages, found.confidence) == ((), 0.0)


def test_score_is_the_weighted_mean_of_the_two_cosines_and_a_given_vector_is_used(shop: Cast) -> None:
    project = Project.objects.create(key="other", name="Other")
    fill(project, {"Delivery": ["Parcels arrive in three days."]})
    asked = embed.embed_query("when does it come?")
    body = embed.embed_passage("Delivery\nParcels arrive in three days.")
    expected = 0.8 * (asked @ body) + 0.2 * (asked @ embed.embed_passage("Delivery"))
    found = search(project.pk, "", vector=np.array(asked))
    assert found.passages[0].score == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("question", ["", "   ", "\0", "\u200b"])
def test_an_empty_question_is_no_evidence(shop: Cast, question: str) -> None:
    assert search(shop.project_id, question).confidence <= 0.5


def _passage(document: int, score: float) -> Passage:
    return Passage(0, document, "", "", "", "", "", score, "")


def test_no_page_gives_more_than_two_passages() -> None:
    ranked = [_passage(1, 0.9), _passage(1, 0.8), _passage(1, 0.7), _passage(2, 0.6), _passage(3, 0.5)]
    assert [p.document_id for p in diverse(ranked, limit=3)] == [1, 1, 2]


def test_confidence_grows_with_the_nearness_and_the_lead() -> None:
    def near(nearness: float, lead: float) -> float:
        return confidence([0.9, *[0.9 - lead] * 9], nearness)

    assert confidence([], 0.0) == 0.0
    assert near(0.80, 0.02) < near(0.84, 0.02) < near(0.90, 0.02)
    assert near(0.86, 0.01) < near(0.86, 0.04) < near(0.86, 0.08)
    assert confidence([0.90, 0.89, 0.89, *[0.83] * 6], 0.88) > 0.7  # two pages beside it that say the same
    assert confidence([0.9], 0.78) < 0.2 < 0.7 < confidence([0.9], 0.90)


def test_each_page_counts_once_for_the_confidence() -> None:
    assert page_scores([_passage(1, 0.9), _passage(1, 0.89), _passage(2, 0.8)]) == [0.9, 0.8]
