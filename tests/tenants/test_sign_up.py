"""From the sign-up form to the checklist on a host of one's own, over HTTP."""

from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from tenants import addresses
from tenants.models import Domain, Membership, Tenant, User
from tenants.schema import run_in
from tenants.workspace.models import Project, Seat
from tests.cast import browser
from tests.conftest import Tenants
from tests.tenants.walking import Walker

PUBLIC_HOST = "localhost:8000"
FORM = {
    "business": "North Lamp & Sons",
    "name": "Ana Ruiz",
    "email": "Ana@North-Lamp.example",
    "password1": "a lamp in the north",
    "timezone": "Europe/Dublin",
}


@pytest.fixture
def public(tenants: Tenants) -> Client:
    return browser(PUBLIC_HOST)


def sign_up(client: Client, **changes: str):
    return client.post("/accounts/signup/", FORM | changes)


def test_sign_up_ends_signed_in_at_the_own_host_before_the_checklist(public: Client) -> None:
    walker = Walker(public)
    answer = walker.follow(sign_up(public), PUBLIC_HOST)
    own = "http://north-lamp-sons.localhost:8000"
    assert [seen.split("&")[0].split("ticket=")[0] for seen in walker.seen] == [
        "http://localhost:8000/go/?next=/setup/",
        f"{own}/enter/?from=go",
        "http://localhost:8000/go/?to=north-lamp-sons.localhost",
        f"{own}/enter/?",
        f"{own}/setup/",
    ]
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Set up North Lamp &amp; Sons" in page
    assert "0 of 6 done" not in page  # the reasons are on from the start
    assert "Ana Ruiz" in page


def test_sign_up_makes_the_business_whole(public: Client) -> None:
    sign_up(public)
    domain = Domain.objects.select_related("tenant__plan").get(domain="north-lamp-sons.localhost")
    tenant: Tenant = domain.tenant
    user = User.objects.get(email="ana@north-lamp.example")
    assert (tenant.name, tenant.plan.key, tenant.in_trial) == ("North Lamp & Sons", "professional", True)
    assert 13 < (tenant.trial_ends_at - timezone.now()).total_seconds() / 86400 < 14
    assert Membership.objects.get(user=user).tenant == tenant
    seat = run_in(tenant.schema_name, Seat.objects.get)
    assert (seat.user_id, seat.name, seat.email, seat.role) == (user.pk, "Ana Ruiz", user.email, "owner")
    project = run_in(tenant.schema_name, Project.objects.get)
    assert (project.key, project.name, project.timezone) == ("main", "North Lamp & Sons", "Europe/Dublin")
    assert user.check_password(FORM["password1"])
    assert [message.to for message in mail.outbox] == [["ana@north-lamp.example"]]
    assert "is this your address" in mail.outbox[0].body


def test_a_namesake_gets_the_next_address(public: Client) -> None:
    sign_up(public)
    sign_up(browser(PUBLIC_HOST), email="other@north-lamp.example")
    hosts = set(Domain.objects.values_list("domain", flat=True))
    assert {"north-lamp-sons.localhost", "north-lamp-sons-2.localhost"} <= hosts


def test_an_address_of_ones_choice_is_taken(public: Client) -> None:
    sign_up(public, address="Lamps")
    assert Domain.objects.filter(domain="lamps.localhost").exists()


def counts() -> tuple[int, ...]:
    return User.objects.count(), Tenant.objects.count(), Domain.objects.count(), Membership.objects.count()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"address": "www"}, "kept for the service"),
        ({"address": "admin"}, "kept for the service"),
        ({"address": "a"}, "small letters"),
        ({"address": "a--b"}, "small letters"),
        ({"address": "-a"}, "small letters"),
        ({"address": "x" * 41}, "40"),
        ({"address": "a.b"}, "small letters"),
        ({"address": "lämpe"}, "small letters"),
        ({"business": ""}, "required"),
        ({"name": " "}, "required"),
        ({"email": "ana@north"}, "needs an ending"),
        ({"password1": "n0rth-lmp"}, "too short"),
        ({"password1": "password1234"}, "too common"),
    ],
)
def test_a_refused_form_changes_nothing_and_keeps_what_was_typed(
    public: Client, changes: dict[str, str], sentence: str
) -> None:
    before = counts()
    answer = sign_up(public, **changes)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert sentence in page
    assert 'aria-invalid="true"' in page
    assert FORM["password1"] not in page
    assert counts() == before
    assert not mail.outbox


