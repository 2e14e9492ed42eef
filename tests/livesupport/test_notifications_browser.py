"""Being told, in a real browser: the bell for real handoffs alone, and the pages of invitations and letters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import DjangoDbBlocker

from chat import actions as chat
from chat.models import Conversation, Handoff
from livesupport import notify
from livesupport.models import Availability
from tenants.workspace import invitations
from tenants.workspace.invitations import Wanted
from tenants.workspace.models import Invitation, OutboxEntry, Project, Seat
from tests.browser.product import browsing
from tests.chat.widget_stage import DESKTOP, PHONE, looks
from tests.conftest import make_tenant
from tests.livesupport.test_dashboard_browser import Desk

pytestmark = pytest.mark.browser
LOOK_AT = os.environ.get("LOOK_AT")  # a folder for pictures, for whoever wants to see them
# A browser that grants everything, is looked away from, and writes down what it would have shown.
BELL = """
localStorage.setItem("live.ring", "on");
window.shown = [];
window.Notification = class { constructor(title, options) { window.shown.push([title, options.body, options.tag]); } };
window.Notification.permission = "granted";
document.hasFocus = () => false;
"""


@pytest.fixture(scope="module")
def desk(web_port: int, django_db_blocker: DjangoDbBlocker) -> Iterator[Desk]:
    with django_db_blocker.unblock():
        cast = make_tenant()
        cast.run(_arrange, cast)
        connection.close()
    with browsing() as launched:
        yield Desk(cast, web_port, launched, django_db_blocker)


def _arrange(cast: Any) -> None:
    Handoff.objects.update(state=Handoff.State.CLOSED)
    Conversation.objects.update(owner=Conversation.Owner.NONE, holder=None)
    Project.objects.create(key="second", name="Trade counter")
    invitations.invite(by=cast.owner.seat, wanted=Wanted("mira@north-lamp.example", "agent"))
    late = invitations.invite(
        by=cast.owner.seat, wanted=Wanted("a.very.long.address@north-lamp-and-sons.example", "analyst")
    )
    Invitation.objects.filter(pk=late.pk).update(expires_at=timezone.now() - timedelta(hours=5))
    OutboxEntry.objects.filter(pk=cast.outbox_id).update(
        state="dead", last_error="The mail server said 550: 5.1.1 No such mailbox"
    )


def look(page: Page, name: str) -> None:
    """In each look: no fault that axe finds, no scroll sideways; a picture if one is wanted."""
    for how in looks(page):
        if LOOK_AT:
            page.screenshot(path=Path(LOOK_AT) / f"{name}-{how}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} ({how}) is {wide} px too wide"
        found = Axe().run(page).response["violations"]
        assert not [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found], f"{name} ({how})"


def test_the_bell_rings_for_a_real_handoff_and_never_for_a_test(desk: Desk) -> None:
    context = desk.browser.new_context(viewport=DESKTOP)
    cookie = {
        "name": settings.SESSION_COOKIE_NAME,
        "value": desk.cast.agent.session_key,
        "domain": desk.cast.host,
        "path": "/",
    }
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.add_init_script(BELL)
    page.goto(f"http://{desk.cast.host}:{desk.port}/live/")
    expect(page.locator("[data-offline]")).to_be_hidden()
    page.wait_for_timeout(500)
    rehearsal = desk.visitor()
    desk.run(_make_test, rehearsal.id)
    rehearsal.says("Let me talk to a human")
    expect(page.locator(f'a.q[data-row="{rehearsal.id}"]')).to_be_visible()
    assert page.evaluate("window.shown") == []
    real = desk.visitor("Let me talk to a human")
    expect(page.locator(f'a.q[data-row="{real.id}"]')).to_be_visible()
    page.wait_for_function("window.shown.length > 0")
    ((title, body, tag),) = page.evaluate("window.shown")
    assert title == "Asked for a person"
    assert "talk to a human" in body
    assert tag.startswith("handoff-")
    context.close()


def _make_test(conversation_id: str) -> None:
    """As a rehearsal's: somebody must be there for it, or it would be a standing request at once."""
    Conversation.objects.filter(pk=conversation_id).update(is_test=True)
    late = timezone.now() + timedelta(minutes=10)
    Seat.objects.create(user_id=987654321, name="Rehearsal", is_rehearsal=True, expires_at=late)


