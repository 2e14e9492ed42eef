"""Who is mailed about a conversation, when, what the letter says, and who never is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from chat import actions as chat
from chat.models import Conversation, Handoff, Message, Visitor
from livesupport import actions, notify
from livesupport.models import Lead
from livesupport.templatetags.live import reply_address
from tenants.workspace import outbox
from tenants.workspace.models import OutboxEntry, Project, Seat
from tests.cast import Cast, Person
from tests.conftest import Tenants
from tests.livesupport.test_actions import be_there

DESK = "desk@north-lamp.example"
Commit = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def cast(tenants: Tenants) -> Iterator[Cast]:
    """Nobody has a dashboard open; one address is on the chatbot's list, and nobody with a seat wants mail."""
    with tenants.a.inside():
        OutboxEntry.objects.all().delete()
        Lead.objects.all().delete()
        Handoff.objects.update(state=Handoff.State.CLOSED)
        Project.objects.filter(pk=tenants.a.project_id).update(notify_emails=[DESK], timezone="Europe/Dublin")
        Seat.objects.update(notify_by_email=False)
        yield tenants.a


class Guest:
    """A visitor who acts through chat's own verbs."""

    def __init__(self, *texts: str, is_test: bool = False) -> None:
        opened = chat.open_session(project="shop", token=None, language="en")
        self.id = opened.conversation_id
        if is_test:
            Conversation.objects.filter(pk=self.id).update(is_test=True)
        page = chat.PageView("https://shop.example/lamps/dursey", "Dursey lamp")
        chat.note_visitor(conversation_id=self.id, page=page)
        for text in texts:
            self.says(text)

    def says(self, text: str) -> None:
        chat.post_as_visitor(conversation_id=self.id, draft=chat.Draft(text=text, client_id=uuid4()))

    def asks(self) -> None:
        chat.request_human(conversation_id=self.id, client_id=uuid4())

    def leaves(self, email: str, name: str = "") -> None:
        chat.leave_contact(conversation_id=self.id, email=email, name=name, client_id=uuid4())

    @property
    def handoff(self) -> Handoff:
        return Handoff.objects.get(conversation_id=self.id)


def delivered() -> list[Any]:
    """The letters that left since the last call."""
    outbox.deliver_due()
    found, django_mail.outbox[:] = list(django_mail.outbox), []
    return found


def letters() -> list[OutboxEntry]:
    return list(OutboxEntry.objects.filter(kind="email").order_by("pk"))


def later(minutes: float) -> None:
    """Let time pass for everything the outbox knows."""
    passed = timedelta(minutes=minutes)
    for entry in OutboxEntry.objects.all():
        entry.next_at, entry.created_at = entry.next_at - passed, entry.created_at - passed
        entry.sent_at = entry.sent_at - passed if entry.sent_at else None
        entry.save(update_fields=["next_at", "created_at", "sent_at"])


def test_a_handoff_that_finds_nobody_is_mailed_with_everything(cast: Cast) -> None:
    guest = Guest("How long do refunds take?", "Let me talk to a human")
    assert guest.handoff.state == Handoff.State.STANDING
    (letter,) = delivered()
    assert letter.to == [DESK]
    html = letter.alternatives[0][0]
    link = f"http://{cast.http_host}/live/?c={guest.id}"
    for text in (letter.body, html):
        assert "How long do refunds take?" in text
        assert "Let me talk to a human" in text
        assert "https://shop.example/lamps/dursey" in text
        assert link in text
        assert "Asked for a person" in text
    assert "nobody was there" in letter.subject
    at = Message.objects.filter(conversation=guest.id).earliest("pk").created_at
    from zoneinfo import ZoneInfo

    assert f"{at.astimezone(ZoneInfo('Europe/Dublin')):%H:%M}" in letter.body


