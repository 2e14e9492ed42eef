"""The page: who sees what of it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.insights.past import gap_of, talk


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def busy(cast: Cast, *, project_id: int | None = None, question: str = "Do you repair phones?") -> str:
    """A conversation of every outcome within the last days; returns the id of one with a gap."""
    with cast.inside():
        project = Project.objects.get(pk=project_id or cast.project_id)
        now = timezone.now() - timedelta(hours=1)
        for outcome in ("ai_confirmed", "ai_assumed", "people", "unresolved"):
            talk(project, now, outcome=outcome, rating=5)
        one = talk(project, now, outcome="people")
        one.handoff("request", 1, 10, 60, 300)
        passages = [{"title": "Care", "heading": "Glass", "url": "javascript:alert(1)", "score": 0.31}]
        gap_of(one.turn(question, evidence={"passages": passages}), 0.12)
        return str(one.conversation.pk)


@pytest.mark.parametrize("role", ["owner", "admin", "agent", "analyst"])
def test_everybody_with_a_seat_may_read_it(tenants: Tenants, role: str) -> None:
    busy(tenants.a)
    answer = tenants.a.client(getattr(tenants.a, role)).get("/insights/")
    assert answer.status_code == 200
    shown = text_of(answer.content.decode())
    assert "Resolved, by whomever" in shown
    assert "Do you repair phones?" in shown


def test_strangers_are_sent_to_the_sign_in(tenants: Tenants) -> None:
    assert tenants.a.client().get("/insights/")["Location"].startswith("/enter/?next=")


def test_nothing_of_another_tenant_is_in_it(tenants: Tenants) -> None:
    busy(tenants.b, question="Only at b")
    shown = tenants.a.client(tenants.a.owner).get("/insights/?days=90").content.decode()
    assert "Only at b" not in shown
    assert tenants.b.marker not in shown
    assert tenants.a.marker in shown


def test_the_figures_of_the_page(tenants: Tenants) -> None:
    busy(tenants.a)
    shown = text_of(tenants.a.client(tenants.a.owner).get("/insights/?project=shop").content.decode())
    assert "80%" in shown  # 4 of 5 that ended; the cast's own two are open
    assert "AI: 1 confirmed, 1 assumed" in shown
    assert "5 ended, 2 still open" in shown
    assert "4 ratings" in shown
    assert "AI alone 100% of 4 · with a person – of 0" in shown
    assert "Not a score" in shown
    assert "confidence 0.12, needed 0.55" in shown
    for target in ("2 s", "30 s", "1:30", "8:00"):
        assert f"target {target} p90" in shown
    headlines = ("Resolved, by whomever", "Satisfied, 4 or 5 of 5", "Handed to people")
    assert sorted(headlines, key=shown.index) == list(headlines)


def test_links_lead_where_the_seat_may_go(tenants: Tenants) -> None:
    conversation = busy(tenants.a)
    talk_link, add_link = f"/live/?c={conversation}", "/admin/knowledge/source/add/?project="
    seen = {
        role: tenants.a.client(getattr(tenants.a, role)).get("/insights/").content.decode()
        for role in ("owner", "agent", "analyst")
    }
    assert [talk_link in seen[role] for role in ("owner", "agent", "analyst")] == [True, True, False]
    assert [add_link in seen[role] for role in ("owner", "agent", "analyst")] == [True, False, False]
    assert "kind=faq&amp;name=Do+you+repair+phones%3F&amp;prompted_by=gap%3A" in seen["owner"]
    assert "javascript:" not in seen["owner"]


def test_a_seat_with_projects_sees_only_these(tenants: Tenants) -> None:
    with tenants.a.inside():
        other = Project.objects.create(key="other", name="Other one")
        tenants.a.agent.seat.projects.add(other)
    busy(tenants.a, question="Only in shop")
    busy(tenants.a, project_id=other.pk, question="Only in other")
    for address in ("/insights/", "/insights/?project=shop"):
        shown = tenants.a.client(tenants.a.agent).get(address).content.decode()
        assert "Only in other" in shown
        assert "Only in shop" not in shown
    owner = tenants.a.client(tenants.a.owner)
    assert "Only in shop" in owner.get("/insights/").content.decode()
    assert "Only in shop" not in owner.get("/insights/?project=other").content.decode()


def test_a_visitors_words_are_text(tenants: Tenants) -> None:
    busy(tenants.a, question="<img src=x onerror=alert(1)>")
    shown = tenants.a.client(tenants.a.owner).get("/insights/").content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "<img src=x" not in shown


def test_an_empty_period_says_so(tenants: Tenants) -> None:
    with tenants.a.inside():
        Project.objects.create(key="new", name="New")
    shown = text_of(tenants.a.client(tenants.a.owner).get("/insights/?project=new&days=7").content.decode())
    assert "No conversations in these 7 days" in shown
    assert "No questions yet" in shown


@pytest.mark.parametrize(("asked", "days"), [("7", 7), ("90", 90), ("8", 28), ("x", 28), ("-1", 28), ("", 28)])
def test_only_the_offered_periods_are_counted(tenants: Tenants, asked: str, days: int) -> None:
    answer = tenants.a.client(tenants.a.owner).get(f"/insights/?days={asked}")
    assert answer.context["period"].days == days


def test_no_style_or_script_is_in_the_markup(tenants: Tenants) -> None:
    busy(tenants.a)
    shown = tenants.a.client(tenants.a.owner).get("/insights/").content.decode()
    body = shown[shown.index('<main class="page"') : shown.index("</main>")]
    assert " style=" not in body
    assert "<script" not in body
