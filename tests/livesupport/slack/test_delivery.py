"""What leaves for Slack: once, in order, whatever Slack answers; and what it looks like there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chat import actions as chat
from chat.models import Conversation, Handoff
from livesupport import actions as live
from livesupport.models import Availability, SlackInstall, SlackThread
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import OutboxEntry, Project
from tests.cast import PNG, Cast
from tests.conftest import Tenants
from tests.fakes.slack_server import FakeSlack, SlackFault
from tests.livesupport.slack.conftest import CHANNEL, Desk, deliver, hand_over, hear, install, say


def words(blocks: list[dict[str, Any]]) -> str:
    """Every text of a message's blocks."""
    found: list[str] = []
    for block in blocks:
        for part in (block.get("text"), *block.get("elements", ())):
            if isinstance(part, dict):
                text = part.get("text")
                found.append(str(text.get("text") if isinstance(text, dict) else text))
    return "\n".join(found)


def buttons(message: dict[str, Any]) -> list[str]:
    return [e["action_id"] for b in message["blocks"] if b["type"] == "actions" for e in b["elements"]]


def test_a_handoff_begins_a_thread_with_everything_in_it(desk: Desk) -> None:
    parent = desk.fake.messages[CHANNEL][0]
    shown = words(parent["blocks"])
    for part in ("Asked for a person", "How do I repair it?", "I want to talk to a human", "Waiting for someone"):
        assert part in shown
    assert buttons(parent) == ["claim", "resolve", "open"]
    link = parent["blocks"][-2]["elements"][2]["url"]
    assert link == f"http://{desk.cast.http_host}/live/?c={desk.conversation.pk}"
    assert (parent["ts"], desk.thread.channel_id) == (desk.thread.ts, CHANNEL)
    call = desk.fake.calls_of("chat.postMessage")[0]
    assert (call.body["unfurl_links"], call.body["unfurl_media"], call.body["parse"]) == (False, False, "none")


def test_the_first_message_follows_what_happens(desk: Desk) -> None:
    parent = desk.fake.messages[CHANNEL][0]
    desk.press("claim")
    deliver()
    assert "With Ana Ruiz" in words(parent["blocks"])
    assert buttons(parent) == ["resolve", "open"]
    desk.press("resolve")
    deliver()
    assert "Resolved by Ana Ruiz" in words(parent["blocks"])
    assert buttons(parent) == ["open"]
    assert "Resolved by *Ana Ruiz*" in desk.in_slack()[-1]["text"]


def test_evidence_is_shown_with_its_scores(desk: Desk) -> None:
    from livesupport.slack.facts import card_of

    passages = [{"title": "Returns", "heading": "How long", "text": "30 days", "url": "", "score": 0.812}]
    Handoff.objects.filter(pk=desk.thread.handoff_id).update(evidence={"confidence": 0.31, "passages": passages})
    card = card_of(SlackThread.objects.get(pk=desk.thread.pk))
    assert (card.confidence, card.found[0].title, card.found[0].score) == (0.31, "Returns › How long", 0.812)


def test_words_are_told_in_order_and_once(desk: Desk) -> None:
    for number in range(5):
        say(desk.conversation, f"Line {number}")
    deliver()
    deliver()
    assert [message["text"].split(": ")[1] for message in desk.in_slack()] == [f"Line {n}" for n in range(5)]


def test_a_file_is_told_with_the_way_to_it(desk: Desk) -> None:
    upload = chat.Upload("<!channel> shot.png", PNG, uuid4())
    chat.send_file_as_visitor(conversation_id=desk.conversation.pk, upload=upload)
    deliver()
    told = desk.in_slack()[-1]["text"]
    assert "sent a file: &lt;!channel&gt; shot.png." in told
    assert f"<http://{desk.cast.http_host}/live/?c={desk.conversation.pk}|" in told


PASSING = [
    ("busy", SlackFault(status=429, retry_after_seconds=30)),
    ("broken", SlackFault(status=500)),
    ("broken, but posted", SlackFault(status=500, after_doing=True)),
    ("their own fault", SlackFault(error="fatal_error")),
    ("their own fault, but posted", SlackFault(error="internal_error", after_doing=True)),
    ("limited", SlackFault(error="ratelimited")),
    ("gone page", SlackFault(status=503)),
]


@pytest.mark.parametrize(("what", "fault"), PASSING, ids=[what for what, _ in PASSING])
def test_a_failure_that_passes_loses_nothing_and_doubles_nothing(desk: Desk, what: str, fault: SlackFault) -> None:
    desk.fake.fail("chat.postMessage", fault)
    say(desk.conversation, "first")
    say(desk.conversation, "second")
    for _ in range(3):
        deliver()
    assert [message["text"].split(": ")[1] for message in desk.in_slack()] == ["first", "second"]
    assert not OutboxEntry.objects.exclude(state="sent").filter(kind__startswith="slack.").exists()