def _letters(desk: Desk) -> dict[str, str]:
    """The HTML of each letter."""

    def compose() -> dict[str, str]:
        opened = chat.open_session(project="shop", token=None, language="en")
        page = chat.PageView("https://shop.example/lamps/dursey", "Dursey table lamp")
        chat.note_visitor(conversation_id=opened.conversation_id, page=page)
        Availability.objects.update(seen_at=None)
        for text in ("How long do refunds take when a lamp arrives broken?", "Let me talk to a human"):
            chat.post_as_visitor(conversation_id=opened.conversation_id, draft=chat.Draft(text=text))
        chat.leave_contact(
            conversation_id=opened.conversation_id, email="maya@lindqvist.example", name="Maya Lindqvist"
        )
        seat = desk.cast.agent.seat
        payload = {"to": seat.email, "seat": seat.pk, "conversation": opened.conversation_id}
        team = notify.compose(payload)
        invited = OutboxEntry.objects.filter(lane__startswith="invitation:").earliest("pk")
        invitation = invitations.compose(invited.payload)
        assert team is not None
        assert invitation is not None
        return {"letter-team": team.html, "letter-invitation": invitation.html}

    found: dict[str, str] = desk.run(compose)
    return found


def test_pages_and_letters_are_readable_for_everybody(desk: Desk) -> None:
    cast = desk.cast
    letters = _letters(desk)
    token = desk.run(
        lambda: invitations.make_token(cast.schema, Invitation.objects.get(email__startswith="mira").secret)
    )
    for path, name in (
        ("/live/?tab=leads", "leads"),
        ("/live/notifications/", "notifications"),
        ("/admin/workspace/seat/", "people"),
        (f"/admin/workspace/outboxentry/{cast.outbox_id}/change/", "outgoing"),
    ):
        page = _signed_in(desk, path)
        look(page, name)
        if name == "people":
            page.fill("#id_email", cast.agent.email)
            page.click("text=Send the invitation")
            expect(page.locator(".bab-error")).to_contain_text("has a seat here already")
            look(page, "people-refused")
        page.context.close()
    context = desk.browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"http://localhost:{desk.port}/invitations/{token}/")
    expect(page.locator("h1")).to_contain_text("Join")
    look(page, "join")
    page.goto(f"http://localhost:{desk.port}/invitations/nothing/")
    look(page, "join-unknown")
    page = context.new_page()  # not under the policy of a page of ours
    for name, html in letters.items():
        page.set_content(html)
        look(page, name)
    context.close()


def _signed_in(desk: Desk, path: str) -> Page:
    context = desk.browser.new_context(viewport=DESKTOP)
    cookie = {
        "name": settings.SESSION_COOKIE_NAME,
        "value": desk.cast.owner.session_key,
        "domain": desk.cast.host,
        "path": "/",
    }
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"http://{desk.cast.host}:{desk.port}{path}")
    page.wait_for_load_state("networkidle") if "/live/" not in path else page.wait_for_timeout(500)
    return page


def test_a_stranger_joins_by_the_letters_link(desk: Desk) -> None:
    cast = desk.cast
    secret = desk.run(lambda: invitations.invite(by=cast.owner.seat, wanted=Wanted("tom@join.example", "agent")).secret)
    context = desk.browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.goto(f"http://localhost:{desk.port}/invitations/{invitations.make_token(cast.schema, secret)}/")
    page.fill("#id_name", "Tom Byrne")
    page.fill("#id_password", "a lamp in the north")
    page.click("text=Join the team")
    page.wait_for_url(f"http://{cast.host}:{desk.port}/live/")
    expect(page.locator("body")).to_have_attribute("data-seat-name", "Tom Byrne")
    context.close()
