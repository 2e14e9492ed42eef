"""`manage.py rehearse --via slack`: what it needs, and what it leaves. The play itself runs in tests/browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command

from livesupport.errors import RehearsalFailed
from livesupport.models import SlackInstall
from livesupport.slack import rehearsal
from tests.conftest import Tenants
from tests.fakes.slack_server import SlackFault
from tests.livesupport.slack.conftest import Desk


def test_without_a_channel_it_fails_at_the_first_step_and_says_why(
    tenants: Tenants, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call_command("rehearse", host=tenants.c.host, project=tenants.c.project_key, via="slack", json=True)
    assert "no working Slack channel" in capsys.readouterr().out


def test_it_opens_slack_for_tests_and_closes_it(desk: Desk) -> None:
    rehearsal.begin(desk.cast.project_id)
    assert SlackInstall.objects.get().rehearses_until is not None
    rehearsal.end(desk.cast.project_id)
    assert SlackInstall.objects.get().rehearses_until is None


def test_the_thread_is_read_back_from_slack(desk: Desk) -> None:
    place = rehearsal.find_place(str(desk.conversation.pk))
    assert place is not None
    assert (place.ts, place.channel_name) == (desk.thread.ts, "support")
    desk.fake.messages.clear()
    with pytest.raises(RehearsalFailed):
        rehearsal.find_place(str(desk.conversation.pk))


def test_slack_that_does_not_answer_fails_it(desk: Desk) -> None:
    desk.fake.fail("conversations.replies", SlackFault(status=500))
    with pytest.raises(RehearsalFailed, match="did not take part"):
        rehearsal.find_place(str(desk.conversation.pk))


@pytest.mark.parametrize(
    ("url", "is_stand_in"),
    [
        ("https://slack.com/api/", False),
        ("https://ab.slack.com/api/", False),
        ("http://127.0.0.1:8765/api/", True),
        ("https://slack.com.example/api/", True),
    ],
)
def test_only_a_stand_in_is_told_what_to_say(settings: Any, url: str, is_stand_in: bool) -> None:
    settings.SLACK_API_URL = url
    assert rehearsal.is_stand_in() is is_stand_in
