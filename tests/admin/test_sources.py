"""Content in the settings: adding it, watching it being read, and its buttons."""

import re

from knowledge.models import CrawlRun, Document, Source
from tenants.models import Due
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import AuditEntry
from tests.admin.forms import filled
from tests.cast import Cast
from tests.conftest import Tenants

ADD = "/admin/knowledge/source/add/"


def page(cast: Cast, name: str = "change") -> str:
    return f"/admin/knowledge/source/{cast.source_id}/{name}/"


def newest(cast: Cast) -> CrawlRun:
    return cast.run(CrawlRun.objects.latest, "pk")


def test_adding_a_site_queues_its_reading(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    data = filled(client, ADD, project=a.project_id, kind="site", url="https://help.acme.example/", name="")
    answer = client.post(ADD, data)
    run = newest(a)
    with a.inside():
        source = Source.objects.get(url="https://help.acme.example/")
        assert (run.source_id, run.state) == (source.pk, "queued")
        assert AuditEntry.objects.filter(data__model="knowledge.source", data__id=str(source.pk)).exists()
    assert answer["Location"] == f"/admin/knowledge/source/{source.pk}/change/"
    assert run_in(PUBLIC, Due.objects.filter(schema=a.schema).exists)
    assert tenants.b.run(Source.objects.count) == 1
    assert "Waiting to be read" in client.get(answer["Location"]).content.decode()


def test_a_written_answer_needs_its_question_and_its_text(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    shown = client.post(ADD, filled(client, ADD, project=a.project_id, kind="faq", url="")).content.decode()
    assert "Write the text that answers." in shown
    assert "Write the question that this answers." in shown
    assert a.run(Source.objects.count) == 1


def test_a_site_needs_an_address(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    shown = client.post(ADD, filled(client, ADD, project=a.project_id, kind="site", url="")).content.decode()
    assert "Write the address to start from" in shown


def test_an_address_that_nobody_may_fetch_is_refused_in_words(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    url = "http://user:pw@help.acme.example/"
    answer = client.post(ADD, filled(client, ADD, project=a.project_id, kind="site", url=url), follow=True)
    assert answer.status_code == 200
    assert re.search(r"error|address", answer.content.decode(), re.IGNORECASE)
    assert a.run(Source.objects.count) == 1
    assert a.run(CrawlRun.objects.count) == 1


def test_the_form_comes_filled_in_from_a_gap(tenants: Tenants) -> None:
    a = tenants.a
    shown = a.client(a.owner).get(f"{ADD}?kind=faq&project={a.project_id}&name=Who+repairs+it%3F")
    form = shown.context["adminform"].form
    assert (form["kind"].value(), form["name"].value()) == ("faq", "Who repairs it?")


def test_another_tenants_project_cannot_be_chosen(tenants: Tenants) -> None:
    a, b = tenants.a, tenants.b
    client = a.client(a.owner)
    data = filled(client, ADD, kind="site", url="https://help.acme.example/", project=str(b.project_id))
    assert client.post(ADD, data).status_code == 200
    assert a.run(Source.objects.count) == b.run(Source.objects.count) == 1


def test_progress_tells_how_far_it_is_and_asks_again_only_while_it_runs(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    assert "hx-get" not in client.get(page(a, "progress")).content.decode()
    run = a.run(
        CrawlRun.objects.create, source_id=a.source_id, state="running", found=42, fetched=16, indexed=13, failed=1
    )
    a.run(
        Document.objects.create,
        source_id=a.source_id,
        project_id=a.project_id,
        run=run,
        url="https://help.example/gone",
        state="failed",
        error="The page is gone (404).",
    )
    shown = client.get(page(a, "progress")).content.decode()
    assert "Reading: 14 of 42 pages" in shown
    assert 'value="33"' in shown
    assert "The page is gone (404)." in shown
    assert f'hx-get="{page(a, "progress")}"' in shown
    assert 'hx-trigger="every 2s"' in shown


def test_read_again_queues_a_run_and_only_by_post(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    assert client.get(page(a, "read")).status_code == 405
    assert a.run(CrawlRun.objects.count) == 1
    assert client.post(page(a, "read")).status_code == 302
    assert newest(a).state == "queued"
    client.post(page(a, "read"))
    assert a.run(CrawlRun.objects.count) == 2


def test_cancel_ends_a_waiting_run(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    client.post(page(a, "read"))
    client.post(page(a, "cancel"))
    assert newest(a).state == "cancelled"
    assert "Nothing is being read." in client.post(page(a, "cancel"), follow=True).content.decode()


def test_the_buttons_are_not_for_agents(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.agent)
    for name in ("read", "cancel"):
        assert client.post(page(a, name)).status_code == 403
    assert a.run(CrawlRun.objects.count) == 1


def test_deleting_says_what_stops_and_stops_it(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    assert "1 page stop" in client.get(page(a, "delete")).content.decode()
    assert client.post(page(a, "delete"), {"post": "yes"}).status_code == 302
    assert a.run(Document.objects.count) == 0
    assert a.run(AuditEntry.objects.filter(verb="deleted source").count) == 1


def test_a_changed_answer_is_read_again(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    client.post(ADD, filled(client, ADD, project=a.project_id, kind="faq", name="Who?", text="We do.", url=""))
    source = a.run(Source.objects.latest, "pk")
    a.run(CrawlRun.objects.filter(source=source).update, state="done")
    change = f"/admin/knowledge/source/{source.pk}/change/"
    assert client.post(change, filled(client, change, text="They do.")).status_code == 302
    assert a.run(Source.objects.get, pk=source.pk).text == "They do."
    assert newest(a).state == "queued"
    assert newest(a).source_id == source.pk


def test_a_page_shows_what_was_read_as_text(tenants: Tenants) -> None:
    a = tenants.a
    with a.inside():
        chunk = Document.objects.get(pk=a.document_id).chunks.first()
        assert chunk is not None
        chunk.text = "<img src=x onerror=alert(1)>"
        chunk.save(update_fields=["text"])
    shown = a.client(a.owner).get(f"/admin/knowledge/document/{a.document_id}/change/").content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "<img src=x" not in shown


def left_out(cast: Cast, run: CrawlRun, *pages: tuple[str, str, str]) -> None:
    with cast.inside():
        for path, state, error in pages:
            url = f"https://help.acme.example{path}"
            fields = {"source_id": cast.source_id, "project_id": cast.project_id, "run_id": run.pk}
            Document.objects.create(url=url, state=state, error=error, **fields)


def progress(cast: Cast) -> str:
    return cast.client(cast.owner).get(page(cast, "progress")).content.decode()


def test_pages_left_out_are_folded_behind_their_number_and_only_failures_are_red(tenants: Tenants) -> None:
    a = tenants.a
    run = newest(a)
    leads = [(f"/{n}/", "skipped", "The page only leads to other pages.") for n in range(60)]
    moved = ("/old", "skipped", "This address leads to https://help.acme.example/new.")
    gone = ("/gone", "failed", "There is no page at this address (404).")
    kept = ("/down", "ok", "The site answered with an error (503). What was read before still answers.")
    left_out(a, run, *leads, moved, gone, kept, ("/app", "skipped", "No text found."))
    shown = progress(a)
    folds = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", shown, re.DOTALL)
    told = ["60 pages only lead to other pages", "1 address leads to another", "1 page was left out"]
    assert [name for name, _ in folds] == told
    assert folds[0][1].count("<li>") == 51
    assert "10 more" in folds[0][1]
    assert "only leads" not in folds[0][1]  # its name says so
    assert "leads to https://help.acme.example/new." in folds[1][1]
    unfolded = re.sub(r"<details>.*?</details>", "", shown, flags=re.DOTALL)
    assert re.findall(r"<span( class=\"bab-left-out\")?>(The(?:re| site)[^<]*)</span>", unfolded) == [
        (' class="bab-left-out"', kept[2]),
        ("", gone[2]),
    ]


def test_a_note_about_a_reading_that_is_done_is_no_alarm(tenants: Tenants) -> None:
    a = tenants.a
    for state, is_red in (("done", False), ("failed", True)):
        a.run(CrawlRun.objects.filter(pk=newest(a).pk).update, state=state, error="One page could not be read now.")
        assert ('<p class="bab-error">One page' in progress(a)) is is_red
        assert "One page could not be read now." in progress(a)


def test_a_reading_between_two_turns_says_that_others_are_read(tenants: Tenants) -> None:
    a = tenants.a
    fields = {"state": "queued", "finished_at": None, "found": 9, "fetched": 4, "indexed": 4, "failed": 0}
    a.run(CrawlRun.objects.filter(pk=newest(a).pk).update, **fields)
    shown = progress(a)
    assert "Others have their turn: 4 of 9 pages read" in shown
    assert 'hx-trigger="every 2s"' in shown
