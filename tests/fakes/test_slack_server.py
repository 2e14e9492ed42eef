"""The real Slack client talks to the fake, and meets the faults that Slack is known for."""

from collections.abc import Iterator
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.fakes.slack_server import FakeSlack, SlackFault


@pytest.fixture
def fake() -> Iterator[FakeSlack]:
    with FakeSlack() as server:
        yield server


@pytest.fixture
def client(fake: FakeSlack) -> WebClient:
    return WebClient(token=fake.token, base_url=fake.base_url, timeout=1, retry_handlers=[])


def test_a_post_and_its_thread_can_be_read_back(fake: FakeSlack, client: WebClient) -> None:
    post = client.chat_postMessage(channel="C0SUPPORT", text="Asked for a person", blocks=[{"type": "divider"}])
    fake.say("C0SUPPORT", "I take it", thread_ts=post["ts"])
    fake.say("C0SUPPORT", "lunch?")
    client.chat_postMessage(channel="C0SUPPORT", text="Claimed", thread_ts=post["ts"])
    thread = client.conversations_replies(channel="C0SUPPORT", ts=post["ts"])["messages"]
    assert [message["text"] for message in thread] == ["Asked for a person", "I take it", "Claimed"]
    assert [message["user"] for message in thread] == ["U0BOT", "U0ANA", "U0BOT"]
    assert len(fake.calls_of("chat.postMessage")) == 2


def test_identity_and_people(client: WebClient) -> None:
    assert client.auth_test()["team_id"] == "T0FAKE"
    assert client.users_info(user="U0ANA")["user"]["profile"]["email"] == "ana@acme.example"
    with pytest.raises(SlackApiError, match="user_not_found"):
        client.users_info(user="U0NOBODY")


def test_installing_takes_the_right_code(fake: FakeSlack, client: WebClient) -> None:
    granted = client.oauth_v2_access(client_id="1", client_secret="2", code=fake.code)
    assert (granted["access_token"], granted["team"]["id"]) == (fake.token, "T0FAKE")
    with pytest.raises(SlackApiError, match="invalid_code"):
        client.oauth_v2_access(client_id="1", client_secret="2", code="other")


def test_a_wrong_token_is_refused(fake: FakeSlack) -> None:
    stranger = WebClient(token="xoxb-other", base_url=fake.base_url)
    with pytest.raises(SlackApiError, match="invalid_auth"):
        stranger.chat_postMessage(channel="C0SUPPORT", text="hello")
    assert fake.messages["C0SUPPORT"] == []


@pytest.mark.parametrize("error", ["channel_not_found", "is_archived", "token_revoked", "fatal_error"])
def test_slacks_own_errors(fake: FakeSlack, client: WebClient, error: str) -> None:
    fake.fail("chat.postMessage", SlackFault(error=error))
    with pytest.raises(SlackApiError, match=error):
        client.chat_postMessage(channel="C0SUPPORT", text="hello")
    assert client.chat_postMessage(channel="C0SUPPORT", text="again")["ok"]


def test_too_many_requests_say_when_to_come_back(fake: FakeSlack, client: WebClient) -> None:
    fake.fail("chat.postMessage", SlackFault(status=429, retry_after_seconds=30))
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="C0SUPPORT", text="hello")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "30"


def test_a_limit_counts_calls(fake: FakeSlack, client: WebClient) -> None:
    post = client.chat_postMessage(channel="C0SUPPORT", text="hello")
    fake.limit("conversations.replies", 1, 60)
    client.conversations_replies(channel="C0SUPPORT", ts=post["ts"])
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.conversations_replies(channel="C0SUPPORT", ts=post["ts"])


def test_a_server_error_may_have_posted_all_the_same(fake: FakeSlack, client: WebClient) -> None:
    fake.fail("chat.postMessage", SlackFault(status=500, after_doing=True))
    with pytest.raises(SlackApiError):
        client.chat_postMessage(channel="C0SUPPORT", text="hello")
    assert [message["text"] for message in fake.messages["C0SUPPORT"]] == ["hello"]


def test_silence_runs_into_the_clients_timeout(fake: FakeSlack, client: WebClient) -> None:
    fake.fail("auth.test", SlackFault(hang=True))
    with pytest.raises((URLError, TimeoutError)):
        client.auth_test()
