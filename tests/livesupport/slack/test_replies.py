"""A reply in the thread reaches the visitor, claims the conversation, and does so once."""

from __future__ import annotations

import random

import pytest

from chat.models import Episode, Handoff, Message
from livesupport import actions as live
from livesupport.models import SlackInstall, SlackPerson
from livesupport.slack.people import NOBODY
from tenants import external
from tenants.models import ExternalEvent
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import AuditEntry, OutboxEntry, Seat
from tests.livesupport.slack.conftest import Desk, deliver, handle_all, hear, say, signed


def asides(desk: Desk) -> list[str]:
    deliver()
    return [told["text"] for told in desk.fake.ephemeral]


def test_the_first_reply_claims_and_reaches_the_visitor(desk: Desk) -> None:
    assert desk.owner == "queue"
    desk.reply("Hello, I can help &amp; will.")
    assert desk.owner == "agent"
    assert desk.texts() == ["Hello, I can help & will."]
    handoff = desk.handoff
    assert (handoff.claimed_name, handoff.claimed_via, handoff.state) == ("Ana Ruiz", "slack", "claimed")
    assert handoff.first_reply_at is not None
    joined = Message.objects.get(conversation=desk.conversation, event="joined")
    assert joined.data["via"] == "slack"
    assert AuditEntry.objects.filter(verb="claimed", data__via="slack").count() == 1
    assert asides(desk) == []


def test_somebody_with_an_account_answers_with_their_own_seat(desk: Desk) -> None:
    desk.fake.users["U0ANA"]["email"] = desk.cast.agent.email.upper()
    seats = Seat.objects.count()
    desk.reply("Hi")
    desk.conversation.refresh_from_db()
    assert desk.conversation.holder_id == desk.cast.agent.seat_id
    assert Seat.objects.count() == seats


def test_a_colleague_without_an_account_gets_one_seat_of_this_project_alone(desk: Desk) -> None:
    desk.reply("Hi")
    desk.reply("Hi again")
    seat = Seat.objects.get(user_id__isnull=True)
    assert (seat.name, seat.email, seat.role) == ("Ana Ruiz", "ana@acme.example", Seat.Role.AGENT)
    assert [project.pk for project in seat.projects.all()] == [desk.cast.project_id]
    assert len(desk.fake.calls_of("users.info")) == 1
    assert desk.texts() == ["Hi", "Hi again"]


def test_what_the_visitor_answers_appears_in_the_thread_and_what_came_from_it_does_not(desk: Desk) -> None:
    desk.reply("Which lamp is it?")
    say(desk.conversation, "The <b>Harbour</b> one")
    deliver()
    told = [message["text"] for message in desk.in_slack() if message["user"] == desk.fake.bot_user]
    assert any("Ana Ruiz" in text and "has the conversation" in text for text in told)
    assert told[-1].endswith("The &lt;b&gt;Harbour&lt;/b&gt; one")
    assert not any("Which lamp is it?" in text for text in told)


def test_a_reply_from_the_dashboard_appears_in_the_thread(desk: Desk) -> None:
    from chat.actions import Draft, post_as_seat

    live.claim(seat=desk.cast.agent.seat, conversation_id=desk.conversation.pk)
    post_as_seat(conversation_id=desk.conversation.pk, seat_id=desk.cast.agent.seat_id, draft=Draft("From the desk"))
    deliver()
    assert desk.in_slack()[-1]["text"] == f"{desk.cast.agent.name}: From the desk"


def test_a_note_stays_among_the_team_and_claims_nothing(desk: Desk) -> None:
    desk.reply("note: she is a regular")
    assert desk.owner == "queue"
    assert desk.texts() == []
    note = Message.objects.get(conversation=desk.conversation, kind="note")
    assert (note.text, note.internal) == ("she is a regular", True)