def test_a_lead_is_mailed_with_its_address_and_never_to_it(cast: Cast) -> None:
    guest = Guest("It arrived last week.", "Do you repair the Dursey?")
    guest.leaves("maya@lindqvist.example", "Maya")
    (letter,) = delivered()
    assert "wants an answer by e-mail" in letter.subject
    assert "It arrived last week." in letter.body  # the transcript, not the question alone
    assert "Maya" in letter.subject
    assert "maya@lindqvist.example" in letter.body
    assert letter.recipients() == [DESK]
    assert letter.reply_to == []
    for flood in range(5):
        Guest("Hello").leaves(f"victim{flood}@elsewhere.example")
    assert {address for each in delivered() for address in each.recipients()} == {DESK}


def test_a_lead_is_about_the_question_not_about_having_asked_for_a_person(cast: Cast) -> None:
    guest = Guest("Do you repair the Dursey?", "Let me talk to a human")
    guest.leaves("maya@lindqvist.example")
    assert Lead.objects.get(conversation=guest.id).question == "Do you repair the Dursey?"
    (letter,) = delivered()
    assert "Do you repair the Dursey?" in letter.alternatives[0][0].split("What was said")[0]


def test_news_of_one_conversation_come_at_most_every_ten_minutes(cast: Cast) -> None:
    guest = Guest("Let me talk to a human")
    assert len(delivered()) == 1
    guest.leaves("maya@lindqvist.example")
    guest.leaves("maya@other.example")
    assert delivered() == []
    later(9)
    assert delivered() == []
    later(1.1)
    (letter,) = delivered()
    assert "maya@other.example" in letter.body
    later(60)
    assert delivered() == []
    assert len(letters()) == 2


def test_conversations_do_not_wait_for_each_other(cast: Cast) -> None:
    Guest("Let me talk to a human"), Guest("I want a human please")
    assert len(delivered()) == 2


def test_news_of_a_letter_that_has_not_left_are_in_it(cast: Cast) -> None:
    guest = Guest("Let me talk to a human")
    guest.leaves("maya@lindqvist.example")
    assert len(letters()) == 1
    (letter,) = delivered()
    assert "maya@lindqvist.example" in letter.body


def test_tests_tell_nobody(cast: Cast) -> None:
    guest = Guest("Let me talk to a human", is_test=True)
    guest.leaves("maya@lindqvist.example")
    Handoff.objects.filter(conversation=guest.id).update(state=Handoff.State.WAITING)
    Conversation.objects.filter(pk=guest.id).update(owner=Conversation.Owner.QUEUE)
    Handoff.objects.update(queued_at=timezone.now() - timedelta(hours=1))
    actions.give_up_waiting()
    assert letters() == []


def test_the_last_of_a_waiting_queue_is_told_once_before_it_is_given_up(cast: Cast) -> None:
    be_there(cast.agent)
    guest = Guest("Let me talk to a human")
    assert guest.handoff.state == Handoff.State.WAITING
    actions.give_up_waiting()
    assert letters() == []  # somebody is there, and has the time that was promised
    asked = timezone.now() - timedelta(seconds=61)
    Handoff.objects.filter(pk=guest.handoff.pk).update(queued_at=asked, requested_at=asked)
    for _ in range(3):
        actions.give_up_waiting()
    (letter,) = delivered()
    assert "has waited for 1:01" in letter.subject
    actions.give_up_waiting()
    assert len(letters()) == 1


def test_a_handoff_that_nobody_claims_is_mailed(cast: Cast) -> None:
    be_there(cast.agent)
    guest = Guest("Let me talk to a human")
    be_there(cast.agent, seen_seconds_ago=600)  # gone meanwhile
    actions.give_up_waiting()
    assert guest.handoff.state == Handoff.State.STANDING
    (letter,) = delivered()
    assert "nobody was there" in letter.subject