def test_a_taken_address_is_refused(public: Client, tenants: Tenants) -> None:
    before = counts()
    assert "name is taken" in sign_up(public, address=tenants.a.host.split(".")[0]).content.decode()
    assert counts() == before


def test_a_known_e_mail_founds_no_second_account(public: Client) -> None:
    sign_up(public)
    before = counts()
    answer = sign_up(browser(PUBLIC_HOST), business="Other", email="ANA@north-lamp.example")
    assert "There is an account with this address" in answer.content.decode()
    assert counts() == before


def test_an_unknown_time_zone_is_utc(public: Client) -> None:
    sign_up(public, timezone="../../etc/passwd")
    tenant = Domain.objects.get(domain="north-lamp-sons.localhost").tenant
    assert run_in(tenant.schema_name, Project.objects.get).timezone == "UTC"


def test_the_page_proposes_an_address_while_one_types(public: Client) -> None:
    sign_up(public)
    client = browser(PUBLIC_HOST)
    ask = client.get("/accounts/address/", {"business": "North Lamp & Sons"}).json()
    assert ask == {"address": "north-lamp-sons-2", "host": "north-lamp-sons-2.localhost"}
    assert client.get("/accounts/address/").json() == {"address": "", "host": ""}


def test_the_front_page_brings_name_and_e_mail_along(public: Client) -> None:
    page = public.get("/accounts/signup/", {"business": 'A "B" <i>', "email": "a@b.example"}).content.decode()
    assert 'value="A &quot;B&quot; &lt;i&gt;"' in page
    assert 'value="a@b.example"' in page


def test_signing_in_leads_to_the_tenant_that_was_asked_for(public: Client, tenants: Tenants) -> None:
    sign_up(public)
    user = User.objects.get(email="ana@north-lamp.example")
    Membership.objects.create(user=user, tenant=tenants.a.tenant)
    client = browser(PUBLIC_HOST)
    asked = f"/go/?to={tenants.a.host}&next=/live/"
    answer = client.post("/accounts/login/", {"login": user.email, "password": FORM["password1"], "next": asked})
    assert answer["Location"] == asked
    assert urlsplit(client.get(asked)["Location"]).netloc == tenants.a.http_host
    choice = client.get("/go/").content.decode()
    assert "Where to?" in choice
    assert tenants.a.host in choice
    assert "north-lamp-sons.localhost" in choice
    assert tenants.b.host not in choice


@pytest.mark.parametrize(
    ("business", "address"),
    [
        ("Acme", "acme"),
        ("North Lamp & Sons", "north-lamp-sons"),
        ("Café Zürich", "cafe-zurich"),
        ("Support", "support-team"),
        ("a_b__c", "a-b-c"),
        ("--x--y--", "x-y"),
        ("Z" * 80, "z" * 32),
    ],
)
def test_an_address_is_made_from_the_name(business: str, address: str) -> None:
    assert addresses.propose(business, lambda _: False) == address
    assert addresses.problem_with(address) == ""


@pytest.mark.parametrize("business", ["ランプ屋", "!", "…", "1"])
def test_a_name_without_latin_letters_gets_an_address_too(business: str) -> None:
    assert addresses.problem_with(addresses.propose(business, lambda _: False)) == ""


def test_an_address_is_found_however_many_namesakes_there_are() -> None:
    taken = {"acme"} | {f"acme-{number}" for number in range(2, 10)}
    found = addresses.propose("Acme", taken.__contains__)
    assert found not in taken
    assert addresses.problem_with(found) == ""