def test_a_long_reply_arrives_whole_in_pieces(desk: Desk) -> None:
    words = "word " * 2000
    desk.reply(words)
    assert " ".join(desk.texts()) == words.strip()
    assert max(map(len, desk.texts())) <= 4000


def test_who_is_later_is_told_who_was_faster_and_nothing_is_sent(desk: Desk) -> None:
    live.claim(seat=desk.cast.agent.seat, conversation_id=desk.conversation.pk)
    desk.reply("I take it")
    assert desk.texts() == []
    told = asides(desk)
    assert len(told) == 1
    assert desk.cast.agent.name in told[0]
    assert "did not reach the visitor" in told[0]
    assert desk.fake.ephemeral[0]["user"] == "U0ANA"
    assert desk.fake.ephemeral[0]["thread_ts"] == desk.thread.ts


def test_after_the_end_words_stay_in_slack(desk: Desk) -> None:
    live.resolve(seat=desk.cast.agent.seat, conversation_id=desk.conversation.pk)
    last = desk.texts()
    desk.reply("One more thing")
    assert desk.texts() == last
    assert desk.owner == "none"
    assert desk.cast.agent.name in asides(desk)[0]


def test_an_older_thread_does_not_speak_for_a_newer_handoff(desk: Desk) -> None:
    live.resolve(seat=desk.cast.agent.seat, conversation_id=desk.conversation.pk)
    say(desk.conversation, "human please")
    assert Handoff.objects.filter(conversation=desk.conversation, state="waiting").count() == 1
    desk.reply("Is it solved?")
    assert desk.texts() == []
    assert desk.owner == "queue"


PEOPLE = [
    ("guest", {"is_restricted": True}),
    ("single channel guest", {"is_ultra_restricted": True}),
    ("of another workspace", {"team_id": "T0OTHER"}),
    ("stranger", {"is_stranger": True}),
    ("bot", {"is_bot": True}),
    ("gone", {"deleted": True}),
]


@pytest.mark.parametrize(("who", "how"), PEOPLE, ids=[who for who, _ in PEOPLE])
def test_who_is_no_colleague_cannot_answer(desk: Desk, who: str, how: dict[str, object]) -> None:
    desk.fake.users["U0ANA"].update(how)
    seats = Seat.objects.count()
    desk.reply("Let me in")
    assert (desk.owner, desk.texts(), Seat.objects.count()) == ("queue", [], seats)
    assert "did not reach the visitor" in asides(desk)[0]


def test_an_outsiders_address_is_worth_nothing_and_an_invited_guests_is(desk: Desk) -> None:
    person = desk.fake.users["U0ANA"]
    person.update(email=desk.cast.owner.email, team_id="T0OTHER")
    desk.reply("I am the owner")
    assert desk.owner == "queue"
    SlackPerson.objects.all().delete()
    person.update(team_id=desk.fake.team_id, is_restricted=True)
    desk.reply("Now I am")
    desk.conversation.refresh_from_db()
    assert desk.conversation.holder_id == desk.cast.owner.seat_id


def test_when_only_the_invited_may_answer_others_are_told_how(desk: Desk) -> None:
    SlackInstall.objects.update(anyone_may_answer=False)
    desk.reply("Hello")
    assert (desk.owner, desk.texts()) == ("queue", [])
    assert "invite you" in asides(desk)[0]


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "analyst"}], ids=["switched off", "analyst"])
def test_a_seat_that_may_not_talk_may_not_talk_from_slack(desk: Desk, change: dict[str, object]) -> None:
    desk.fake.users["U0ANA"]["email"] = desk.cast.agent.email
    Seat.objects.filter(pk=desk.cast.agent.seat_id).update(**change)
    desk.reply("Hello")
    assert (desk.owner, desk.texts()) == ("queue", [])
    assert len(asides(desk)) == 1


def test_a_colleague_who_was_switched_off_stays_off(desk: Desk) -> None:
    desk.reply("Hi")
    Seat.objects.filter(user_id__isnull=True).update(is_active=False)
    desk.reply("Still here?")
    assert desk.texts() == ["Hi"]
    assert Seat.objects.filter(user_id__isnull=True).count() == 1


