"""The set-up checklist ticks on facts, for those who may see them."""

import re
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import Conversation, Handoff, Visitor
from insights import setup as page
from knowledge.models import Chunk, CrawlRun, Document, Source
from livesupport.models import Availability, OpeningHours, SlackInstall
from tenants.models import Plan, Tenant
from tenants.workspace.models import Project, Seat
from tests.cast import Cast
from tests.conftest import Tenants


@pytest.fixture
def bare(tenants: Tenants) -> Cast:
    """A tenant as sign-up leaves it: a chatbot and its owner."""
    a = tenants.a
    a.run(_strip, a.owner.seat_id)
    return a


def _strip(owner: int) -> None:
    Conversation.objects.all().delete()
    Visitor.objects.all().delete()
    Source.objects.all().delete()
    OpeningHours.objects.all().delete()
    Seat.objects.exclude(pk=owner).update(is_active=False)


def ticks(client: Client) -> dict[str, bool]:
    html = client.get("/setup/?part=steps").content.decode()
    rows = re.findall(r'data-step="(\w+)"[^>]*><summary><span class="tick( tick-done)?', html)
    assert len(rows) == 6
    assert f"{sum(bool(done) for _, done in rows)} of 6 done" in html
    return {key: bool(done) for key, done in rows}


def test_a_new_tenant_has_only_the_reasons_ticked(bare: Cast) -> None:
    ticked = [key for key, done in ticks(bare.client(bare.owner)).items() if done]
    assert ticked == ["reasons"]


def test_content_ticks_once_a_page_answers(bare: Cast) -> None:
    client = bare.client(bare.owner)

    def source() -> Source:
        return Source.objects.create(project_id=bare.project_id, url="https://help.lamp.example/")

    added = bare.run(source)
    run = bare.run(CrawlRun.objects.create, source=added, state="running", found=60, indexed=41, failed=1)
    page_read = bare.run(
        Document.objects.create,
        source=added,
        project_id=bare.project_id,
        run=run,
        url="https://x.example",
        title="Brass",
    )
    html = client.get("/setup/").content.decode()
    assert "42 of 60 pages" in html
    assert "Reading help.lamp.example" in html
    assert "Brass" in html
    assert not ticks(client)["content"]
    bare.run(Document.objects.filter(pk=page_read.pk).update, is_live=True)
    assert ticks(client)["content"]
    assert "It answers from 1 page" in client.get("/setup/").content.decode()


def test_a_reading_that_failed_says_why(bare: Cast) -> None:
    def fail() -> None:
        source = Source.objects.create(project_id=bare.project_id, url="https://help.lamp.example/", name="Help")
        CrawlRun.objects.create(source=source, state="failed", error="No page with text was found.")

    bare.run(fail)
    html = bare.client(bare.owner).get("/setup/").content.decode()
    assert "Help could not be read" in html
    assert "No page with text was found." in html


def test_reasons_untick_when_asking_in_words_is_switched_off(bare: Cast) -> None:
    bare.run(Project.objects.update, request_enabled=False)
    assert not ticks(bare.client(bare.owner))["reasons"]


def test_somebody_to_answer_is_a_person_who_is_there_or_hours(bare: Cast) -> None:
    client = bare.client(bare.owner)
    assert not ticks(client)["answering"]
    presence = {"state": "online", "seen_at": timezone.now()}
    bare.run(Availability.objects.update_or_create, seat_id=bare.owner.seat_id, defaults=presence)
    assert ticks(client)["answering"]
    bare.run(Availability.objects.all().delete)
    assert not ticks(client)["answering"]
    bare.run(OpeningHours.objects.create, project_id=bare.project_id, weekday=0, opens="09:00", closes="17:00")
    assert ticks(client)["answering"]


def answering(cast: Cast) -> str:
    html = cast.client(cast.owner).get("/setup/?part=steps").content.decode()
    return html.partition('data-step="answering"')[2].partition("<details")[0]


def test_the_checklist_leads_to_slack_or_says_why_not(bare: Cast, settings: Any) -> None:
    settings.SLACK_CLIENT_ID = ""
    assert "this server has no Slack app" in answering(bare)
    settings.SLACK_CLIENT_ID = "1.2"
    assert "Slack is not connected" in answering(bare)
    assert "/live/slack/?project=" in answering(bare)
    plan = Plan.objects.create(key="small", name="Small", price_cents=0, slack=False)
    Tenant.objects.filter(pk=bare.tenant_id).update(plan=plan)
    assert "Your plan does not include Slack" in answering(bare)
    assert "/live/slack/" not in answering(bare)


def test_a_channel_in_which_people_are_called_is_somewhere_to_call(bare: Cast) -> None:
    channel = {"bot_token": "xoxb", "channel_id": "C1", "channel_name": "help", "team_name": "Acme"}
    bare.run(SlackInstall.objects.create, project_id=bare.project_id, app_id="A1", team_id="T1", **channel)
    assert "nobody is called there yet" in answering(bare)
    assert not ticks(bare.client(bare.owner))["answering"]
    bare.run(Project.objects.update, handoffs_to="both")
    assert "#help in Slack" in answering(bare)
    assert ticks(bare.client(bare.owner))["answering"]


def test_the_three_triggers_stand_in_the_checklist_as_they_are(bare: Cast) -> None:
    bare.run(Project.objects.update, mood_enabled=False, mood_threshold=-0.25)
    html = bare.client(bare.owner).get("/setup/?part=steps").content.decode()
    assert "At once, when a visitor asks for one; when a critical question has no answer" in html
    assert re.search(r"mood drops below -0.25</span><span[^>]*>off<", html)


