"""Every kind of source, from the settings' form to an answer that cites it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from builtabot import asgi, wiring
from knowledge import actions
from knowledge.answers import Outcome, Question, answer
from knowledge.crawl.work import work_off
from knowledge.forms import MOST_BYTES, TOO_MUCH
from knowledge.models import CrawlRun, Document, Source
from knowledge.search import search
from tenants import due
from tenants.models import Due
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import AuditEntry, Project
from tests.admin.forms import filled
from tests.cast import Cast
from tests.conftest import Tenants
from tests.knowledge.documents import pdf, upload
from tests.knowledge.web import Web, serving

ADD = "/admin/knowledge/source/add/"
FACT = "A lamp that hums is taken back within ninety days, and we pay for the parcel."
ASKED = "What happens when my lamp hums?"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with serving() as server:
        monkeypatch.setattr(settings, "CRAWL_ALLOW_PRIVATE", frozenset({server.host}))
        body = f"<main><h1>Humming lamps</h1><p>{FACT} {'Write to us with your order number. ' * 8}</p></main>"
        server.page("/help/humming", body)
        server.page("/help/", '<main><h1>Help</h1><p>Welcome.</p></main><nav><a href="/help/humming">x</a></nav>')
        located = f"<urlset><url><loc>{server.url}/help/humming</loc></url></urlset>"
        server.routes["/sitemap.xml"] = (200, {}, located.encode())
        yield server


def add(cast: Cast, **fields: Any) -> Source:
    """Fill in the form, save it, and let the index worker run."""
    client = cast.client(cast.owner)
    response = client.post(ADD, filled(client, ADD, project=cast.project_id, **fields))
    assert response.status_code == 302, response.context["adminform"].form.errors
    with cast.inside():
        source = Source.objects.latest("pk")
        work_off()
        return source


def said(cast: Cast, asked: str) -> tuple[str, list[tuple[str, str]]]:
    """The answer, with title and address of what it cites."""
    with cast.inside():
        evidence = search(cast.project_id, asked)
        question = Question(asked, "en", passages=evidence.passages, confidence=evidence.confidence)
        outcome = list(answer(question))[-1]
    assert isinstance(outcome, Outcome)
    cited = [evidence.passages[number - 1] for number in outcome.citations]
    return outcome.text, [(passage.title, passage.url) for passage in cited]


@pytest.mark.parametrize("kind", ["site", "sitemap", "page"])
def test_pages_of_a_site_answer_with_their_address(tenants: Tenants, web: Web, kind: str) -> None:
    start = {"site": "/help/", "sitemap": "/sitemap.xml", "page": "/help/humming"}[kind]
    source = add(tenants.a, kind=kind, url=web.url + start, name="Help centre")
    text, cited = said(tenants.a, ASKED)
    assert "ninety days" in text
    assert cited == [("Humming lamps", f"{web.url}/help/humming")]
    live = tenants.a.run(lambda: set(source.documents.filter(is_live=True).values_list("url", flat=True)))
    assert f"{web.url}/help/humming" in live
    assert (f"{web.url}/help/" in live) == (kind == "site")


@pytest.mark.parametrize(("kind", "name"), [("faq", "What happens when my lamp hums?"), ("text", "Humming lamps")])
def test_what_is_written_answers_under_its_title_without_a_link(tenants: Tenants, kind: str, name: str) -> None:
    add(tenants.a, kind=kind, name=name, text=FACT, url="")
    text, cited = said(tenants.a, ASKED)
    assert "ninety days" in text
    assert cited == [(name, "")]
    tried = tenants.a.client(tenants.a.owner).get("/setup/", {"part": "answer", "ask": ASKED}).content.decode()
    assert f'<span class="src"><span class="cite">1</span><span dir="auto">{name}' in tried
    assert 'href=""' not in tried


def test_an_uploaded_pdf_answers_with_its_page(tenants: Tenants) -> None:
    document = upload("Humming lamps.pdf", pdf(FACT, "Write to us with your order number."))
    source = add(tenants.a, kind="file", uploads=[document], url="", name="", text="")
    text, cited = said(tenants.a, ASKED)
    assert "ninety days" in text
    path = tenants.a.run(lambda: source.files.get().path)
    assert cited == [("Humming lamps", f"{tenants.a.origin}{path}")]
    opened = tenants.a.client().get(path)
    assert (opened.status_code, opened.content[:5]) == (200, b"%PDF-")


def test_several_files_at_once_are_a_source_each(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    uploads = [upload("one.txt", FACT), upload("two.md", f"# Two\n\n{FACT}"), upload("three.pdf", pdf(FACT))]
    response = client.post(ADD, filled(client, ADD, project=a.project_id, kind="file", url="", uploads=uploads))
    assert response["Location"] == "/admin/knowledge/source/"
    with a.inside():
        added = Source.objects.filter(kind="file").order_by("pk")
        assert [source.name for source in added] == ["one.txt", "two.md", "three.pdf"]
        assert CrawlRun.objects.filter(source__in=added, state="queued").count() == 3
        assert AuditEntry.objects.filter(verb="added source", data__id__in=[str(s.pk) for s in added]).count() == 3
        assert work_off() == 3
        assert Document.objects.filter(source__in=added, is_live=True).count() == 3
    assert "two.md" in client.get("/admin/knowledge/source/").content.decode()


def test_one_bad_file_refuses_them_all_and_every_bad_one_is_named(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    uploads = [upload("one.txt", FACT), upload("two.pdf", "no pdf"), upload("three.exe", b"MZ")]
    response = client.post(ADD, filled(client, ADD, project=a.project_id, kind="file", url="", uploads=uploads))
    assert response.status_code == 200
    told = response.context["adminform"].form.errors["uploads"]
    assert told == [
        "two.pdf: this is not a PDF, whatever its name says.",
        "three.exe: only PDF, text, Markdown and HTML files can be read.",
    ]
    assert a.run(Source.objects.filter(kind="file").count) == 0


def test_a_file_source_needs_a_file_and_not_too_many(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    for uploads, sentence in (
        (None, "Choose a file, or drop one here."),
        ([upload(f"{n}.txt", FACT) for n in range(21)], "At most 20 files at a time."),
    ):
        response = client.post(ADD, filled(client, ADD, project=a.project_id, kind="file", url="", uploads=uploads))
        assert response.context["adminform"].form.errors["uploads"] == [sentence]


def test_files_that_are_too_much_together_are_refused_in_words(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = tenants.a
    client = a.client(a.owner)
    monkeypatch.setattr("knowledge.forms.MOST_BYTES", 1000)
    uploads = [upload(f"{n}.txt", FACT * 4) for n in range(5)]
    response = client.post(ADD, filled(client, ADD, project=a.project_id, kind="file", url="", uploads=uploads))
    assert response.context["adminform"].form.errors["uploads"] == [TOO_MUCH]
    assert a.run(Source.objects.filter(kind="file").count) == 0
    shown = response.content.decode()
    assert f'data-most-bytes="{MOST_BYTES}"' in shown
    assert "30 MB together" in shown
    assert asgi.pages.largest_bytes - 1024**2 > MOST_BYTES  # what else is in the form fits beside the files


def test_a_text_as_long_as_a_book_is_refused(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    data = {"project": a.project_id, "kind": "text", "url": "", "name": "n", "text": "a b " * 50_001}
    response = client.post(ADD, filled(client, ADD, **data))
    assert "at most 200,000 characters" in response.context["adminform"].form.errors["text"][0]


def test_a_newer_file_is_uploaded_on_the_sources_page(tenants: Tenants) -> None:
    a = tenants.a
    source = add(a, kind="file", uploads=[upload("Humming lamps.txt", FACT)], url="")
    client, change = a.client(a.owner), f"/admin/knowledge/source/{source.pk}/change/"
    assert "Humming lamps.txt" in client.get(change).content.decode()
    newer = upload("Humming lamps.txt", FACT.replace("ninety", "eighty"))
    assert client.post(change, filled(client, change, uploads=[newer])).status_code == 302
    a.run(work_off)
    text, _ = said(a, ASKED)
    assert "eighty days" in text
    assert a.run(CrawlRun.objects.filter(source=source).count) == 2
    client.post(change, filled(client, change, name="Renamed"))
    assert a.run(CrawlRun.objects.filter(source=source).count) == 2


def test_sites_are_read_again_a_day_later_by_themselves(tenants: Tenants, web: Web) -> None:
    a = tenants.a
    source = add(a, kind="page", url=f"{web.url}/help/humming")
    written = add(a, kind="faq", name="Anything?", text=FACT, url="")
    with a.inside():
        noted = run_in(PUBLIC, Due.objects.get, schema=a.schema, kind=actions.REREADS)
        run = source.runs.get()
        assert run.finished_at is not None
        assert noted.at == run.finished_at + timedelta(hours=24)
        CrawlRun.objects.filter(source=a.source_id).update(finished_at=timezone.now())
        assert actions.reread_sources() == 0
        CrawlRun.objects.filter(source__in=[source, written]).update(finished_at=timezone.now() - timedelta(hours=25))
        assert actions.reread_sources() == 1
        assert actions.reread_sources() == 0
        assert source.runs.filter(state="queued").count() == 1
        assert written.runs.count() == 1
        web.page("/help/humming", f"<main><h1>Humming lamps</h1><p>{FACT.replace('ninety', 'forty')}</p></main>")
        work_off()
    assert "forty days" in said(a, ASKED)[0]
    wiring.bind()
    assert due.task_for(actions.REREADS) == "knowledge.reread_sources"


def test_a_failed_reading_is_tried_again_a_day_later_and_a_cancelled_one_too(tenants: Tenants, web: Web) -> None:
    a = tenants.a
    with a.inside():
        project = Project.objects.get(pk=a.project_id)
        source = actions.add_source(project=project, kind="page", url=f"{web.url}/gone")
        actions.start_crawl(source=source)
        work_off()
        assert source.runs.get().state == "failed"
        CrawlRun.objects.filter(source=source).update(finished_at=timezone.now() - timedelta(days=2))
        CrawlRun.objects.filter(source=a.source_id).update(finished_at=timezone.now())
        assert actions.reread_sources() == 1
        actions.cancel_crawl(run=source.runs.latest("pk"))
        CrawlRun.objects.filter(source=source).update(finished_at=timezone.now() - timedelta(days=2))
        assert actions.reread_sources() == 1
