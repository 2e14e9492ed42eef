"""An admin who was given projects sees what belongs to these, in the settings as in Live Support."""

from __future__ import annotations

import pytest
from django.test import Client

from chat.models import Conversation
from insights.models import KnowledgeGap
from knowledge.models import CrawlRun, Source
from livesupport.models import Lead
from tenants.workspace.models import Project, Seat
from tests.admin.forms import filled
from tests.cast import Cast
from tests.conftest import Tenants

LISTS = ("chat/conversation", "livesupport/lead", "insights/knowledgegap", "knowledge/source", "knowledge/document")


@pytest.fixture
def limited(tenants: Tenants) -> Client:
    """Tenant a's admin, who was given another chatbot than the cast's."""
    a = tenants.a

    def give() -> None:
        other = Project.objects.create(key="other", name="Other bot")
        Source.objects.create(project=other, url="https://help.other.example/", name="Help for others")
        Seat.objects.get(pk=a.admin.seat_id).projects.set([other])

    a.run(give)
    return a.client(a.admin)


def rows(cast: Cast) -> dict[str, object]:
    thread = cast.thread
    ids = (thread.conversation_id, thread.lead_id, cast.gap_id, cast.source_id, cast.document_id)
    return dict(zip(LISTS, ids, strict=True))


@pytest.mark.parametrize("page", LISTS)
def test_rows_of_other_chatbots_are_not_there(limited: Client, tenants: Tenants, page: str) -> None:
    a, row = tenants.a, rows(tenants.a)[page]
    listed = limited.get(f"/admin/{page}/")
    assert (listed.status_code, a.marker in listed.context["cl"].result_list.__repr__()) == (200, False)
    assert a.run(lambda: listed.context["cl"].result_count) == (1 if page == "knowledge/source" else 0)
    for view in ("change", "history", "delete"):
        answer = limited.get(f"/admin/{page}/{row}/{view}/")
        missing = limited.get(f"/admin/{page}/{tenants.b.gap_id}/{view}/")
        assert answer.status_code == missing.status_code != 200, view
        assert a.marker not in answer.content.decode(), view
    # The owner, who was given none, sees them all.
    owner = a.client(a.owner)
    assert owner.get(f"/admin/{page}/").context["cl"].result_count > 0
    assert owner.get(f"/admin/{page}/{row}/change/").status_code == 200


def test_buttons_on_rows_of_other_chatbots_do_nothing(limited: Client, tenants: Tenants) -> None:
    a = tenants.a
    before = a.run(CrawlRun.objects.count)
    for deed in (
        f"livesupport/lead/{a.thread.lead_id}/close",
        f"insights/knowledgegap/{a.gap_id}/close",
        f"insights/knowledgegap/{a.gap_id}/ask",
        f"knowledge/source/{a.source_id}/read",
        f"knowledge/source/{a.source_id}/cancel",
    ):
        assert limited.post(f"/admin/{deed}/").status_code == 404, deed
    assert limited.post(f"/admin/knowledge/source/{a.source_id}/delete/", {"post": "yes"}).status_code != 200
    assert a.run(Source.objects.filter(pk=a.source_id).exists)
    assert a.run(CrawlRun.objects.count) == before
    assert a.run(lambda: (Lead.objects.get(pk=a.thread.lead_id).state, KnowledgeGap.objects.get().state)) == (
        "open",
        "open",
    )


def test_a_search_finds_no_words_of_other_chatbots(limited: Client, tenants: Tenants) -> None:
    assert tenants.a.run(Conversation.objects.count) == 2
    found = limited.get("/admin/chat/conversation/", {"q": tenants.a.marker})
    assert found.context["cl"].result_count == 0


def test_content_is_added_to_own_chatbots_alone(limited: Client, tenants: Tenants) -> None:
    a, page = tenants.a, "/admin/knowledge/source/add/"
    form = limited.get(page).context["adminform"].form
    assert [str(project) for project in a.run(lambda: list(form.fields["project"].queryset))] == ["Other bot"]
    before = a.run(Source.objects.count)
    wanted = {"kind": "faq", "name": "How long?", "text": "Two years, from the day of delivery."}
    assert limited.post(page, filled(limited, page, project=a.project_id, **wanted)).status_code == 200
    assert a.run(Source.objects.count) == before
    assert limited.post(page, filled(limited, page, **wanted)).status_code == 302  # the only one is chosen already
    assert a.run(Source.objects.count) == before + 1


def test_pages_are_not_filtered_by_others_sources(limited: Client, tenants: Tenants) -> None:
    assert f"Help {tenants.a.marker}" not in limited.get("/admin/knowledge/document/").content.decode()