@pytest.mark.parametrize("deed", ["claimed", "closed", "taken off the list", "deleted"])
def test_what_was_seen_to_meanwhile_is_not_mailed(cast: Cast, deed: str) -> None:
    guest = Guest("Let me talk to a human")
    if deed == "claimed":
        actions.claim(seat=cast.agent.seat, conversation_id=guest.id)
    elif deed == "closed":
        actions.resolve(seat=cast.agent.seat, conversation_id=guest.id)
    elif deed == "taken off the list":
        Project.objects.update(notify_emails=[])
    else:
        Conversation.objects.filter(pk=guest.id).delete()
    assert delivered() == []
    assert [entry.state for entry in letters()] == ["skipped"]


def wanting(*people: Person) -> None:
    Seat.objects.filter(pk__in=[person.seat_id for person in people]).update(notify_by_email=True)


def mailed() -> set[str]:
    return {letter.to[0] for letter in delivered()}


def test_people_are_mailed_while_they_are_away_and_want_to_be(cast: Cast) -> None:
    Project.objects.update(notify_emails=[])
    wanting(cast.owner, cast.admin, cast.agent, cast.analyst)
    Guest("Let me talk to a human")
    # An analyst answers nobody.
    assert mailed() == {cast.owner.email, cast.admin.email, cast.agent.email}
    wanting()
    Seat.objects.filter(pk=cast.owner.seat_id).update(notify_by_email=False)
    be_there(cast.admin, state="away")
    be_there(cast.agent, capacity=0)  # full, but looking
    guest = Guest("Let me talk to a human")
    Handoff.objects.filter(conversation=guest.id, state=Handoff.State.WAITING).update(state=Handoff.State.STANDING)
    OutboxEntry.objects.all().delete()
    notify.tell_team(conversation_id=guest.id)
    assert mailed() == {cast.admin.email}


def test_people_of_other_projects_rehearsals_and_slack_are_not_mailed(cast: Cast) -> None:
    Project.objects.update(notify_emails=[])
    wanting(cast.agent)
    cast.agent.seat.projects.add(Project.objects.create(key="other", name="Other"))
    late = timezone.now() + timedelta(minutes=5)
    Seat.objects.create(user_id=10**9, name="R", email="r@x.example", is_rehearsal=True, expires_at=late)
    Seat.objects.create(user_id=None, name="S", email="s@x.example")
    Seat.objects.create(user_id=10**9 + 1, name="Off", email="off@x.example", is_active=False)
    Seat.objects.create(user_id=10**9 + 2, name="No address")
    Guest("Let me talk to a human")
    assert mailed() == set()


def test_each_address_reads_once(cast: Cast) -> None:
    Project.objects.update(notify_emails=[cast.agent.email.upper(), DESK, DESK.upper()])
    wanting(cast.agent)
    Guest("Let me talk to a human")
    assert sorted(letter.to[0] for letter in delivered()) == sorted([cast.agent.email, DESK])


def test_a_flood_of_visitors_is_no_flood_of_mail(cast: Cast) -> None:
    for _ in range(notify.MOST_AN_HOUR + 3):
        Guest("Let me talk to a human")
    assert len(letters()) == notify.MOST_AN_HOUR
    later(61)
    Guest("Let me talk to a human")
    assert len(letters()) == notify.MOST_AN_HOUR + 1


def test_private_notes_and_long_texts_stay_out(cast: Cast) -> None:
    guest = Guest("x" * 3900, "Let me talk to a human")
    author = chat.Author.of_seat(cast.agent.seat)
    note = chat.Draft(text="he is difficult", client_id=uuid4(), note=True)
    chat.post_messages(conversation_id=guest.id, author=author, drafts=[note])
    (letter,) = delivered()
    assert "difficult" not in letter.body + letter.alternatives[0][0]
    assert "x" * (notify.LONGEST_LINE - 1) + "…" in letter.body
    assert "x" * (notify.LONGEST_LINE + 1) not in letter.body


