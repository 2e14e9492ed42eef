"""A chatbot's settings: what is saved, where, and what is never shown."""

import html
from typing import Any

import pytest

from chat.judgement.rules import Rules
from chat.judgement.triage import KINDS
from livesupport.models import OpeningHours
from tenants.models import Plan, Tenant
from tenants.schema import PUBLIC, run_in
from tenants.workspace.judgement_form import TRIAGE
from tenants.workspace.models import AuditEntry, Project
from tests.admin.forms import filled
from tests.cast import Cast
from tests.conftest import Tenants


def page(cast: Cast) -> str:
    return f"/admin/workspace/project/{cast.project_id}/change/"


def test_a_change_lands_in_the_hosts_own_schema(tenants: Tenants) -> None:
    a, b = tenants.a, tenants.b
    client = a.client(a.owner)
    data = filled(
        client,
        page(a),
        name="The new name",
        suggestions="Where is my order?\n\n  Can I return it? \nWhere is my order?",
        allowed_sites="shop.example\nhttps://Other.example/path\nhttp://localhost:8001",
        timezone="Europe/Berlin",
        mood_threshold="-0.2",
    )
    assert client.post(page(a), data).status_code == 302
    with a.inside():
        project = Project.objects.get(pk=a.project_id)
        assert project.name == "The new name"
        assert project.suggestions == ["Where is my order?", "Can I return it?"]
        assert project.allowed_sites == ["https://shop.example", "https://other.example", "http://localhost:8001"]
        assert (project.timezone, project.mood_threshold) == ("Europe/Berlin", -0.2)
        assert project.key == a.project_key
    with b.inside():
        assert Project.objects.get(pk=b.project_id).name == f"Shop {b.marker}"