def test_a_post_without_an_answer_is_looked_for_before_it_is_sent_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from livesupport.slack import client

    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 1)
    desk.fake.fail("chat.postMessage", SlackFault(hang=True, after_doing=True))
    say(desk.conversation, "Are you there?")
    deliver()
    entry = OutboxEntry.objects.get(kind="slack.reply")
    assert (entry.state, "unsure_since" in entry.payload) == ("waiting", True)
    posts = len(desk.fake.calls_of("chat.postMessage"))
    deliver()
    assert len(desk.fake.calls_of("chat.postMessage")) == posts
    assert len(desk.in_slack()) == 1
    entry.refresh_from_db()
    assert entry.state == "sent"


def test_a_worker_that_died_after_posting_does_not_post_again(desk: Desk) -> None:
    say(desk.conversation, "Once")
    deliver()
    entry = OutboxEntry.objects.get(kind="slack.reply")
    OutboxEntry.objects.filter(pk=entry.pk).update(
        state="sending", sent_at=None, lease_until=timezone.now() - timedelta(seconds=1)
    )
    deliver()
    assert len(desk.in_slack()) == 1


def test_a_thread_whose_beginning_is_unknown_is_found_in_the_channel(clean: Tenants, slack: FakeSlack) -> None:
    with clean.a.inside():
        install(clean.a, slack)
        slack.fail("chat.postMessage", SlackFault(status=500, after_doing=True))
        conversation = hand_over(clean.a)
        say(conversation, "Hello?")
        deliver()
        deliver()
        thread = SlackThread.objects.get(handoff__conversation=conversation)
        top = [message for message in slack.messages[CHANNEL] if "thread_ts" not in message]
    assert [message["ts"] for message in top] == [thread.ts]
    assert [message["thread_ts"] for message in slack.messages[CHANNEL] if "thread_ts" in message] == [thread.ts]


def test_what_slack_asks_to_wait_is_waited(desk: Desk) -> None:
    desk.fake.fail("chat.postMessage", SlackFault(status=429, retry_after_seconds=90))
    say(desk.conversation, "Hello")
    deliver()
    entry = OutboxEntry.objects.get(kind="slack.reply")
    assert entry.next_at > timezone.now() + timedelta(seconds=80)
    assert "unsure_since" not in entry.payload


BROKEN = ["token_revoked", "invalid_auth", "channel_not_found", "is_archived", "not_in_channel"]


@pytest.mark.parametrize("word", BROKEN)
def test_a_connection_that_broke_is_noted_and_nobody_counts_on_it(desk: Desk, word: str) -> None:
    from livesupport.availability import promise

    project = Project.objects.get(pk=desk.cast.project_id)
    assert promise(project, timezone.now(), False).reachable
    desk.fake.fail("chat.postMessage", SlackFault(error=word))
    say(desk.conversation, "Hello")
    deliver()
    assert OutboxEntry.objects.get(kind="slack.reply").state == "dead"
    found = SlackInstall.objects.get()
    assert (found.is_active, bool(found.problem)) == (False, True)
    assert not promise(project, timezone.now(), False).reachable
    live.give_up_waiting()
    assert desk.handoff.state == Handoff.State.STANDING


def test_the_app_removed_in_slack_takes_its_token_along(desk: Desk) -> None:
    body = desk.fake.event({})
    body["event"] = {"type": "app_uninstalled"}
    assert hear(body).status_code == 200
    found = SlackInstall.objects.get()
    assert (found.is_active, found.bot_token, found.channel_id) == (False, "", "")
    desk.reply("Hello?")
    assert desk.texts() == []


def test_asking_again_begins_no_second_thread(desk: Desk) -> None:
    desk.reply("Hi")
    holder = Conversation.objects.get(pk=desk.conversation.pk).holder
    live.release(seat=holder, conversation_id=desk.conversation.pk)
    deliver()
    assert SlackThread.objects.filter(handoff__conversation=desk.conversation).count() == 1
    assert len([m for m in desk.fake.messages[CHANNEL] if "thread_ts" not in m]) == 1
    assert "back to the queue" in desk.in_slack()[-1]["text"]


def test_a_new_episode_begins_a_thread_of_its_own(desk: Desk) -> None:
    desk.press("resolve")
    say(desk.conversation, "human please")
    deliver()
    tops = [m for m in desk.fake.messages[CHANNEL] if "thread_ts" not in m]
    assert len(tops) == 2
    say(desk.conversation, "It broke again")
    deliver()
    assert desk.fake.messages[CHANNEL][-1]["thread_ts"] == tops[1]["ts"]


