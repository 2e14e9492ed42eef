"""Uploaded files: what is taken, what it says, where its bytes go, and who may open it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.files.storage import default_storage

from knowledge import actions, files
from knowledge.crawl.work import work_off
from knowledge.errors import ExtractFailed, FileRefused
from knowledge.files import MAX_BYTES, type_of
from knowledge.models import Document, Source, SourceFile
from knowledge.search import search
from knowledge.uploads import LEFTOVERS, add_file, replace_file, sweep_leftovers
from tenants.models import Due
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.knowledge.documents import pdf, upload

LAMP = "The arc lamp weighs eleven kilograms and needs a floor that is level."
WORDS = f"# The arc lamp\n\n{LAMP}\n\n## Bulbs\n\n- E27, at most 60 W\n- no halogen\n"


@pytest.fixture
def cast(tenants: Tenants) -> Iterator[Cast]:
    with tenants.a.inside() as cast:
        yield cast


@pytest.fixture
def project(cast: Cast) -> Project:
    return Project.objects.get(pk=cast.project_id)


def read(source: Source) -> Document:
    actions.start_crawl(source=source)
    work_off()
    return Document.objects.filter(source=source).latest("pk")


@pytest.mark.parametrize(
    ("name", "head", "found"),
    [
        ("a.pdf", b"%PDF-1.7 ...", "application/pdf"),
        ("A.PDF", b"\n\n%PDF-1.4", "application/pdf"),
        ("a.txt", b"Hello", "text/plain"),
        ("a.txt", b"\xff\xfeH\0i\0", "text/plain"),
        ("notes.md", b"# Hi", "text/markdown"),
        ("notes.markdown", b"# Hi", "text/markdown"),
        ("a.b.html", b"<!doctype html>", "text/html"),
        ("a.htm", b"<p>", "text/html"),
    ],
)
def test_ending_and_first_bytes_agree(name: str, head: bytes, found: str) -> None:
    assert type_of(name, head=head, size_bytes=len(head)) == found


@pytest.mark.parametrize(
    ("name", "head", "size", "code"),
    [
        ("a.docx", b"PK\x03\x04", 9, "file_type"),
        ("a", b"%PDF-1.7", 9, "file_type"),
        ("a.pdf.exe", b"%PDF-1.7", 9, "file_type"),
        ("a.svg", b"<svg onload=alert(1)>", 9, "file_type"),
        ("a.pdf", b"<html><script>", 9, "file_content"),
        ("a.pdf", b"PK\x03\x04", 9, "file_content"),
        ("a.txt", b"%PDF-1.7", 9, "file_content"),
        ("a.txt", b"MZ\x90\0\x03", 9, "file_content"),
        ("a.html", b"\x89PNG\r\n", 9, "file_content"),
        ("a.md", b"abc\0def", 9, "file_content"),
        ("a.txt", b"", 0, "file_empty"),
        ("a.txt", b" \n ", 3, "file_empty"),
        ("a.pdf", b"%PDF-1.7", MAX_BYTES + 1, "file_size"),
    ],
)
def test_what_cannot_be_content_is_refused_by_name(name: str, head: bytes, size: int, code: str) -> None:
    with pytest.raises(FileRefused) as refusal:
        type_of(name, head=head, size_bytes=size)
    assert refusal.value.code == code
    assert refusal.value.sentence.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("arc-lamp.pdf", pdf(LAMP, title="Arc lamp manual"), "Arc lamp manual"),
        ("arc-lamp.pdf", pdf(LAMP), "arc-lamp"),
        ("Arc lamp.txt", LAMP, "Arc lamp"),
        ("lamp.txt", LAMP.encode("utf-16"), "lamp"),
        ("x.md", WORDS, "The arc lamp"),
        ("x.html", f"<title>Care</title><main><h1>The arc lamp</h1><p>{LAMP}</p></main>", "The arc lamp"),
        ("x.html", f"<meta name=robots content=noindex><p>{LAMP}</p>", "x"),
    ],
)
def test_every_kind_is_read_whole_and_answers_with_its_address(
    project: Project, name: str, content: bytes | str, title: str
) -> None:
    document = read(add_file(project=project, content=upload(name, content), file_name=name))
    assert (document.state, document.error, document.title, document.is_live) == ("ok", "", title, True)
    assert "eleven kilograms" in " ".join(document.chunks.values_list("text", flat=True))
    best = search(project.pk, "How much does the arc lamp weigh?").passages[0]
    file = SourceFile.objects.get(documents=document)
    assert best.document_id == document.pk
    assert best.url == f"http://team1.localhost:8000{file.path}" or best.url.endswith(file.path)
    assert best.url.startswith("http://")
    assert file.path.startswith(f"/content/{file.pk}/")


def test_markdown_keeps_its_headings_and_runs_no_markup(project: Project) -> None:
    text = WORDS + "\n<script>alert(1)</script>\n\n| Bulb | Watts |\n|---|---|\n| E14 | 40 |\n"
    document = read(add_file(project=project, content=upload("x.md", text), file_name="x.md"))
    chunks = {chunk.heading: chunk.text for chunk in document.chunks.all()}
    assert "E27, at most 60 W" in chunks["Bulbs"]
    assert "Bulb: E14; Watts: 40" in chunks["Bulbs"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("broken.pdf", b"%PDF-1.4 and then nothing of use", "This PDF is damaged and cannot be read."),
        ("silent.pdf", pdf(), "There is no text in this file. Scanned pages are pictures."),
        ("silent.md", "---", "There is no text in this file. Scanned pages are pictures."),
        ("long.txt", "word " * 500_000, "This file has more text than a document may. Split it."),
    ],
)
def test_what_cannot_be_read_says_so_on_its_page(
    project: Project, name: str, content: bytes | str, sentence: str
) -> None:
    source = add_file(project=project, content=upload(name, content), file_name=name)
    document = read(source)
    assert (document.state, document.error, document.is_live) == ("failed", sentence, False)
    run = source.runs.get()
    assert (run.state, run.error) == ("failed", f"No page with text was found. {sentence}")


def test_a_lost_file_says_so(project: Project) -> None:
    source = add_file(project=project, content=upload("a.txt", LAMP), file_name="a.txt")
    default_storage.delete(source.files.get().key)
    assert read(source).error == "The file is missing. Upload it again."
    with pytest.raises(ExtractFailed):
        files.content_of(source.files.get())


def test_bytes_go_into_the_tenants_own_folder_under_no_name_of_theirs(project: Project, cast: Cast) -> None:
    name = "../../../etc/pass wd;rm.txt"
    file = add_file(project=project, content=upload("x.txt", LAMP), file_name=name).files.get()
    assert file.key == f"tenant/{cast.tenant_id}/sources/{file.pk}.txt"
    assert file.name == name
    assert file.path == f"/content/{file.pk}/pass-wdrm.txt"


def test_a_newer_file_takes_over_when_it_is_read_and_the_old_one_goes(project: Project, cast: Cast) -> None:
    source = add_file(project=project, content=upload("a.txt", LAMP), file_name="a.txt")
    read(source)
    old = source.files.get()
    browser = cast.client()
    new = replace_file(source=source, content=upload("b.txt", LAMP.replace("eleven", "twelve")), file_name="b.txt")
    assert (browser.get(old.path).status_code, browser.get(new.path).status_code) == (200, 404)
    assert sweep_leftovers() == 0
    read(source)
    assert (browser.get(old.path).status_code, browser.get(new.path).status_code) == (404, 200)
    assert "twelve" in search(project.pk, "How much does the arc lamp weigh?").passages[0].text
    assert run_in(PUBLIC, Due.objects.filter(schema=cast.schema, kind=LEFTOVERS).exists)
    assert sweep_leftovers() == 1
    assert not default_storage.exists(old.key)
    assert default_storage.exists(new.key)
    assert list(SourceFile.objects.filter(source=source)) == [new]


def test_a_newer_file_that_cannot_be_read_changes_nothing(project: Project, cast: Cast) -> None:
    source = add_file(project=project, content=upload("a.txt", LAMP), file_name="a.txt")
    read(source)
    old = source.files.get()
    replace_file(source=source, content=upload("b.pdf", b"%PDF-1.4 broken"), file_name="b.pdf")
    assert read(source).state == "failed"
    assert cast.client().get(old.path).status_code == 200
    assert search(project.pk, "How much does the arc lamp weigh?").passages[0].url.endswith(old.path)
    assert sweep_leftovers() == 0


def test_a_refused_newer_file_leaves_nothing_behind(project: Project) -> None:
    source = add_file(project=project, content=upload("a.txt", LAMP), file_name="a.txt")
    with pytest.raises(FileRefused):
        replace_file(source=source, content=upload("a.txt", b"%PDF-1.7"), file_name="a.txt")
    assert source.files.count() == 1


def test_a_removed_source_takes_its_file_with_it(project: Project, cast: Cast) -> None:
    source = add_file(project=project, content=upload("a.txt", LAMP), file_name="a.txt")
    read(source)
    file = source.files.get()
    browser = cast.client()
    assert browser.get(file.path).status_code == 200
    actions.remove_source(source=source)
    assert browser.get(file.path).status_code == 404
    assert default_storage.exists(file.key)
    assert sweep_leftovers() == 1
    assert not default_storage.exists(file.key)
    assert not SourceFile.objects.filter(pk=file.pk).exists()


def test_a_storage_that_will_not_delete_is_asked_again(project: Project) -> None:
    source = add_file(project=project, content=upload("a.txt", LAMP), file_name="a.txt")
    actions.remove_source(source=source)

    def fails(key: str) -> None:
        raise OSError(key)

    with pytest.raises(OSError, match="sources"):
        sweep_leftovers(delete=fails)
    assert sweep_leftovers() == 1


@pytest.mark.parametrize(
    ("name", "content", "kind", "disposition"),
    [
        ("a.pdf", pdf(LAMP), "application/pdf", 'inline; filename="a.pdf"'),
        ("a.txt", LAMP, "text/plain; charset=utf-8", 'inline; filename="a.txt"'),
        ("a.md", WORDS, "text/plain; charset=utf-8", 'inline; filename="a.md"'),
        ("a.html", f"<script>alert(1)</script><p>{LAMP}</p>", "text/html", 'attachment; filename="a.html"'),
    ],
)
def test_anybody_may_open_a_live_file_and_nothing_in_it_runs(
    project: Project, cast: Cast, name: str, content: bytes | str, kind: str, disposition: str
) -> None:
    source = add_file(project=project, content=upload(name, content), file_name=name)
    path = source.files.get().path
    assert cast.client().get(path).status_code == 404  # not read yet
    read(source)
    answer = cast.client().get(path)
    assert answer.status_code == 200
    assert answer.content == (content.encode() if isinstance(content, str) else content)
    headers = {name: answer[name] for name in ("Content-Type", "Content-Disposition", "X-Content-Type-Options")}
    assert list(headers.values()) == [kind, disposition, "nosniff"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert ("sandbox" in answer["Content-Security-Policy"]) or kind == "application/pdf"
    assert cast.client().post(path).status_code == 405
    assert cast.client().get(path.replace("/a.", "/b.")).status_code == 404


def test_a_file_opens_on_its_own_tenants_host_alone(tenants: Tenants, project: Project, cast: Cast) -> None:
    source = add_file(project=project, content=upload("a.txt", LAMP), file_name="a.txt")
    read(source)
    assert tenants.b.client(tenants.b.owner).get(source.files.get().path).status_code == 404