def test_words_topics_and_triage_are_kept_as_judgement_reads_them(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    data = filled(
        client,
        page(a),
        person_words="showroom\nfitting appointment\nshowroom",
        critical_words="recall",
        own_topics="Warranty claim: guarantee,  broken glass\nTrade: trade account",
        triage_partnership="lead",
    )
    assert client.post(page(a), data).status_code == 302
    with a.inside():
        project = Project.objects.get(pk=a.project_id)
        assert project.keywords == [
            {"word": "showroom", "kind": "person"},
            {"word": "fitting appointment", "kind": "person"},
            {"word": "recall", "kind": "critical"},
        ]
        assert project.topics == [
            {"name": "Warranty claim", "keywords": ["guarantee", "broken glass"]},
            {"name": "Trade", "keywords": ["trade account"]},
        ]
        assert project.triage == {"partnership": "lead"}
        assert Rules.of(project).leads == {"partnership"}
    again = filled(client, page(a), name="Renamed")
    assert again["own_topics"] == "Warranty claim: guarantee, broken glass\nTrade: trade account"
    assert client.post(page(a), again).status_code == 302
    with a.inside():
        assert Project.objects.get(pk=a.project_id).keywords == project.keywords


def test_a_topic_without_words_is_refused_with_its_line(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    answer = client.post(page(a), filled(client, page(a), own_topics="Warranty claim"))
    assert answer.status_code == 200
    assert "Warranty claim: write a name, a colon and words" in answer.content.decode()
    with a.inside():
        assert Project.objects.get(pk=a.project_id).topics == []


def test_the_form_offers_every_kind_that_judgement_tells_apart() -> None:
    assert set(TRIAGE) == set(KINDS)


def test_a_stored_key_is_never_shown_and_stays_when_none_is_typed(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    secret = f"sk-{a.marker}"
    for shown in (page(a), "/admin/workspace/project/", f"/admin/workspace/project/{a.project_id}/history/"):
        assert secret not in client.get(shown).content.decode()
    assert client.post(page(a), filled(client, page(a), persona="Brisk")).status_code == 302
    with a.inside():
        assert Project.objects.get(pk=a.project_id).model_key == secret


def test_a_typed_key_replaces_the_stored_one_and_leaves_no_trace(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    client.post(page(a), filled(client, page(a), new_model_key="sk-typed-4711"))
    with a.inside():
        assert Project.objects.get(pk=a.project_id).model_key == "sk-typed-4711"
        entry = AuditEntry.objects.get(data__model="workspace.project", data__id=str(a.project_id))
        assert "Key" in entry.data["text"]
        assert "4711" not in f"{entry.subject} {entry.verb} {entry.data}"
    assert "4711" not in client.get(page(a)).content.decode()


def test_a_refused_form_does_not_give_the_typed_key_back(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    answer = client.post(page(a), filled(client, page(a), new_model_key="sk-typed-4711", mood_threshold="7"))
    assert answer.status_code == 200
    assert "sk-typed-4711" not in answer.content.decode()
    with a.inside():
        assert Project.objects.get(pk=a.project_id).model_key == f"sk-{a.marker}"


def test_a_key_can_be_forgotten(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    client.post(page(a), filled(client, page(a), forget_model_key="on"))
    with a.inside():
        assert Project.objects.get(pk=a.project_id).model_key == ""


@pytest.mark.parametrize(
    "site",
    [
        *("javascript:alert(1)", "https://a@b.example", "https://", "ftp://x.example", "https://x.example:0"),
        *("https://my_shop.example", "https://a..b", "https://x.example:99999"),
    ],
)
def test_a_site_that_is_none_is_refused_with_its_name(tenants: Tenants, site: str) -> None:
    a = tenants.a
    client = a.client(a.owner)
    answer = client.post(page(a), filled(client, page(a), allowed_sites=site))
    assert answer.status_code == 200
    assert "write a site like https://shop.example" in answer.content.decode()
    with a.inside():
        assert Project.objects.get(pk=a.project_id).allowed_sites == []


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://localhost:11434/v1", "Port 11434 is not fetched"),
        ("http://localhost/v1", "not a name on the public internet"),
        ("https://10.0.0.7/v1", "not a public internet address"),
        ("https://me:secret@llm.example/v1", "user name"),
        ("ftp://llm.example/v1", "complete http:// or https:// address"),
    ],
)
def test_a_models_address_that_is_never_called_is_refused_when_it_is_saved(
    tenants: Tenants, url: str, sentence: str
) -> None:
    a = tenants.a
    client = a.client(a.owner)
    answer = client.post(page(a), filled(client, page(a), model_base_url=url))
    assert answer.status_code == 200
    assert sentence in html.unescape(answer.content.decode())
    assert a.run(Project.objects.get, pk=a.project_id).model_base_url == ""


def test_a_models_address_is_kept_where_it_may_be_called(tenants: Tenants, settings: Any) -> None:
    a = tenants.a
    client = a.client(a.owner)
    settings.CRAWL_ALLOW_PRIVATE = frozenset({"localhost:11434"})
    for url in ("http://localhost:11434/v1", "https://llm.example/v1", ""):
        assert client.post(page(a), filled(client, page(a), model_base_url=url)).status_code == 302
        assert a.run(Project.objects.get, pk=a.project_id).model_base_url == url


def test_more_than_four_suggestions_are_refused(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    answer = client.post(page(a), filled(client, page(a), suggestions="\n".join("abcde")))
    assert "At most 4 lines." in answer.content.decode()


def test_the_embed_line_names_this_host_and_this_project(tenants: Tenants) -> None:
    a = tenants.a
    shown = a.client(a.owner).get(page(a)).content.decode()
    line = f'&lt;script async src="http://{a.http_host}/widget.js" data-project="{a.project_key}"&gt;'
    assert line in shown


def test_opening_hours_are_kept_with_the_project(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    new = {
        "opening_hours-TOTAL_FORMS": "2",
        "opening_hours-1-project": str(a.project_id),
        "opening_hours-1-weekday": "4",
        "opening_hours-1-opens": "10:00",
        "opening_hours-1-closes": "12:30",
    }
    assert client.post(page(a), filled(client, page(a), **new)).status_code == 302
    with a.inside():
        assert [str(hours) for hours in OpeningHours.objects.all()] == ["Monday 09:00-17:00", "Friday 10:00-12:30"]


def test_hours_that_close_before_they_open_are_refused(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    answer = client.post(page(a), filled(client, page(a), **{"opening_hours-0-closes": "08:00"}))
    assert answer.status_code == 200
    with a.inside():
        assert OpeningHours.objects.get().closes.hour == 17


def test_a_plan_that_is_full_takes_no_further_chatbot(tenants: Tenants) -> None:
    a = tenants.a
    client = a.client(a.owner)
    roomy = run_in(PUBLIC, Plan.objects.create, key="roomy", name="Roomy", price_cents=0, projects=2)
    full = run_in(PUBLIC, Plan.objects.create, key="full", name="Full", price_cents=0, projects=1)
    for plan, status in ((roomy, 200), (full, 403)):
        run_in(PUBLIC, Tenant.objects.filter(pk=a.tenant_id).update, plan=plan)
        assert client.get("/admin/workspace/project/add/").status_code == status


def test_a_new_chatbot_gets_its_key_once(tenants: Tenants) -> None:
    a = tenants.a
    run_in(PUBLIC, Tenant.objects.filter(pk=a.tenant_id).update, plan=None)
    client = a.client(a.owner)
    add = "/admin/workspace/project/add/"
    assert client.post(add, filled(client, add, key="second", name="Second")).status_code == 302
    with a.inside():
        second = Project.objects.get(key="second")
    change = f"/admin/workspace/project/{second.pk}/change/"
    client.post(change, filled(client, change, key="other", name="Renamed"))
    with a.inside():
        assert Project.objects.get(pk=second.pk).key == "second"
        assert Project.objects.get(pk=second.pk).name == "Renamed"
