"""Invitations: from the People page by letter to a seat; once, for one person, at one business."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail as django_mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from tenants.errors import ProductError
from tenants.models import Membership, Plan, Tenant, User
from tenants.schema import PUBLIC, run_in
from tenants.workspace import invitations, outbox
from tenants.workspace.errors import InvitationOver
from tenants.workspace.invitations import Wanted
from tenants.workspace.models import AuditEntry, Invitation, OutboxEntry, Project, Seat
from tests.cast import Cast, Person, browser
from tests.conftest import Tenants
from tests.tenants.walking import Walker

PUBLIC_HOST = "localhost:8000"
MIRA = "mira@north-lamp.example"
PASSWORD = "a lamp in the north"


def invite(cast: Cast, by: Person | None = None, *, email: str = MIRA, role: str = "agent") -> Invitation:
    by = by or cast.owner
    return cast.run(lambda: invitations.invite(by=by.seat, wanted=Wanted(email, role)))


def link_of(cast: Cast, invitation: Invitation) -> str:
    secret = cast.run(Invitation.objects.get, pk=invitation.pk).secret
    return f"/invitations/{invitations.make_token(cast.schema, secret)}/"


def change(cast: Cast, invitation: Invitation, **values: Any) -> None:
    cast.run(Invitation.objects.filter(pk=invitation.pk).update, **values)


def standing(cast: Cast) -> tuple[int, ...]:
    """What a refusal must leave as it was."""
    counts = (User.objects.count(), Membership.objects.count(), EmailAddress.objects.count())
    return (*counts, cast.run(Seat.objects.count), cast.run(Invitation.objects.exclude(accepted_at=None).count))


def signed_in(user: User) -> Client:
    """A browser signed in on the public host."""
    from tenants.access import open_session

    key = open_session(user=user, tenant=Tenant.objects.get(schema_name=PUBLIC), seconds=600)
    return browser(PUBLIC_HOST, key)


@pytest.fixture
def a(tenants: Tenants) -> Cast:
    tenants.a.run(lambda: (OutboxEntry.objects.all().delete(), Invitation.objects.all().delete()))
    return tenants.a


def test_a_letter_leads_a_stranger_to_a_seat_at_the_businesss_own_host(a: Cast) -> None:
    page = a.client(a.owner).post(
        "/admin/workspace/seat/invite/", {"email": "Mira@North-Lamp.example", "role": "agent"}
    )
    assert page.status_code == 302
    a.run(outbox.deliver_due)
    (letter,) = django_mail.outbox
    assert (letter.to, a.owner.name in letter.subject) == ([MIRA], True)
    html = letter.alternatives[0][0]
    (url,) = set(re.findall(r"http://localhost:8000(/invitations/\S+?/)\s", letter.body))
    assert url in html
    client = browser(PUBLIC_HOST)
    shown = client.get(url)
    assert shown.status_code == 200
    assert a.tenant.name in shown.content.decode()
    assert a.owner.name in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    answer = client.post(url, {"name": "Mira Holt", "password": PASSWORD})
    assert answer["Location"] == f"/go/?to={a.host}&next=%2Flive%2F"
    walker = Walker(client)
    assert "Mira Holt" in walker.follow(answer, PUBLIC_HOST).content.decode()
    assert walker.seen[-1] == f"http://{a.http_host}/live/"
    user = User.objects.get(email=MIRA)
    seat = a.run(Seat.objects.get, user_id=user.pk)
    assert (seat.role, seat.name, seat.email, seat.is_active) == ("agent", "Mira Holt", MIRA, True)
    assert user.check_password(PASSWORD)
    assert EmailAddress.objects.get(user=user).verified
    row = a.run(Invitation.objects.get)
    assert (row.accepted_at is not None, row.secret) == (True, "")
    assert a.run(AuditEntry.objects.filter(verb="accepted invitation of", subject=MIRA).count) == 1


def test_the_table_holds_no_secret_that_works_by_itself(a: Cast) -> None:
    invitation = invite(a)
    secret = a.run(Invitation.objects.get).secret
    assert len(secret) >= 43
    with a.inside(), connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(i)::text FROM workspace_invitation i")
        stored = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(row_to_json(o)::text, ' ') FROM workspace_outboxentry o")
        waiting = cursor.fetchone()[0]
    assert secret not in stored + waiting
    assert invitation.token_hash in stored


def test_somebody_with_an_account_signs_in_and_presses_one_button(a: Cast, tenants: Tenants) -> None:
    user = tenants.b.agent.user
    url = link_of(a, invite(a, email=user.email.upper(), role="analyst"))
    page = browser(PUBLIC_HOST).get(url).content.decode()
    (sign_in,) = re.findall(r'href="(/accounts/login/\?next=[^"]+)"', page)
    assert 'type="password"' not in page
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    client = browser(PUBLIC_HOST)
    assert client.get(sign_in).status_code == 200
    form = {"login": user.email, "password": PASSWORD, "next": parse_qs(urlsplit(sign_in).query)["next"][0]}
    assert client.post("/accounts/login/", form)["Location"] == url
    assert "Join the team" in client.get(url).content.decode()
    assert client.post(url)["Location"].startswith("/go/?to=" + a.host)
    seat = a.run(Seat.objects.get, user_id=user.pk)
    assert (seat.role, seat.name) == ("analyst", user.name)
    assert Membership.objects.filter(user=user, tenant=a.tenant).exists()
    # Their seat elsewhere is another matter.
    assert tenants.b.run(Seat.objects.get, user_id=user.pk).role == "agent"


def test_projects_of_the_invitation_become_the_seats(a: Cast) -> None:
    with a.inside():
        project = Project.objects.create(key="second", name="Second")
    answer = a.client(a.owner).post(
        "/admin/workspace/seat/invite/", {"email": MIRA, "role": "agent", "projects": [project.pk]}
    )
    assert answer.status_code == 302
    url = link_of(a, a.run(Invitation.objects.get))
    client = browser(PUBLIC_HOST)
    assert "Second" in client.get(url).content.decode()
    client.post(url, {"name": "Mira", "password": PASSWORD})
    assert a.run(lambda: [p.key for p in Seat.objects.get(email=MIRA).projects.all()]) == ["second"]


def test_another_person_who_is_signed_in_cannot_take_it(a: Cast, tenants: Tenants) -> None:
    url = link_of(a, invite(a))
    client = signed_in(tenants.b.owner.user)
    page = client.get(url).content.decode()
    assert "Sign out and come back here" in page
    before = standing(a)
    assert client.post(url).status_code == 403
    assert standing(a) == before
    # Nor does a form that was left open make a second account for them.
    assert client.post(url, {"name": "X", "password": PASSWORD}).status_code == 403
    assert standing(a) == before


def test_an_existing_account_is_not_taken_over_by_a_new_password(a: Cast, tenants: Tenants) -> None:
    user = tenants.b.agent.user
    url = link_of(a, invite(a, email=user.email))
    before = standing(a)
    assert browser(PUBLIC_HOST).post(url, {"name": "X", "password": PASSWORD}).status_code == 200
    assert standing(a) == before
    user.refresh_from_db()
    assert not user.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "has run out"),
        ({"revoked_at": timezone.now()}, "was taken back"),
        ({"accepted_at": timezone.now()}, "was used already"),
        ({"invited_by": None}, "was taken back"),
    ],
)
def test_an_invitation_that_is_over_says_why_and_gives_nothing(a: Cast, values: dict[str, Any], sentence: str) -> None:
    invitation = invite(a)
    url = link_of(a, invitation)
    change(a, invitation, **values)
    before = standing(a)
    for method in ("get", "post"):
        answer = getattr(browser(PUBLIC_HOST), method)(url, {"name": "Mira", "password": PASSWORD})
        assert answer.status_code == 410
        assert sentence in answer.content.decode()
    assert standing(a) == before


def test_an_invitation_is_used_once(a: Cast) -> None:
    url = link_of(a, invite(a))
    browser(PUBLIC_HOST).post(url, {"name": "Mira", "password": PASSWORD})
    before = standing(a)
    again = browser(PUBLIC_HOST).post(url, {"name": "Mallory", "password": PASSWORD})
    # The secret is blanked in the row, but the holder of the link still reads what became of it.
    assert (again.status_code, "was used already" in again.content.decode()) == (410, True)
    assert standing(a) == before
    # Who was invited and opens it again is let in.
    assert signed_in(User.objects.get(email=MIRA)).get(url)["Location"].startswith("/go/?to=" + a.host)


def test_whoever_is_shut_out_leaves_no_door_open(a: Cast) -> None:
    invitation = invite(a, a.admin)
    url = link_of(a, invitation)
    a.run(Seat.objects.filter(pk=a.admin.seat_id).update, role="agent")
    before = standing(a)
    assert browser(PUBLIC_HOST).post(url, {"name": "Mira", "password": PASSWORD}).status_code == 410
    assert standing(a) == before


def forged(cast: Cast, tenants: Tenants, secret: str) -> dict[str, str]:
    good = invitations.make_token(cast.schema, secret)
    signature = good.split("~")[1]
    return {
        "garbage": "x" * 120,
        "unsigned": f"{cast.schema}.{secret}",
        "signature of another schema": f"{tenants.b.schema}.{secret}~{signature}",
        "unknown schema, made up": f"t_{'0' * 16}.{secret}~{signature}",
        "changed secret": f"{cast.schema}.{'A' * 43}~{signature}",
        "null": "%00",
        "ours, for a business that has none": invitations.make_token(tenants.b.schema, secret),
        "ours, for a business that is gone": invitations.make_token("t_" + "0" * 16, secret),
        "ours, for the public schema": invitations.make_token(PUBLIC, secret),
    }


def test_every_link_that_is_not_ours_gets_one_and_the_same_answer(a: Cast, tenants: Tenants) -> None:
    invite(a)
    secret = a.run(Invitation.objects.get).secret
    before = standing(a)
    answers = {}
    for name, token in forged(a, tenants, secret).items():
        for method in ("get", "post"):
            got = getattr(browser(PUBLIC_HOST), method)(f"/invitations/{token}/", {"name": "M", "password": PASSWORD})
            answers[name, method] = (got.status_code, re.sub(r'nonce="[^"]*"|value="\w{64}"', "", got.content.decode()))
    assert {status for status, _ in answers.values()} == {404}
    assert len({text for _, text in answers.values()}) == 1
    assert standing(a) == before


def test_a_made_up_link_asks_no_tenants_schema(a: Cast) -> None:
    from django.test.utils import CaptureQueriesContext

    for token in (f"{a.schema}.{'A' * 43}~{'B' * 43}", "x"):
        with CaptureQueriesContext(connection) as asked:
            browser(PUBLIC_HOST).get(f"/invitations/{token}/")
        assert not [query for query in asked.captured_queries if a.schema in query["sql"]]
        assert not [query for query in asked.captured_queries if "invitation" in query["sql"]]


def test_links_are_throttled(a: Cast) -> None:
    client, url = browser(PUBLIC_HOST), link_of(a, invite(a))
    assert {client.post("/invitations/x/").status_code for _ in range(20)} == {404}
    before = standing(a)
    assert client.post("/invitations/x/").status_code == 429
    assert client.post(url, {"name": "Mira", "password": PASSWORD}).status_code == 429
    assert standing(a) == before


def test_a_weak_password_is_refused_and_the_rest_is_kept(a: Cast) -> None:
    url = link_of(a, invite(a))
    before = standing(a)
    for password in ("short", "password1234", "mira@north-lamp"):
        page = browser(PUBLIC_HOST).post(url, {"name": "Mira Holt", "password": password}).content.decode()
        assert 'aria-invalid="true"' in page
        assert 'value="Mira Holt"' in page
        assert password not in page.replace(MIRA, "")
    assert standing(a) == before


def test_sending_again_makes_a_new_link_and_kills_the_old(a: Cast) -> None:
    invitation = invite(a)
    old = link_of(a, invitation)
    change(a, invitation, expires_at=timezone.now() - timedelta(hours=1))
    a.run(OutboxEntry.objects.update, created_at=timezone.now() - timedelta(minutes=2))
    answer = a.client(a.admin).post(f"/admin/workspace/seat/invitations/{invitation.pk}/resend/")
    assert answer.status_code == 302
    new = link_of(a, invitation)
    assert browser(PUBLIC_HOST).get(old).status_code == 404
    assert browser(PUBLIC_HOST).get(new).status_code == 200
    a.run(outbox.deliver_due)
    (letter,) = django_mail.outbox  # the first letter was never sent: its link is dead
    assert new in letter.body
    assert a.run(lambda: sorted(OutboxEntry.objects.values_list("state", flat=True))) == ["sent", "skipped"]


def test_revoking_kills_the_link_and_the_letter(a: Cast) -> None:
    invitation = invite(a)
    url = link_of(a, invitation)
    assert a.client(a.owner).post(f"/admin/workspace/seat/invitations/{invitation.pk}/revoke/").status_code == 302
    assert browser(PUBLIC_HOST).get(url).status_code == 410
    a.run(outbox.deliver_due)
    assert not django_mail.outbox
    invite(a)  # the address is free again


def test_one_open_invitation_an_address(a: Cast) -> None:
    invite(a)
    client = a.client(a.owner)
    page = client.post("/admin/workspace/seat/invite/", {"email": MIRA.upper(), "role": "agent"}).content.decode()
    assert "is invited already" in page
    assert a.run(Invitation.objects.count) == 1
    change(a, a.run(Invitation.objects.get), expires_at=timezone.now() - timedelta(seconds=1))
    a.run(OutboxEntry.objects.update, created_at=timezone.now() - timedelta(days=2))
    invite(a)
    assert a.run(Invitation.objects.filter(revoked_at=None).count) == 1


def test_a_person_with_a_seat_is_not_invited(a: Cast) -> None:
    page = a.client(a.owner).post("/admin/workspace/seat/invite/", {"email": a.agent.email, "role": "agent"})
    assert "has a seat here already" in page.content.decode()
    assert a.run(Invitation.objects.count) == 0
    assert a.run(OutboxEntry.objects.count) == 0


def test_an_admin_makes_no_owners(a: Cast) -> None:
    form = a.client(a.admin).get("/admin/workspace/seat/").content.decode()
    assert 'value="admin"' in form
    assert 'value="owner"' not in form.split("Send the invitation")[0]
    a.client(a.admin).post("/admin/workspace/seat/invite/", {"email": MIRA, "role": "owner"})
    assert a.run(Invitation.objects.count) == 0
    with a.inside(), pytest.raises(ProductError) as refusal:
        invitations.invite(by=a.admin.seat, wanted=Wanted(MIRA, "owner"))
    assert refusal.value.code == "seat_not_yours"
    invitation = invite(a, role="owner")
    for verb in ("resend", "revoke"):
        a.client(a.admin).post(f"/admin/workspace/seat/invitations/{invitation.pk}/{verb}/")
    assert a.run(Invitation.objects.get).is_open
    assert a.run(OutboxEntry.objects.count) == 1


@pytest.mark.parametrize("role", ["agent", "analyst"])
def test_agents_and_analysts_invite_nobody(a: Cast, role: str) -> None:
    invitation = invite(a)
    client = a.client(getattr(a, role))
    for page in ("invite/", f"invitations/{invitation.pk}/resend/", f"invitations/{invitation.pk}/revoke/"):
        data = {"email": "x@y.example", "role": "agent"}
        assert client.post(f"/admin/workspace/seat/{page}", data).status_code == 403
    assert a.run(Invitation.objects.get).is_open
    with a.inside(), pytest.raises(ProductError):
        invitations.invite(by=getattr(a, role).seat, wanted=Wanted("x@y.example", "analyst"))


def limit_seats(cast: Cast, seats: int) -> None:
    plan = Plan.objects.create(key=f"p{seats}", name="P", price_cents=1, seats=seats)
    Tenant.objects.filter(pk=cast.tenant_id).update(plan=plan)


def test_the_plans_seats_bound_invitations_and_say_so(a: Cast) -> None:
    limit_seats(a, 5)  # four sit there
    first = invite(a)
    page = a.client(a.owner).post("/admin/workspace/seat/invite/", {"email": "x@y.example", "role": "agent"})
    assert "room for 5: 4 with a seat, 1 invited. A larger plan makes room." in page.content.decode()
    assert a.run(Invitation.objects.count) == 1
    limit_seats(a, 4)  # the plan shrank meanwhile
    before = standing(a)
    url = link_of(a, first)
    answer = browser(PUBLIC_HOST).post(url, {"name": "Mira", "password": PASSWORD})
    assert (answer.status_code, "this link stays good" in answer.content.decode()) == (409, True)
    assert standing(a) == before
    limit_seats(a, 6)
    assert browser(PUBLIC_HOST).post(url, {"name": "Mira", "password": PASSWORD}).status_code == 302


def test_a_seat_is_not_switched_on_beyond_the_plan(a: Cast) -> None:
    from tenants.workspace.actions import SeatChange, change_seat

    a.run(Seat.objects.filter(pk=a.agent.seat_id).update, is_active=False)
    limit_seats(a, 3)
    with a.inside(), pytest.raises(ProductError):
        change_seat(by=a.owner.seat, seat_id=a.agent.seat_id, change=SeatChange("A", "agent", True))
    assert not a.run(Seat.objects.get, pk=a.agent.seat_id).is_active


def test_a_seat_that_was_switched_off_is_not_brought_back_by_a_link(a: Cast, tenants: Tenants) -> None:
    user = tenants.b.agent.user
    a.run(Seat.objects.create, user_id=user.pk, name="Old", email="other@x.example", is_active=False)
    url = link_of(a, invite(a, email=user.email))
    before = standing(a)
    assert signed_in(user).post(url).status_code == 409
    assert standing(a) == before


def test_who_answered_from_slack_keeps_their_seat(a: Cast) -> None:
    a.run(Seat.objects.create, user_id=None, name="mira", email=MIRA)
    browser(PUBLIC_HOST).post(link_of(a, invite(a)), {"name": "Mira Holt", "password": PASSWORD})
    seat = a.run(Seat.objects.get, email=MIRA)
    assert (seat.user_id, seat.name) == (User.objects.get(email=MIRA).pk, "Mira Holt")


def refused(cast: Cast, deed: Callable[[], object]) -> str:
    """The code of a refusal, which leaves nothing behind."""
    before = standing(cast), cast.run(OutboxEntry.objects.count)
    with cast.inside(), pytest.raises(ProductError) as refusal:
        deed()
    assert (standing(cast), cast.run(OutboxEntry.objects.count)) == before
    return refusal.value.code


def test_a_business_sends_so_many_letters_a_day(a: Cast) -> None:
    invitation = invite(a)
    a.client(a.owner).post(f"/admin/workspace/seat/invitations/{invitation.pk}/resend/")
    assert a.run(OutboxEntry.objects.count) == 1
    with a.inside():
        for number in range(invitations.MOST_LETTERS_A_DAY):
            outbox.post(kind="email", lane="x", key=f"x{number}", payload={"letter": "invitation"})
    assert refused(a, lambda: invite(a, email="x@y.example")) == "too_many_letters"
    assert a.run(Invitation.objects.count) == 1


def test_inviting_and_taking_back_fills_no_mailbox(a: Cast) -> None:
    invitation = invite(a)
    a.run(outbox.deliver_due)
    a.run(lambda: invitations.revoke(by=a.owner.seat, invitation_id=invitation.pk))
    assert refused(a, lambda: invite(a)) == "too_many_letters"
    invite(a, email="somebody.else@north-lamp.example")


def test_one_mailbox_gets_few_letters_a_day_whoever_invites_it(a: Cast, tenants: Tenants) -> None:
    for _ in range(invitations.MOST_TO_ONE_MAILBOX - 1):
        invitation = invite(a)
        a.run(lambda row: invitations.revoke(by=a.owner.seat, invitation_id=row.pk), invitation)
        a.run(outbox.deliver_due)  # the letter is no longer needed: this business has sent none, yet it counts
    invite(tenants.b)
    assert refused(tenants.c, lambda: invite(tenants.c)) == "too_many_letters"
    invite(tenants.c, email="somebody.else@north-lamp.example")


def test_one_account_writes_to_so_many_strangers_a_day(a: Cast, tenants: Tenants, monkeypatch: Any) -> None:
    monkeypatch.setattr(invitations, "MOST_OF_ONE_ACCOUNT", 2)
    tenants.b.run(Seat.objects.filter(pk=tenants.b.owner.seat_id).update, user_id=None)
    tenants.b.run(Seat.objects.filter(pk=tenants.b.admin.seat_id).update, user_id=a.owner.user_id)
    invite(a, email="one@x.example")
    invite(tenants.b, tenants.b.admin, email="two@x.example")
    assert refused(tenants.b, lambda: invite(tenants.b, tenants.b.admin, email="three@x.example")) == "too_many_letters"
    assert refused(a, lambda: invite(a, email="three@x.example")) == "too_many_letters"
    invite(a, a.admin, email="three@x.example")


def test_nobody_invites_before_their_own_address_is_confirmed(a: Cast) -> None:
    EmailAddress.objects.filter(user=a.owner.user_id).update(verified=False)
    assert refused(a, lambda: invite(a)) == "address_unconfirmed"
    answer = a.client(a.owner).post("/admin/workspace/seat/invite/", {"email": MIRA, "role": "agent"})
    assert 'href="http://localhost:8000/accounts/confirm-email/"' in answer.content.decode()
    invitation = invite(a, a.admin)
    a.run(OutboxEntry.objects.update, created_at=timezone.now() - timedelta(minutes=2))
    resend = partial(invitations.resend, by=a.run(lambda: a.owner.seat), invitation_id=invitation.pk)
    assert refused(a, resend) == "address_unconfirmed"

    owner = signed_in(a.owner.user)
    assert a.owner.email in owner.get("/accounts/confirm-email/").content.decode()
    assert "on its way" in owner.post("/accounts/confirm-email/").content.decode()
    assert "less than three minutes ago" in owner.post("/accounts/confirm-email/").content.decode()
    (letter,) = django_mail.outbox
    assert letter.to == [a.owner.email]
    (link,) = re.findall(r"http://localhost:8000(/accounts/confirm-email/\S+/)", letter.body)
    owner.post(link)
    assert "To my workspace" in owner.get("/accounts/confirm-email/").content.decode()
    a.run(resend)


def test_a_stranger_makes_nobody_send_a_confirmation(a: Cast) -> None:
    EmailAddress.objects.update(verified=False)
    stranger = browser(PUBLIC_HOST)
    assert {
        stranger.get("/accounts/confirm-email/").status_code,
        stranger.post("/accounts/confirm-email/").status_code,
    } == {200}
    assert not django_mail.outbox


@pytest.mark.parametrize("name", ["Lamp\r\nBcc: all@x.example", "<b>Lamp</b> & Sons"])
def test_names_are_words_in_the_letter(a: Cast, name: str) -> None:
    Tenant.objects.filter(pk=a.tenant_id).update(name=name)
    invite(a)
    a.run(outbox.deliver_due)
    (letter,) = django_mail.outbox
    assert "\n" not in letter.subject
    assert "Bcc" not in letter.message()
    assert "<b>Lamp" not in letter.alternatives[0][0]


def test_two_who_hold_the_link_at_the_same_time_make_one_seat(fresh_tenant: Cast) -> None:
    cast = fresh_tenant
    email = f"mira@{cast.marker}.example"
    with cast.inside():
        invitation = invitations.invite(by=cast.owner.seat, wanted=Wanted(email, "agent"))
        secret = invitation.secret
    user = run_in(PUBLIC, User.objects.create_user, email, None, name="Mira")
    outcome: list[str] = []
    start = threading.Barrier(3)

    def accept() -> None:
        start.wait()
        try:
            run_in(cast.schema, invitations.accept, secret=secret, user=user)
            outcome.append("in")
        except InvitationOver as refusal:
            outcome.append(refusal.state)
        finally:
            connection.close()

    threads = [threading.Thread(target=accept) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcome) == ["in", "used", "used"]
    assert cast.run(Seat.objects.filter(email=email).count) == 1