def test_a_person_without_a_name_has_one(desk: Desk) -> None:
    desk.fake.users["U0ANA"].update(name="", real_name="")
    desk.reply("Hi")
    assert Seat.objects.get(user_id__isnull=True).name == NOBODY


IGNORED = [
    ("bot_message", {"subtype": "bot_message"}),
    ("with a bot's id", {"bot_id": "B1"}),
    ("edit", {"subtype": "message_changed", "message": {"text": "x"}}),
    ("deletion", {"subtype": "message_deleted"}),
    ("join", {"subtype": "channel_join"}),
    ("not in a thread", {"thread_ts": None}),
    ("no user", {"user": None}),
    ("another kind", {"type": "reaction_added"}),
    ("ids of the wrong kind", {"channel": {"id": "C0SUPPORT"}}),
]


@pytest.mark.parametrize(("what", "more"), IGNORED, ids=[what for what, _ in IGNORED])
def test_what_is_no_persons_reply_is_not_even_kept(desk: Desk, what: str, more: dict[str, object]) -> None:
    before = desk.conversation.last_seq
    desk.reply("Hello", **more)
    desk.conversation.refresh_from_db()
    assert desk.conversation.last_seq == before
    assert not ExternalEvent.objects.exists()


def test_our_own_words_never_come_back(desk: Desk) -> None:
    desk.reply("Hello", user=desk.fake.bot_user)
    assert (desk.owner, desk.texts()) == ("queue", [])


def test_an_event_delivered_again_and_again_is_one_message(desk: Desk) -> None:
    """Each of 50 events one to four times, in any order, retries marked as Slack marks them."""
    rng = random.Random(7)
    messages = [desk.fake.say("C0SUPPORT", f"Part {n}", thread_ts=desk.thread.ts) for n in range(50)]
    bodies = [desk.fake.event(message) for message in messages]
    deliveries = [(body, n) for body in bodies for n in range(rng.randint(1, 4))]
    rng.shuffle(deliveries)
    for body, retry in deliveries:
        headers = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"} if retry else {}
        assert signed(body, **headers).status_code == 200
        if rng.random() < 0.5:
            handle_all()
    handle_all()
    assert sorted(desk.texts()) == sorted(f"Part {n}" for n in range(50))
    assert ExternalEvent.objects.count() == 50


def test_a_retry_alone_is_not_dropped(desk: Desk) -> None:
    body = desk.fake.event(desk.fake.say("C0SUPPORT", "Hi", thread_ts=desk.thread.ts))
    signed(body, **{"X-Slack-Retry-Num": "3", "X-Slack-Retry-Reason": "http_timeout"})
    handle_all()
    assert desk.texts() == ["Hi"]


def test_the_same_words_in_two_events_are_one_message(desk: Desk) -> None:
    message = desk.fake.say("C0SUPPORT", "Hi", thread_ts=desk.thread.ts)
    for _ in range(2):
        hear(desk.fake.event(message))
    assert ExternalEvent.objects.count() == 2
    assert desk.texts() == ["Hi"]


def test_a_late_repeat_does_not_take_the_conversation_back(desk: Desk) -> None:
    message = desk.fake.say("C0SUPPORT", "Hi", thread_ts=desk.thread.ts)
    hear(desk.fake.event(message))
    live.release(seat=Seat.objects.get(user_id__isnull=True), conversation_id=desk.conversation.pk)
    hear(desk.fake.event(message))
    assert desk.owner == "queue"


def test_the_buttons_claim_and_resolve(desk: Desk) -> None:
    desk.press("claim")
    assert (desk.owner, desk.handoff.claimed_via) == ("agent", "slack")
    desk.press("resolve")
    assert (desk.owner, desk.handoff.resolved_name) == ("none", "Ana Ruiz")
    assert desk.texts() == []


