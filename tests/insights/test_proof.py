"""A gap closes when its questions, asked again, find the answer that was written for it; and says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from builtabot import wiring
from insights import links, proof
from insights.models import GapQuestion, KnowledgeGap
from knowledge import actions as content
from knowledge.crawl.work import work_off
from knowledge.models import Document, Source
from tenants import due
from tenants.models import Due
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Project
from tests.admin.forms import filled
from tests.cast import Cast
from tests.conftest import Tenants
from tests.insights.past import talk
from tests.insights.test_gaps import ask
from tests.insights.test_queries import NOON

ADD = "/admin/knowledge/source/add/"
ANSWER = "Yes, we repair phones of every make in our workshop in Graz. A repair takes about five working days."


@pytest.fixture
def cast(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside() as cast:
        GapQuestion.objects.all().delete()
        KnowledgeGap.objects.all().delete()
        yield cast


@pytest.fixture
def project(cast: Cast) -> Project:
    return Project.objects.get(pk=cast.project_id)


def write(project: Project, question: str, text: str, *, gap: KnowledgeGap) -> Source:
    """As the form does: add it, read it, and let what is due run."""
    source = content.add_source(project=project, kind="faq", name=question, text=text, prompted_by=f"gap:{gap.pk}")
    content.start_crawl(source=source)
    assert work_off() >= 1
    return source


def test_an_answer_that_is_found_closes_its_gap_with_proof(project: Project) -> None:
    ask(project, "Do you repair phones?", "Can you fix a broken phone?")
    gap = KnowledgeGap.objects.get()
    source = write(project, "Do you repair phones?", ANSWER, gap=gap)
    gap.refresh_from_db()
    assert (gap.answer_id, gap.state, gap.check_asked_at is not None) == (source.pk, "open", True)
    assert proof.check_gaps() == 1
    gap.refresh_from_db()
    assert (gap.state, gap.check_asked_at) == ("closed", None)
    assert gap.closed_at is not None
    assert gap.proof["needed"] == project.evidence_threshold
    tried = gap.proof["questions"]
    assert [one["text"] for one in tried] == ["Can you fix a broken phone?", "Do you repair phones?"]
    assert all(one["passes"] and one["before"] == 0.1 and one["after"] >= project.evidence_threshold for one in tried)


def test_an_answer_to_something_else_does_not_close_it_and_says_what_is_missing(project: Project) -> None:
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    write(project, "Opening hours", "The showroom is open from nine to five.", gap=gap)
    assert proof.check_gaps() == 1
    gap.refresh_from_db()
    assert (gap.state, gap.closed_at) == ("open", None)
    assert [(one["text"], one["passes"]) for one in gap.proof["questions"]] == [("Do you repair phones?", False)]


def test_one_question_below_the_threshold_keeps_it_open(project: Project) -> None:
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    foreign = talk(project, NOON).turn("Where can I park a lorry with a trailer?")
    GapQuestion.objects.create(gap=gap, turn=foreign, text=foreign.message.text, confidence=0.05)
    write(project, "Do you repair phones?", ANSWER, gap=gap)
    proof.check_gaps()
    gap.refresh_from_db()
    assert gap.state == "open"
    assert {one["text"]: one["passes"] for one in gap.proof["questions"]} == {
        "Do you repair phones?": True,
        "Where can I park a lorry with a trailer?": False,
    }


def test_the_projects_threshold_decides(project: Project) -> None:
    ask(project, "Do you repair phones?")
    Project.objects.filter(pk=project.pk).update(evidence_threshold=1.0)
    gap = KnowledgeGap.objects.get()
    write(project, "Do you repair phones?", ANSWER, gap=gap)
    assert not proof.ask_again(gap_id=gap.pk)


def test_confidence_that_was_there_before_proves_nothing_without_the_entry(project: Project) -> None:
    """The model said it does not know although the passages looked right: a page that stayed as it was."""
    content.start_crawl(
        source=content.add_source(project=project, kind="faq", name="Do you repair phones?", text=ANSWER)
    )
    work_off()
    turn = talk(project, NOON).turn("Do you repair phones?")
    gap = KnowledgeGap.objects.create(project=project, question="Do you repair phones?")
    GapQuestion.objects.create(gap=gap, turn=turn, text="Do you repair phones?", confidence=0.999)
    assert not proof.ask_again(gap_id=gap.pk)
    write(project, "Opening hours", "The showroom is open from nine to five.", gap=gap)
    Document.objects.filter(title="Opening hours").update(is_live=False)
    Document.objects.get(title="Opening hours").chunks.update(is_live=False)
    assert not proof.ask_again(gap_id=gap.pk)


def test_a_better_answer_is_tried_again_and_asked_again_opens_it(cast: Cast, project: Project) -> None:
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    source = write(project, "Opening hours", "The showroom is open from nine to five.", gap=gap)
    proof.check_gaps()
    content.change_source(source=source, name="Do you repair phones?", text=ANSWER)
    content.start_crawl(source=source)
    work_off()
    assert proof.check_gaps() == 1
    gap.refresh_from_db()
    assert gap.state == "closed"
    ask(project, "Do you repair phones?")
    gap.refresh_from_db()
    assert (gap.state, list(gap.proof), gap.closed_at) == ("open", ["reopened_at"], None)
    assert "Closed before, asked again" in cast.client(cast.agent).get("/insights/").content.decode()
    assert links.answer(gap) == f"/admin/knowledge/source/{source.pk}/change/"


def test_content_put_right_elsewhere_is_found_by_asking_again(project: Project) -> None:
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    assert not proof.ask_again(gap_id=gap.pk)
    other = content.add_source(project=project, kind="text", name="Phone repairs", text=ANSWER)
    content.start_crawl(source=other)
    work_off()
    assert proof.check_gaps() == 0
    assert proof.ask_again(gap_id=gap.pk)


def test_a_check_that_was_asked_for_meanwhile_is_not_lost(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    source = write(project, "Opening hours", "The showroom is open from nine to five.", gap=gap)
    search = proof.search

    def slow_search(*args: object, **more: object) -> object:
        proof.await_proof(source_id=source.pk)
        return search(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(proof, "search", slow_search)
    proof.check_gaps()
    gap.refresh_from_db()
    assert gap.check_asked_at is not None


@pytest.mark.parametrize("named", ["", "gap:", "gap:x", "gap:987654321", "gap:1'; drop", "page:1", "gap:" + "9" * 19])
def test_an_entry_for_no_gap_is_an_entry(project: Project, named: str) -> None:
    ask(project, "Do you repair phones?")
    content.add_source(project=project, kind="faq", name="Do you?", text=ANSWER, prompted_by=named)
    assert KnowledgeGap.objects.get().answer_id is None


def test_an_entry_of_another_project_answers_no_gap_of_this_one(project: Project) -> None:
    ask(project, "Do you repair phones?")
    other = Project.objects.create(key="other", name="Other")
    gap = KnowledgeGap.objects.get()
    content.add_source(project=other, kind="faq", name="Do you?", text=ANSWER, prompted_by=f"gap:{gap.pk}")
    gap.refresh_from_db()
    assert gap.answer_id is None


def test_from_the_link_to_the_proof_through_the_form(cast: Cast, project: Project) -> None:
    """What an owner does: follow the link, write, save; the rest happens by itself."""
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    client = cast.client(cast.owner)
    link = links.answer(gap)
    assert link.replace("&", "&amp;") in client.get("/insights/").content.decode()
    assert parse_qs(urlsplit(link).query)["prompted_by"] == [f"gap:{gap.pk}"]
    answer = client.post(ADD, filled(client, link, text=ANSWER))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    source = Source.objects.latest("pk")
    assert (source.kind, source.name, source.prompted_by) == ("faq", "Do you repair phones?", f"gap:{gap.pk}")
    gap.refresh_from_db()
    assert gap.answer_id == source.pk
    work_off()
    assert run_in(PUBLIC, Due.objects.filter(schema=cast.schema, kind=proof.CHECKS).exists)
    proof.check_gaps()
    shown = client.get(f"/admin/insights/knowledgegap/{gap.pk}/change/").content.decode()
    assert "Closed: every question passes now" in shown
    assert "Do you repair phones?" in shown


def test_the_check_is_bound_to_its_work() -> None:
    wiring.bind()
    assert due.task_for(proof.CHECKS) == "insights.check_gaps"


def test_the_admins_buttons(cast: Cast, project: Project) -> None:
    ask(project, "Do you repair phones?")
    gap = KnowledgeGap.objects.get()
    client, page = cast.client(cast.owner), f"/admin/insights/knowledgegap/{gap.pk}"
    assert client.get(f"{page}/ask/").status_code == 405
    assert client.post(f"{page}/ask/").status_code == 302
    shown = client.get(f"{page}/change/").content.decode()
    assert "Not closed: not every question passes yet" in shown
    assert "too low" in shown
    assert client.post(f"{page}/close/").status_code == 302
    assert "Closed by hand" in client.get(f"{page}/change/").content.decode()
    assert cast.client(cast.agent).post(f"{page}/ask/").status_code == 403
