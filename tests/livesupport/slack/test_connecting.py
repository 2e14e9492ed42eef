"""From the settings to Slack and back: only for those who may, only in the browser that began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
from django.http import HttpResponse
from django.test import Client

from livesupport.models import OpeningHours, SlackInstall
from livesupport.slack import state
from livesupport.slack.errors import NotInPlan
from tenants.models import ExternalRoute, Plan, Tenant
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import AuditEntry, Project
from tests.cast import Cast, browser
from tests.conftest import Tenants
from tests.fakes.slack_server import FakeSlack, SlackFault
from tests.livesupport.slack.conftest import install


class Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def get(client: Client, url: str) -> HttpResponse:
    parts = urlsplit(url)
    return run_in(PUBLIC, client.get, parts.path + "?" + parts.query)


def act(cast: Cast, client: Client, do: str, **fields: str) -> HttpResponse:
    return run_in(PUBLIC, client.post, "/live/slack/act/", {"project": cast.project_key, "do": do, **fields})


def consent(url: str) -> str:
    """The browser at Slack's page: where it is sent back to."""
    with pytest.raises(HTTPError) as redirect:
        build_opener(Stay()).open(url, timeout=5)
    redirect.value.close()
    return str(redirect.value.headers["Location"])


@pytest.fixture
def cast(clean: Tenants, slack: FakeSlack) -> Iterator[Cast]:
    with clean.a.inside():
        OpeningHours.objects.all().delete()
        yield clean.a


def go_and_come_back(cast: Cast, client: Client) -> HttpResponse:
    """The whole way by redirects, up to the last page."""
    to_slack = get(client, f"/live/slack/connect/?project={cast.project_key}")
    back = consent(to_slack.headers["Location"])
    assert back.startswith("http://localhost:8000/slack/oauth/?")
    home = get(browser("localhost:8000"), back)
    assert home.headers["Location"].startswith(f"http://{cast.http_host}/live/slack/finish/?")
    return get(client, home.headers["Location"])


def test_the_whole_way_from_the_button_to_a_test_message(cast: Cast, slack: FakeSlack) -> None:
    client = cast.client(cast.admin)
    assert "Connect Slack" in get(client, "/live/slack/").content.decode()
    done = go_and_come_back(cast, client)
    assert done.headers["Location"] == f"/live/slack/?project={cast.project_key}&said=connected"
    found = SlackInstall.objects.get()
    assert (found.team_id, found.app_id, found.bot_user_id, found.is_ready) == ("T0FAKE", "A0FAKE", "U0BOT", False)
    page = get(client, done.headers["Location"]).content.decode()
    assert "C0SUPPORT" in page
    assert slack.token not in page
    response = act(cast, client, "channel", channel="C0SUPPORT")
    assert response.headers["Location"].endswith("said=channel")
    found.refresh_from_db()
    assert (found.channel_id, found.channel_name, found.is_ready) == ("C0SUPPORT", "support", True)
    assert slack.members == {"C0SUPPORT"}
    assert "BuiltABot is connected" in slack.messages["C0SUPPORT"][0]["text"]
    assert ExternalRoute.objects.get(kind="slack_channel").key == "A0FAKE:T0FAKE:C0SUPPORT"
    assert {"connected Slack", "chose a Slack channel"} <= set(AuditEntry.objects.values_list("verb", flat=True))
    assert slack.token not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize("role", ["agent", "analyst"])
@pytest.mark.parametrize("path", ["/live/slack/", "/live/slack/connect/", "/live/slack/finish/?code=x&state=y"])
def test_only_owners_and_admins_get_in(cast: Cast, role: str, path: str) -> None:
    assert get(cast.client(getattr(cast, role)), path).status_code == 403
    assert act(cast, cast.client(getattr(cast, role)), "disconnect").status_code == 403
    assert not SlackInstall.objects.exists()


def bound(cast: Cast, **change: Any) -> str:
    values = {
        "schema": cast.schema,
        "project": cast.project_key,
        "seat": cast.owner.seat_id,
        "session": state.digest(cast.owner.session_key),
    }
    return state.write(state.State(**{**values, **change}))


