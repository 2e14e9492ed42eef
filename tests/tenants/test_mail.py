"""Letters through a real mail server: once, again when it may pass, and dead with the server's own words."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tenants import mail
from tenants.workspace import outbox
from tenants.workspace.models import AuditEntry, OutboxEntry
from tests.cast import Cast
from tests.conftest import Tenants
from tests.fakes.smtp_server import CUT, FakeSmtp


@pytest.fixture
def server(settings: Any) -> Iterator[FakeSmtp]:
    with FakeSmtp() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", running.port, 5
        yield running


@pytest.fixture
def a(tenants: Tenants) -> Iterator[Cast]:
    """The tenant, with one kind of letter: what its payload says."""
    before = dict(mail._composers)
    mail.bind({"plain": lambda payload: mail.Letter(payload["to"], payload["subject"], "Text", "<p>Text</p>")})
    tenants.a.run(OutboxEntry.objects.all().delete)
    yield tenants.a
    mail.bind(before)


def post(cast: Cast, *, to: str = "ana@x.example", subject: str = "Hello", key: str = "k1") -> OutboxEntry:
    payload = {"letter": "plain", "to": to, "subject": subject}
    return cast.run(outbox.post, kind=mail.KIND, lane="one", key=key, payload=payload)


def deliver(cast: Cast) -> OutboxEntry:
    """Try what waits, without its pause; the newest entry after that."""
    cast.run(OutboxEntry.objects.filter(state="waiting").update, next_at=timezone.now() - timedelta(seconds=1))
    cast.run(outbox.deliver_due)
    return cast.run(OutboxEntry.objects.latest, "pk")


def test_a_letter_is_delivered_once(a: Cast, server: FakeSmtp) -> None:
    post(a), post(a)
    assert deliver(a).state == "sent"
    deliver(a)
    (letter,) = server.letters
    assert (letter["To"], letter["Subject"], letter["Auto-Submitted"]) == ("ana@x.example", "Hello", "auto-generated")
    assert letter["Reply-To"] is None
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize("where", ["recipient_answers", "data_answers"])
def test_4xx_is_tried_again(a: Cast, server: FakeSmtp, where: str) -> None:
    getattr(server, where).append("451 4.3.0 Greylisted, try later")
    post(a)
    entry = deliver(a)
    assert (entry.state, entry.attempts) == ("waiting", 1)
    assert entry.last_error == "The mail server said 451: 4.3.0 Greylisted, try later"
    assert entry.next_at > timezone.now()
    assert not server.letters
    assert deliver(a).state == "sent"
    assert len(server.letters) == 1


@pytest.mark.parametrize("where", ["recipient_answers", "data_answers"])
def test_5xx_is_dead_and_the_next_letter_goes_on(a: Cast, server: FakeSmtp, where: str) -> None:
    getattr(server, where).append("550 5.1.1 No such mailbox")
    post(a), post(a, key="k2", to="tom@x.example")
    deliver(a)
    first, second = a.run(lambda: list(OutboxEntry.objects.order_by("pk")))
    assert (first.state, first.attempts) == ("dead", 1)
    assert first.last_error == "The mail server said 550: 5.1.1 No such mailbox"
    assert second.state == "sent"
    assert [letter["To"] for letter in server.letters] == ["tom@x.example"]


def test_a_letter_of_unknown_fate_comes_again_under_the_same_id(a: Cast, server: FakeSmtp) -> None:
    server.data_answers.append(CUT)
    post(a)
    assert deliver(a).state == "waiting"
    assert deliver(a).state == "sent"
    first, second = (letter["Message-ID"] for letter in server.letters)
    assert first == second


def test_ids_differ_by_letter_and_by_business(a: Cast, tenants: Tenants, server: FakeSmtp) -> None:
    post(a), post(a, key="k2"), post(tenants.b)
    deliver(a), deliver(tenants.b)
    assert len({letter["Message-ID"] for letter in server.letters}) == 3


def test_a_server_that_is_down_or_refuses_our_account_may_come_back(a: Cast, settings: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", closed, 2
    post(a)
    entry = deliver(a)
    assert (entry.state, entry.last_error) == ("waiting", "The mail server could not be reached.")


def test_trouble_with_our_account_is_not_the_letters_fault(a: Cast, server: FakeSmtp, settings: Any) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "wrong"  # the server knows no AUTH at all
    post(a)
    assert deliver(a).state == "waiting"
    assert not server.letters


@pytest.mark.parametrize("subject", ["Lamp\r\nBcc: all@x.example", "x" * 500, "Grüße, ランプ"])
def test_a_subject_is_one_line(a: Cast, server: FakeSmtp, subject: str) -> None:
    post(a, subject=subject)
    assert deliver(a).state == "sent"
    (letter,) = server.letters
    assert letter["Bcc"] is None
    assert len(letter["Subject"]) <= mail.LONGEST_SUBJECT + 1  # folding adds a space
    assert letter["To"] == "ana@x.example"


def test_an_address_that_breaks_the_header_is_dead(a: Cast, server: FakeSmtp) -> None:
    post(a, to="ana@x.example\r\nBcc: all@x.example")
    assert deliver(a).state == "dead"
    assert not server.letters


def test_an_unknown_letter_is_dead_and_one_no_longer_needed_is_skipped(a: Cast, server: FakeSmtp) -> None:
    a.run(outbox.post, kind=mail.KIND, lane="one", key="u", payload={"letter": "nobody's"})
    assert deliver(a).state == "dead"
    mail.bind({"plain": lambda payload: None})
    post(a)
    entry = deliver(a)
    assert (entry.state, entry.sent_at) == ("skipped", None)
    assert not server.letters


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_a_dead_letter_is_seen_and_sent_again_from_the_settings(a: Cast, server: FakeSmtp, role: str) -> None:
    server.recipient_answers.append("550 5.1.1 No such mailbox")
    post(a)
    entry = deliver(a)
    client = a.client(getattr(a, role))
    assert "Failed for good" in client.get("/admin/workspace/outboxentry/").content.decode()
    page = client.get(f"/admin/workspace/outboxentry/{entry.pk}/change/").content.decode()
    assert "550: 5.1.1 No such mailbox" in page
    assert "Try again" in page
    answer = client.post(f"/admin/workspace/outboxentry/{entry.pk}/retry/")
    assert answer.status_code == 302
    assert deliver(a).state == "sent"
    assert len(server.letters) == 1
    assert a.run(AuditEntry.objects.filter(verb="sent again").count) == 1
    again = client.get(f"/admin/workspace/outboxentry/{entry.pk}/change/").content.decode()
    assert "Try again" not in again
    client.post(f"/admin/workspace/outboxentry/{entry.pk}/retry/")  # a sent letter stays sent
    deliver(a)
    assert len(server.letters) == 1


def test_agents_and_analysts_do_not_see_what_leaves(a: Cast, server: FakeSmtp) -> None:
    server.recipient_answers.append("550 no")
    post(a)
    entry = deliver(a)
    for role in ("agent", "analyst"):
        client = a.client(getattr(a, role))
        assert client.post(f"/admin/workspace/outboxentry/{entry.pk}/retry/").status_code == 403
    assert a.run(OutboxEntry.objects.get, pk=entry.pk).state == "dead"
