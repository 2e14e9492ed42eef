"""Passwords and addresses, on the public host alone."""

import re

import pytest
from django.core import mail
from django.test import Client

from tests.cast import browser
from tests.conftest import Tenants

PUBLIC_HOST = "localhost:8000"


@pytest.fixture
def public(tenants: Tenants) -> Client:
    return browser(PUBLIC_HOST)


def link_in_mail() -> str:
    found = re.search(r"http://localhost:8000(/accounts/\S+)", mail.outbox[-1].body)
    assert found, mail.outbox[-1].body
    return found.group(1)


def test_a_forgotten_password_is_replaced_by_mail_once(public: Client, tenants: Tenants) -> None:
    user = tenants.a.agent.user
    public.post("/accounts/password/reset/", {"email": user.email.upper()})
    link = link_in_mail()
    form = public.get(link)
    assert form.status_code == 302
    assert link not in form["Location"]  # the key leaves the address bar
    page = public.get(form["Location"]).content.decode()
    assert "Choose a new password" in page
    done = public.post(form["Location"], {"password1": "a new lamp, quite long", "password2": "a new lamp, quite long"})
    assert done.status_code == 302
    user.refresh_from_db()
    assert user.check_password("a new lamp, quite long")
    assert "That link is spent" in browser(PUBLIC_HOST).get(link).content.decode()


def test_nobody_is_written_to_because_a_stranger_typed_their_address(public: Client) -> None:
    known = public.post("/accounts/password/reset/", {"email": "nobody@elsewhere.example"})
    assert known["Location"] == "/accounts/password/reset/done/"
    assert mail.outbox == []


def test_a_wrong_password_says_no_more_than_that(public: Client, tenants: Tenants) -> None:
    for email in (tenants.a.agent.email, "nobody@elsewhere.example"):
        page = public.post("/accounts/login/", {"login": email, "password": "wrong"}).content.decode()
        assert "The e-mail address or the password is not right." in page
        assert 'role="alert"' in page
    assert "sessionid" not in public.cookies


def test_guessing_passwords_is_stopped(public: Client, tenants: Tenants) -> None:
    guess = {"login": tenants.a.agent.email, "password": "wrong"}
    said = [public.post("/accounts/login/", guess) for _ in range(12)]
    assert "not right" in said[0].content.decode()
    assert "not right" not in said[-1].content.decode()


def test_sign_in_leads_to_ones_workspace_and_out_again(public: Client, tenants: Tenants) -> None:
    user = tenants.a.agent.user
    user.set_password("a lamp in the south")
    user.save(update_fields=["password"])
    answer = public.post("/accounts/login/", {"login": user.email, "password": "a lamp in the south"})
    assert answer["Location"] == "/go/"
    assert public.get("/go/")["Location"].startswith(f"http://{tenants.a.http_host}/enter/?from=go")
    assert public.post("/accounts/logout/").status_code == 302
    assert public.get("/go/")["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    "path",
    [
        "signup/",
        "login/",
        "password/reset/",
        "password/reset/done/",
        "password/reset/key/1-x/",
        "inactive/",
        "confirm-email/x/",
    ],
)
def test_every_account_page_is_ours_and_keeps_the_policy(public: Client, path: str) -> None:
    answer = public.get(f"/accounts/{path}")
    page = answer.content.decode()
    assert 'class="wrap site-head"' in page
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page)
    assert "'unsafe-inline'" not in answer["Content-Security-Policy"]