def test_a_state_is_good_for_its_own_tenant_person_and_browser_alone(
    cast: Cast, clean: Tenants, slack: FakeSlack
) -> None:
    client = cast.client(cast.owner)
    wrong = [
        "nonsense",
        "",
        bound(cast, schema=clean.b.schema),
        bound(cast, seat=cast.admin.seat_id),
        bound(cast, session=state.digest("another browser")),
        bound(cast, project="missing"),
        bound(cast)[:-2],
    ]
    for text in wrong:
        response = get(client, f"/live/slack/finish/?code={slack.code}&state={text}")
        assert (response.status_code, SlackInstall.objects.count()) == (400, 0), text
    assert slack.calls_of("oauth.v2.access") == []
    assert get(client, f"/live/slack/finish/?code={slack.code}&state={bound(cast)}").status_code == 302
    assert SlackInstall.objects.count() == 1


def test_an_old_state_is_too_old(cast: Cast, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    text = bound(cast)
    monkeypatch.setattr(state, "LIFETIME_SECONDS", -1)
    for client, path in (
        (cast.client(cast.owner), "/live/slack/finish/"),
        (browser("localhost:8000"), "/slack/oauth/"),
    ):
        assert get(client, f"{path}?code={slack.code}&state={text}").status_code == 400
    assert not SlackInstall.objects.exists()


def test_the_public_door_sends_nobody_anywhere_on_a_strangers_word(cast: Cast) -> None:
    for text in ("", "x", "https://evil.example", bound(cast, schema="t_nowhere")):
        response = get(browser("localhost:8000"), f"/slack/oauth/?code=1&state={text}")
        assert (response.status_code, response.headers.get("Location")) == (400, None)


def test_a_no_at_slack_changes_nothing(cast: Cast) -> None:
    response = get(cast.client(cast.owner), f"/live/slack/finish/?error=access_denied&state={bound(cast)}")
    assert response.headers["Location"].endswith("said=denied")
    assert not SlackInstall.objects.exists()


@pytest.mark.parametrize("fault", [SlackFault(error="invalid_code"), SlackFault(status=500), SlackFault(status=429)])
def test_what_slack_refuses_is_said_on_the_page(cast: Cast, slack: FakeSlack, fault: SlackFault) -> None:
    slack.fail("oauth.v2.access", fault)
    response = get(cast.client(cast.owner), f"/live/slack/finish/?code={slack.code}&state={bound(cast)}")
    assert response.status_code == 400
    assert "Slack said" in response.content.decode()
    assert not SlackInstall.objects.exists()


def test_a_channel_that_cannot_be_used_is_not_counted_on(cast: Cast, slack: FakeSlack) -> None:
    client = cast.client(cast.owner)
    go_and_come_back(cast, client)
    assert act(cast, client, "channel", channel_id="C0NOWHERE").status_code == 400
    slack.fail("chat.postMessage", SlackFault(error="not_in_channel"))
    response = act(cast, client, "channel", channel="C0SUPPORT")
    assert "Invite it there" in response.content.decode()
    assert not SlackInstall.objects.get().is_ready
    assert act(cast, client, "test").headers["Location"].endswith("said=test")
    assert SlackInstall.objects.get().is_ready


def test_options_are_kept_and_disconnecting_forgets(cast: Cast, slack: FakeSlack) -> None:
    client = cast.client(cast.owner)
    go_and_come_back(cast, client)
    act(cast, client, "channel", channel="C0SUPPORT")
    act(cast, client, "options", answers_any_hour="on")
    found = SlackInstall.objects.get()
    assert (found.anyone_may_answer, found.answers_any_hour) == (False, True)
    act(cast, client, "disconnect")
    found.refresh_from_db()
    assert (found.bot_token, found.channel_id, found.is_active) == ("", "", False)
    assert not ExternalRoute.objects.filter(kind__startswith="slack").exists()
    assert "Not connected" in get(client, "/live/slack/").content.decode()


def test_connecting_again_keeps_the_channel_and_another_workspace_does_not(cast: Cast, slack: FakeSlack) -> None:
    client = cast.client(cast.owner)
    go_and_come_back(cast, client)
    act(cast, client, "channel", channel="C0SUPPORT")
    go_and_come_back(cast, client)
    assert SlackInstall.objects.get().channel_id == "C0SUPPORT"
    slack.team_id = "T0NEW"
    go_and_come_back(cast, client)
    found = SlackInstall.objects.get()
    assert (found.team_id, found.channel_id) == ("T0NEW", "")
    assert not ExternalRoute.objects.filter(kind="slack_channel").exists()
    assert ExternalRoute.objects.filter(kind="slack_team").count() == 1


def test_without_an_app_nothing_is_offered(cast: Cast, settings: Any) -> None:
    settings.SLACK_CLIENT_ID = ""
    client = cast.client(cast.owner)
    assert "docs/slack.md" in get(client, "/live/slack/").content.decode()
    assert get(client, "/live/slack/connect/").headers["Location"].startswith("/live/slack/")


def test_a_plan_without_slack_refuses_and_says_so(cast: Cast, slack: FakeSlack) -> None:
    plan = Plan.objects.create(key="small", name="Small", price_cents=0, slack=False)
    run_in(PUBLIC, Tenant.objects.filter(pk=cast.tenant_id).update, plan=plan)
    client = cast.client(cast.owner)
    for path in ("/live/slack/", "/live/slack/connect/", f"/live/slack/finish/?code={slack.code}&state={bound(cast)}"):
        answer = get(client, path)
        assert "Your plan does not include Slack" in answer.content.decode(), path
        assert "Connect Slack" not in answer.content.decode()
        assert "Location" not in answer.headers
    assert not SlackInstall.objects.exists()
    assert not ExternalRoute.objects.exists()
    assert slack.calls == []
    run_in(PUBLIC, Plan.objects.filter(pk=plan.pk).update, slack=True)
    assert go_and_come_back(cast, client).headers["Location"].endswith("said=connected")


def test_the_action_itself_refuses_without_the_plan(cast: Cast, slack: FakeSlack) -> None:
    plan = Plan.objects.create(key="small", name="Small", price_cents=0, slack=False)
    run_in(PUBLIC, Tenant.objects.filter(pk=cast.tenant_id).update, plan=plan)
    with pytest.raises(NotInPlan):
        install(cast, slack)
    assert not SlackInstall.objects.exists()


@pytest.mark.parametrize("where", ["both", "slack"])
def test_where_people_are_called_is_chosen_beside_the_channel(cast: Cast, slack: FakeSlack, where: str) -> None:
    client = cast.client(cast.admin)
    install(cast, slack, to="dashboard")
    assert "nobody is called there yet" in get(client, "/live/slack/").content.decode()
    done = act(cast, client, where)
    assert Project.objects.get(pk=cast.project_id).handoffs_to == where
    assert AuditEntry.objects.filter(verb="changed where people are called").count() == 1
    page = get(client, done.headers["Location"]).content.decode()
    assert "People are called in " in page
    assert "nobody is called there yet" not in page


@pytest.mark.parametrize("do", ["channel", "both", "slack", "options", "test", "nonsense", ""])
def test_without_a_connection_there_is_nothing_to_do(cast: Cast, slack: FakeSlack, do: str) -> None:
    assert act(cast, cast.client(cast.owner), do, channel="C0SUPPORT").status_code == 302
    assert slack.calls == []
    assert not SlackInstall.objects.exists()


def test_another_tenants_project_is_not_there(cast: Cast, clean: Tenants) -> None:
    with clean.b.inside():
        Project.objects.create(key="only-b", name="B")
    assert get(cast.client(cast.owner), "/live/slack/?project=only-b").status_code == 404


def test_where_people_are_called_is_a_setting_of_the_chatbot(cast: Cast) -> None:
    from tests.admin.forms import filled

    client, page = cast.client(cast.owner), f"/admin/workspace/project/{cast.project_id}/change/"
    shown = run_in(PUBLIC, client.get, page).content.decode()
    assert f"/live/slack/?project={cast.project_key}" in shown
    assert "When nobody is there" in shown
    data = run_in(PUBLIC, filled, client, page, handoffs_to="both", after_hours="slack")
    assert run_in(PUBLIC, client.post, page, data).status_code == 302
    project = Project.objects.get(pk=cast.project_id)
    assert (project.handoffs_to, project.after_hours) == ("both", "slack")


def test_the_state_names_no_session(cast: Cast) -> None:
    assert cast.owner.session_key not in bound(cast)
