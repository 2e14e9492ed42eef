"""What a business's page loads from us: open to every origin, bound to the project's sites, and without a cookie."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from chat.models import Conversation, Visitor
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants

SHOP = "https://shop.example"


@pytest.fixture
def cast(tenants: Tenants) -> Cast:
    return tenants.a


def allow(cast: Cast, *sites: str, **more: Any) -> None:
    cast.run(lambda: Project.objects.filter(key="shop").update(allowed_sites=list(sites), **more))


def visitors(cast: Cast) -> int:
    return int(cast.run(Visitor.objects.count))


def post(cast: Cast, body: object, *, origin: str | None = SHOP) -> Any:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    headers = {"Origin": origin} if origin else {}
    return cast.client().post("/widget/session", data, content_type="application/json", headers=headers)


def asked(**more: object) -> dict[str, object]:
    return {"project": "shop", "token": None, "language": "de-AT", **more}


def directives(response: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response["Content-Security-Policy"].split(";"))
    return {name: rest for name, _, rest in parts}


def test_the_loader_is_served_to_every_site_for_a_short_while(cast: Cast) -> None:
    response = cast.client().get("/widget.js")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["Cache-Control"] == "public, max-age=300"
    again = cast.client().get("/widget.js", headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_project_is_told_in_the_visitors_language(cast: Cast) -> None:
    allow(cast, brand_color="#FFE14D", name="Brackwater")
    told = cast.client().get("/widget/project?project=shop&language=ar-EG", headers={"Origin": SHOP}).json()
    assert (told["name"], told["language"], told["direction"]) == ("Brackwater", "ar", "rtl")
    assert (told["brand"], told["on_brand"]) == ("#ffe14d", "#1b1916")
    assert set(told) == {"name", "brand", "on_brand", "language", "direction", "words"}
    assert visitors(cast) == cast.run(Conversation.objects.count)


def test_a_session_makes_one_visitor_and_keeps_it(cast: Cast) -> None:
    before = visitors(cast)
    first = post(cast, asked()).json()
    assert set(first) == {"token", "visitor", "conversation"}
    assert post(cast, asked(token=first["token"])).json() == first
    assert visitors(cast) == before + 1
    assert cast.run(lambda: Visitor.objects.get(pk=first["visitor"]).language) == "de-AT"


def test_an_unknown_token_begins_a_new_visitor(cast: Cast) -> None:
    given = post(cast, asked(token="made-up")).json()
    assert given["token"] != "made-up"


def test_a_token_of_another_tenant_means_nothing(tenants: Tenants) -> None:
    theirs = post(tenants.b, asked()).json()
    mine = post(tenants.a, asked(token=theirs["token"])).json()
    assert mine["token"] != theirs["token"]
    assert mine["conversation"] != theirs["conversation"]


def test_a_preflight_is_answered_without_a_project(cast: Cast) -> None:
    response = cast.client().options(
        "/widget/session", headers={"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    )
    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Allow-Headers"] == "content-type"
    assert "POST" in response["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize("origin", ["https://other.example", "http://shop.example", "null", None])
def test_a_site_that_is_not_on_the_list_gets_no_visitor(cast: Cast, origin: str | None) -> None:
    allow(cast, SHOP)
    before = visitors(cast)
    response = post(cast, asked(), origin=origin)
    assert (response.status_code, response.json()["code"]) == (403, "site_not_allowed")
    assert response["Access-Control-Allow-Origin"] == "*"  # the refusal may be read, nothing else is in it
    assert visitors(cast) == before
    look = cast.client().get("/widget/project?project=shop", headers={"Origin": origin} if origin else {})
    assert look.status_code == 403


@pytest.mark.parametrize("origin", [SHOP, "own"])
def test_a_site_on_the_list_and_our_own_host_are_let_in(cast: Cast, origin: str) -> None:
    allow(cast, SHOP)
    assert post(cast, asked(), origin=cast.origin if origin == "own" else origin).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (asked(project="nothing"), 404, "unknown_project"),
        (asked(project=""), 400, "bad_frame"),
        (asked(project=None), 400, "bad_frame"),
        (asked(project=["shop"]), 400, "bad_frame"),
        (asked(project="sh\x00op"), 400, "bad_frame"),
        (asked(token=7), 400, "bad_frame"),
        (asked(token="x" * 201), 400, "bad_frame"),
        (asked(language="x" * 36), 400, "bad_frame"),
        (asked(extra=1), 400, "bad_frame"),
        ({"token": None}, 400, "bad_frame"),
        ([], 400, "bad_frame"),
        ("null", 400, "bad_frame"),
        ("{", 400, "bad_frame"),
        (b"\xff\xfe", 400, "bad_frame"),
        (b"[" * 8000, 400, "bad_frame"),
        (b"", 400, "bad_frame"),
        (b" " * 8193, 413, "too_large"),
    ],
)
def test_a_bad_body_is_refused_with_a_stable_code(cast: Cast, body: object, status: int, code: str) -> None:
    before = visitors(cast)
    response = post(cast, body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == {"code", "sentence"}
    assert visitors(cast) == before


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_a_session_is_posted_for(cast: Cast, method: str) -> None:
    assert getattr(cast.client(), method)("/widget/session").status_code == 405


def test_the_frame_has_a_policy_of_its_own(cast: Cast) -> None:
    allow(cast, SHOP, "https://*.brand.example", brand_color="#7a4a1e")
    response = cast.client().get("/widget/frame?project=shop")
    policy = directives(response)
    assert policy["frame-ancestors"] == f"'self' {SHOP} https://*.brand.example"
    assert policy["default-src"] == policy["object-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == f"'self' ws://{cast.http_host}"
    assert "X-Frame-Options" not in response
    nonce = re.search(r"'nonce-([^']+)'", policy["style-src"])
    page = response.content.decode()
    assert nonce
    assert f'<style nonce="{nonce[1]}">:root {{ --brand: #7a4a1e;' in page
    assert "unsafe" not in response["Content-Security-Policy"]
    assert not re.findall(r'\sstyle="|\son\w+="', page)


def test_without_a_list_any_site_may_frame(cast: Cast) -> None:
    allow(cast)
    assert directives(cast.client().get("/widget/frame?project=shop"))["frame-ancestors"] == "*"


def test_the_frame_speaks_the_visitors_language_else_the_projects(cast: Cast) -> None:
    allow(cast, language="fr")
    page = cast.client().get("/widget/frame?project=shop&language=ar").content.decode()
    assert '<html lang="ar" dir="rtl">' in page
    page = cast.client().get("/widget/frame?project=shop&language=xx").content.decode()
    assert '<html lang="fr" dir="ltr">' in page


@pytest.mark.parametrize(("language", "words"), [("en", "Talk to a human"), ("de", "Mit einem Menschen sprechen")])
def test_the_way_to_a_person_is_in_sight_from_the_start(cast: Cast, language: str, words: str) -> None:
    page = cast.client().get(f"/widget/frame?project=shop&language={language}").content.decode()
    button = re.search(r"<button([^>]*\bdata-human\b[^>]*)>.*?<span data-human-words>(.*?)</span></button>", page)
    assert button
    assert not re.search(r"hidden|disabled", button[1])
    assert button[2] == words


def test_what_a_business_typed_cannot_leave_its_place(cast: Cast) -> None:
    evil = "</script><script>alert(1)</script>"
    allow(cast, name=evil[:80], greeting=evil, suggestions=[evil, 7])
    page = cast.client().get("/widget/frame?project=shop").content.decode()
    assert "<script>alert" not in page
    setup = re.search(r'<script id="setup" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert setup
    assert json.loads(setup[1])["suggestions"] == [evil, "7"]


def test_an_unknown_project_has_no_frame(cast: Cast) -> None:
    for key in ("nothing", "", "sh%00op", "x" * 500):
        assert cast.client().get(f"/widget/frame?project={key}").status_code == 404


@pytest.mark.parametrize("path", ["/widget.js", "/widget/project?project=shop", "/widget/frame?project=shop"])
def test_no_cookie_is_ever_set(cast: Cast, path: str) -> None:
    for client in (cast.client(), cast.client(cast.agent)):
        assert not client.get(path).cookies
    assert not post(cast, asked()).cookies


def test_the_public_host_has_no_widget(cast: Cast) -> None:
    assert Client(HTTP_HOST="localhost:8000").get("/widget/frame?project=shop").status_code == 404