def _posts(cast: Cast, fake: FakeSlack, **conversation: Any) -> int:
    """How many threads a handoff makes."""
    before = len(fake.calls_of("chat.postMessage"))
    made = hand_over(cast)
    if conversation:
        Conversation.objects.filter(pk=made.pk).update(**conversation)
    deliver()
    return len(fake.calls_of("chat.postMessage")) - before


@pytest.mark.parametrize(
    ("to", "is_active", "posts"),
    [("dashboard", True, 0), ("slack", True, 1), ("both", True, 1), ("both", False, 0)],
    ids=["to the dashboard", "to Slack", "to both", "switched off"],
)
def test_handoffs_land_where_the_project_says(
    clean: Tenants, slack: FakeSlack, to: str, is_active: bool, posts: int
) -> None:
    with clean.a.inside():
        install(clean.a, slack, to=to)
        SlackInstall.objects.update(is_active=is_active)
        assert _posts(clean.a, slack) == posts


def test_a_test_never_goes_to_slack_unless_it_rehearses_slack(clean: Tenants, slack: FakeSlack) -> None:
    from chat import actions as chat

    with clean.a.inside():
        install(clean.a, slack)
        word = chat.rehearsal_pass(clean.a.schema)
        for until, posts in (
            (None, 0),
            (timezone.now() - timedelta(seconds=1), 0),
            (timezone.now() + timedelta(60), 1),
        ):
            SlackInstall.objects.update(rehearses_until=until)
            opened = chat.open_session(project=clean.a.project_key, token=None, language="en", rehearsal=word)
            say(Conversation.objects.get(pk=opened.conversation_id), "I want to talk to a human")
            deliver()
            assert len(slack.messages[CHANNEL]) == posts
        assert "[Test]" in slack.messages[CHANNEL][0]["text"]


def test_nobody_there_and_slack_chosen_for_that_posts_a_standing_request(clean: Tenants, slack: FakeSlack) -> None:
    with clean.a.inside():
        install(clean.a, slack, to="dashboard")
        Project.objects.update(after_hours="slack")
        conversation = hand_over(clean.a)
        deliver()
        assert Handoff.objects.get(conversation=conversation).state == Handoff.State.STANDING
        assert "Nobody was there" in words(slack.messages[CHANNEL][0]["blocks"])
        say(conversation, "Anyone?")
        deliver()
        thread = SlackThread.objects.get(handoff__conversation=conversation)
        desk = Desk(clean.a, slack, conversation, thread)
        desk.reply("I am here now")
        assert (desk.owner, desk.texts()) == ("agent", ["I am here now"])


def test_somebody_was_there_and_did_not_take_it_so_slack_hears_of_it(clean: Tenants, slack: FakeSlack) -> None:
    with clean.a.inside():
        install(clean.a, slack, to="dashboard")
        Project.objects.update(after_hours="slack")
        there = {"state": "online", "capacity": 50, "seen_at": timezone.now()}
        Availability.objects.update_or_create(seat_id=clean.a.agent.seat_id, defaults=there)
        conversation = hand_over(clean.a)
        assert Handoff.objects.get(conversation=conversation).state == Handoff.State.WAITING
        Availability.objects.all().delete()
        assert not live.give_up_waiting()
        deliver()
        thread = SlackThread.objects.get(handoff__conversation=conversation)
        (post,) = [message for message in slack.messages[CHANNEL] if message["ts"] == thread.ts]
        assert "Nobody was there" in words(post["blocks"])


def test_whose_thread_stands_already_is_not_posted_twice(desk: Desk) -> None:
    Project.objects.update(after_hours="slack")
    chat.make_standing(handoff_id=desk.thread.handoff_id)
    deliver()
    assert SlackThread.objects.filter(handoff__conversation=desk.conversation).count() == 1
    assert sum(not message.get("thread_ts") for message in desk.fake.messages[CHANNEL]) == 1


def test_the_token_is_stored_encrypted_and_leaves_no_trace(desk: Desk) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT bot_token FROM livesupport_slackinstall")
        stored = cursor.fetchone()[0]
    assert desk.fake.token not in stored
    assert SlackInstall.objects.get().bot_token == desk.fake.token
    assert desk.fake.token not in str(list(OutboxEntry.objects.values()))
    pages = desk.cast.client(desk.cast.owner)
    for path in ("/live/slack/", f"/admin/workspace/project/{desk.cast.project_id}/change/"):
        response = run_in(PUBLIC, pages.get, path)
        assert response.status_code == 200
        assert desk.fake.token not in response.content.decode()