@pytest.mark.parametrize(
    "hostile", ["<img src=x onerror=alert(1)>", "</td><script>alert(1)</script>", "{{ settings.SECRET_KEY }}"]
)
def test_hostile_words_are_words(cast: Cast, hostile: str) -> None:
    guest = Guest(f"{hostile} let me talk to a human")
    Visitor.objects.filter(conversation=guest.id).update(name=f"Eve\r\nBcc: all@x.example {hostile}"[:120])
    Conversation.objects.filter(pk=guest.id).update(page_url="javascript:alert(1)", page_title=hostile)
    (letter,) = delivered()
    html = letter.alternatives[0][0]
    assert "<img" not in html
    assert "<script" not in html
    assert "javascript:" not in html
    assert "\n" not in letter.message()["Subject"].replace("\n ", "")
    assert letter.message()["Bcc"] is None
    if "{{" in hostile:
        assert hostile in letter.body


def test_letters_of_one_conversation_hang_together(cast: Cast) -> None:
    guest = Guest("Let me talk to a human")
    (first,) = delivered()
    guest.leaves("maya@lindqvist.example")
    later(11)
    (second,) = delivered()
    assert first.message()["References"] == second.message()["References"]
    assert first.message()["Message-ID"] != second.message()["Message-ID"]


def test_the_mail_of_another_tenant_stays_there(cast: Cast, tenants: Tenants) -> None:
    before = tenants.b.run(OutboxEntry.objects.count)
    Guest("Let me talk to a human")
    (letter,) = delivered()
    assert tenants.b.marker not in letter.body
    assert tenants.b.run(OutboxEntry.objects.count) == before


def test_a_person_switches_their_own_letters_off_and_on(cast: Cast) -> None:
    wanting(cast.agent, cast.admin)
    client = cast.client(cast.agent)
    assert "checked" in client.get("/live/notifications/").content.decode()
    assert client.post("/live/notifications/", {}).status_code == 302
    assert not cast.agent.seat.notify_by_email
    assert cast.admin.seat.notify_by_email
    assert "checked" not in client.get("/live/notifications/").content.decode()
    client.post("/live/notifications/", {"mail": "on"})
    assert cast.agent.seat.notify_by_email
    assert cast.client(cast.analyst).post("/live/notifications/", {"mail": "on"}).status_code == 403
    assert not cast.analyst.seat.notify_by_email


def test_the_chatbots_list_is_set_in_its_settings(cast: Cast) -> None:
    from tests.admin.forms import filled

    client, page = cast.client(cast.owner), f"/admin/workspace/project/{cast.project_id}/change/"
    data = filled(client, page, notify_emails="Desk@x.example\n\nboss@x.example\ndesk@x.example")
    assert client.post(page, data).status_code == 302
    assert Project.objects.get(pk=cast.project_id).notify_emails == ["desk@x.example", "boss@x.example"]
    answer = client.post(page, filled(client, page, notify_emails="not an address"))
    assert "write an address like" in answer.content.decode()
    assert len(Project.objects.get(pk=cast.project_id).notify_emails) == 2


def test_a_reply_opens_in_the_agents_own_program_with_the_question_quoted(cast: Cast) -> None:
    guest = Guest("Let me talk to a human about\nmy lamp & shade?")
    guest.leaves("maya+lamp@lindqvist.example", "Maya")
    lead = Lead.objects.select_related("conversation__project").get(conversation=guest.id)
    parts = urlsplit(reply_address(lead))
    fields = parse_qs(parts.query)
    assert (parts.scheme, unquote(parts.path)) == ("mailto", "maya+lamp@lindqvist.example")
    assert fields["subject"] == [f"Your question to Shop {cast.marker}"]
    assert "> Let me talk to a human about\r\n> my lamp & shade?" in fields["body"][0]
    page = cast.client(cast.agent).get("/live/queue/?tab=leads").content.decode()
    assert "Reply by e-mail" in page
    assert 'href="mailto:maya+lamp@lindqvist.example?subject=' in page
    evil = Lead(conversation=lead.conversation, email="a@x.example?bcc=all@x.example", question="q")
    assert "?bcc=" not in reply_address(evil)