def test_a_rehearsal_seat_is_nobody_of_the_team(bare: Cast) -> None:
    client = bare.client(bare.owner)
    bare.run(Seat.objects.create, user_id=0, name="Rehearsal", role="agent", is_rehearsal=True)
    assert not ticks(client)["team"]
    bare.run(Seat.objects.filter(pk=bare.agent.seat_id).update, is_active=True)
    assert ticks(client)["team"]


def test_only_a_real_visitor_shows_that_the_line_is_on_a_site(bare: Cast) -> None:
    client = bare.client(bare.owner)
    visitor = {"project_id": bare.project_id, "token_hash": "a"}
    test = bare.run(Visitor.objects.create, is_test=True, **visitor)
    bare.run(
        Conversation.objects.create,
        project_id=bare.project_id,
        visitor=test,
        is_test=True,
        page_url="https://t.example",
    )
    assert not ticks(client)["embed"]
    real = bare.run(Visitor.objects.create, **visitor | {"token_hash": "b"})
    assert ticks(client)["embed"]
    bare.run(
        Conversation.objects.create, project_id=bare.project_id, visitor=real, page_url="https://shop.example/lamp?x=1"
    )
    assert "Seen on shop.example" in client.get("/setup/").content.decode()


@pytest.mark.parametrize("is_test", [True, False])
def test_a_handoff_that_a_person_resolved_is_the_test(bare: Cast, is_test: bool) -> None:
    client = bare.client(bare.owner)
    handoff = bare.run(_handoff, bare.project_id, is_test)
    assert not ticks(client)["test"]
    assert "One is on its way" in client.get("/setup/").content.decode()
    now = timezone.now()
    done = {"claimed_at": now, "claimed_name": "Tom", "first_reply_at": now, "resolved_at": now, "state": "resolved"}
    bare.run(Handoff.objects.filter(pk=handoff.pk).update, **done)
    assert ticks(client)["test"]
    html = client.get("/setup/").content.decode()
    assert f"{'A test' if is_test else 'A visitor'} went all the way, answered by Tom" in html


def _handoff(project_id: int, is_test: bool) -> Handoff:
    visitor = Visitor.objects.create(project_id=project_id, token_hash="x", is_test=is_test)
    conversation = Conversation.objects.create(project_id=project_id, visitor=visitor, is_test=is_test)
    episode = conversation.episodes.create(number=1)
    now = timezone.now()
    return Handoff.objects.create(
        conversation=conversation, episode=episode, trigger="request", reason="asked", requested_at=now, queued_at=now
    )


def test_the_line_to_paste_is_the_tenants_own(tenants: Tenants) -> None:
    html = tenants.a.client(tenants.a.owner).get("/setup/").content.decode()
    assert f'&lt;script async src="http://{tenants.a.http_host}/widget.js" data-project="shop"&gt;' in html
    assert tenants.b.marker not in html


def test_only_those_who_may_configure_are_led_to_the_settings(tenants: Tenants) -> None:
    a = tenants.a
    assert "/admin/knowledge/source/add/" in a.client(a.admin).get("/setup/").content.decode()
    for person in (a.agent, a.analyst):
        assert "/admin/" not in a.client(person).get("/setup/").content.decode()
    assert a.client().get("/setup/").status_code == 302


def test_a_seat_of_some_projects_sees_these_alone(tenants: Tenants) -> None:
    a = tenants.a
    other = a.run(Project.objects.create, key="other", name="Other bot")
    a.run(lambda: Seat.objects.get(pk=a.agent.seat_id).projects.set([other]))
    html = a.client(a.agent).get("/setup/?project=shop").content.decode()
    assert "Set up Other bot" in html
    assert a.marker not in re.sub(r"<nav.*?</nav>|data-step=.team.*?</details>", "", html, flags=re.DOTALL)


@pytest.mark.parametrize("where", ["/setup/", "/setup/rehearsal/", "/insights/"])
def test_a_chatbot_that_no_name_can_be_is_no_error_of_ours(tenants: Tenants, where: str) -> None:
    for person in (tenants.a.owner, tenants.a.agent):
        assert tenants.a.client(person).get(f"{where}?project=%00").status_code in (200, 404)


def test_a_tenant_without_a_chatbot_is_led_to_its_first(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "projects_of", lambda _: Project.objects.none())
    html = tenants.a.client(tenants.a.owner).get("/setup/").content.decode()
    assert "No chatbot yet" in html


def test_a_try_quotes_the_tenants_own_pages(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    a = tenants.a
    vector = a.run(lambda: Chunk.objects.get(pk=a.chunk_ids[0]).embedding)
    real = page.search
    monkeypatch.setattr(page, "search", lambda project, text: real(project, text, vector=vector))
    html = a.client(a.agent).get("/setup/", {"part": "answer", "ask": "  Can I  return <b>it</b>? "}).content.decode()
    assert a.marker in html
    assert f"https://help.{a.marker}.example/returns" in html
    assert "<b>it</b>" not in html
    assert "Type a question first" in a.client(a.agent).get("/setup/?part=answer&ask=%20").content.decode()


def test_the_page_takes_no_writes(tenants: Tenants) -> None:
    assert tenants.a.client(tenants.a.owner).post("/setup/").status_code == 405


def test_hops_are_timed_against_their_targets() -> None:
    start = timezone.now()
    at = [start, start, start.replace(microsecond=0) + (timedelta(seconds=40)), None, None]
    names = [name for name, _, _ in page.RELAY]
    handoff: Any = Handoff(**dict(zip(names, at, strict=True)))
    hops = page._hops(handoff, Project(claim_target_seconds=30))
    assert [(hop.happened, hop.is_late) for hop in hops] == [
        (True, False),
        (True, False),
        (True, True),
        (False, False),
        (False, False),
    ]
    assert [hop.seconds for hop in hops] == [None, 0, ANY, None, None]
