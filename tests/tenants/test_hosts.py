"""The Host header alone decides whose page is shown."""

from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from tenants.hosts import is_origin_of, parse_host, public_url, tenant_url
from tenants.middleware import TenantHostMiddleware
from tenants.schema import current_schema
from tests.cast import browser
from tests.conftest import Tenants


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("acme.localhost", "acme.localhost"),
        ("ACME.localhost:8000", "acme.localhost"),
        ("localhost", "localhost"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("", None),
        ("acme.localhost.", None),
        ("acme.localhost:", None),
        ("acme.localhost:80:80", None),
        ("acme.localhost,evil.example", None),
        ("acme.localhost, acme.localhost", None),
        ("user@acme.localhost", None),
        ("acme.localhost/", None),
        (" acme.localhost", None),
        ("acme.localhost\n", None),
        ("[::1]:8000", None),
        ("-acme.localhost", None),
        ("acme..localhost", None),
        ("acme_.localhost", None),
        ("аcme.localhost", None),  # a Cyrillic first letter
        ("acme.localhost:٣", None),
        ("a" * 64 + ".localhost", None),
        ("a." * 200 + "localhost", None),
    ],
)
def test_a_host_header_is_a_name_with_an_optional_port_or_nothing(header: str, host: str | None) -> None:
    assert parse_host(header) == host


def test_a_tenants_host_shows_the_tenant(tenants: Tenants) -> None:
    assert tenants.a.client(tenants.a.owner).get("/setup/").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:8000", "[::1]", "www.localhost", "", "a,b"])
def test_an_unknown_host_gets_nothing(db: None, host: str) -> None:
    for path in ("/", "/enter/", "/accounts/login/", "/admin/", "/static/css/site.css", "/widget.js"):
        answer = browser(host).get(path)
        assert (answer.status_code, answer.content) == (404, b""), path
        assert not answer.cookies


def test_www_is_not_stripped(tenants: Tenants) -> None:
    assert browser(f"www.{tenants.a.http_host}").get("/").status_code == 404


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host", "X-Host", "X-Tenant", "Forwarded", "X-Original-Host", "X-Forwarded-Server"]
)
def test_no_other_header_chooses_the_tenant(tenants: Tenants, header: str) -> None:
    value = f"host={tenants.b.host}" if header == "Forwarded" else tenants.b.http_host
    client = tenants.a.client(tenants.a.owner, **{header: value})
    page = client.get("/setup/").content.decode()
    assert tenants.a.marker in page
    assert tenants.b.marker not in page
    assert browser("evil.example", **{header: tenants.b.http_host}).get("/").status_code == 404


def test_a_host_header_with_the_address_of_a_tenants_page_in_the_path_is_still_the_hosts(tenants: Tenants) -> None:
    page = tenants.a.client(tenants.a.owner).get(f"/setup/?host={tenants.b.host}").content.decode()
    assert tenants.b.marker not in page


def test_the_public_host_has_no_tenants_pages(tenants: Tenants) -> None:
    client: Client = browser("localhost:8000")
    assert client.get("/").status_code == 200
    for path in ("/live/", "/insights/", "/setup/", "/enter/", "/widget.js", "/widget/project"):
        assert client.get(path).status_code == 404, path


def test_a_tenants_host_has_no_public_pages(tenants: Tenants) -> None:
    for path in ("/accounts/login/", "/accounts/signup/", "/go/", "/left/"):
        assert tenants.a.client().get(path).status_code == 404, path


def test_the_schema_is_left_whatever_happens(tenants: Tenants) -> None:
    seen: list[str] = []

    def explode(request: HttpRequest) -> HttpResponse:
        seen.append(current_schema())
        raise RuntimeError("planned")

    request = RequestFactory().get("/", headers={"Host": tenants.a.http_host})
    with pytest.raises(RuntimeError, match="planned"):
        TenantHostMiddleware(explode)(request)  # type: ignore[arg-type]
    assert seen == [tenants.a.schema]
    assert connection.schema_name == "public"


def test_addresses_leave_out_the_usual_port(settings: Any) -> None:
    settings.SITE_SCHEME, settings.BASE_DOMAIN, settings.PORT = "https", "bot.example", 443
    assert public_url("/go/") == "https://bot.example/go/"
    assert tenant_url("a.bot.example") == "https://a.bot.example/"
    settings.SITE_SCHEME, settings.PORT = "http", 8000
    assert tenant_url("a.bot.example", "/x") == "http://a.bot.example:8000/x"


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("http://acme.localhost:8000", True),
        ("https://acme.localhost:8000", False),
        ("http://acme.localhost", False),
        ("http://acme.localhost:8001", False),
        ("http://acme.localhost:8000/", False),
        ("http://acme.localhost:8000.evil.example", False),
        ("http://evil.example", False),
        ("http://x@acme.localhost:8000", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_is_the_hosts_own_or_not(origin: str, good: bool) -> None:
    assert is_origin_of(origin, "acme.localhost:8000") is good