def test_a_button_pressed_too_late_says_so(desk: Desk) -> None:
    live.claim(seat=desk.cast.agent.seat, conversation_id=desk.conversation.pk)
    desk.press("claim")
    desk.press("resolve")
    assert desk.owner == "agent"
    told = asides(desk)
    assert desk.cast.agent.name in told[0]
    assert len(told) == 2


@pytest.mark.parametrize("button", ["open", "delete", ""])
def test_other_buttons_do_nothing(desk: Desk, button: str) -> None:
    desk.press(button)
    assert desk.owner == "queue"
    assert not ExternalEvent.objects.exists()


def test_slack_that_does_not_say_who_wrote_is_asked_again(desk: Desk) -> None:
    from tests.fakes.slack_server import SlackFault

    desk.fake.fail("users.info", SlackFault(status=500))
    desk.reply("Hello")
    assert desk.texts() == []
    event = ExternalEvent.objects.get()
    assert (event.handled_at, event.attempts) == (None, 1)
    ExternalEvent.objects.update(next_at=event.received_at)
    handle_all()
    assert desk.texts() == ["Hello"]
    event.refresh_from_db()
    assert event.handled_at is not None
    assert event.body == {}
    assert not OutboxEntry.objects.filter(kind="slack.aside").exists()


def test_replies_reach_the_visitor_in_the_order_they_were_written_whoever_handles_them(desk: Desk) -> None:
    calls = []
    for text in ("First", "Second"):
        signed(desk.fake.event(desk.fake.say("C0SUPPORT", text, thread_ts=desk.thread.ts)))
        calls.append(ExternalEvent.objects.latest("pk"))
    handled = [run_in(PUBLIC, external.handle, event_id=call.pk) for call in reversed(calls)]
    assert handled == [False, True]
    handle_all()
    assert desk.texts() == ["First", "Second"]


def test_a_press_waits_for_the_reply_before_it_and_other_threads_do_not(desk: Desk) -> None:
    signed(desk.fake.event(desk.fake.say("C0SUPPORT", "Bye", thread_ts=desk.thread.ts)))
    signed(desk.fake.press("resolve", desk.thread.ts, channel="C0SUPPORT", user="U0ANA"), path="slack/interactivity")
    signed(desk.fake.event(desk.fake.say("C0SUPPORT", "Elsewhere", thread_ts="1.1")))
    reply, press, other = ExternalEvent.objects.order_by("pk")
    assert reply.lane == press.lane != other.lane


def test_a_note_after_the_end_opens_nothing(desk: Desk) -> None:
    desk.reply("Hi")
    desk.press("resolve")
    desk.reply("note: called them back")
    assert desk.owner == "none"
    assert Episode.objects.filter(conversation=desk.conversation).count() == 1
    assert Message.objects.get(conversation=desk.conversation, kind="note").text == "called them back"


def test_words_from_a_channel_that_lately_failed_still_reach_the_visitor(desk: Desk) -> None:
    desk.reply("Hello")
    SlackInstall.objects.update(is_active=False, problem="BuiltABot is not in the channel.")
    desk.reply("Are you there?")
    assert desk.texts() == ["Hello", "Are you there?"]


def test_words_that_a_broken_connection_keeps_from_the_visitor_stay_as_failed(desk: Desk) -> None:
    """Whose they are cannot be asked, and nobody can be told in Slack: the event says so."""
    from tests.fakes.slack_server import SlackFault

    desk.fake.fail("users.info", SlackFault(error="token_revoked"))
    desk.reply("Hello")
    event = ExternalEvent.objects.get()
    assert (desk.owner, desk.texts()) == ("queue", [])
    assert event.handled_at is not None
    assert event.error == "BuiltABot was removed from the workspace."
    assert event.body["text"] == "Hello"
    assert not OutboxEntry.objects.filter(kind="slack.aside").exists()
