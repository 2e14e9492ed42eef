"""The dashboard's pages: what each seat sees, what others never do, and what hostile words become."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from lxml import html as parser

from chat import actions as chat
from chat.models import Conversation, Episode, Handoff, Message, Visitor
from livesupport import actions
from livesupport.queue import listing
from livesupport.transcript import transcript
from tenants.workspace.models import Seat
from tests.cast import Cast
from tests.conftest import Tenants
from tests.livesupport.test_actions import queue_up

PAYLOADS = [
    line
    for line in (Path(__file__).parent.parent / "data" / "security" / "xss.txt")
    .read_text(encoding="utf-8")
    .split("\n")
    if line and not line.startswith("#!")
]


def paths(conversation_id: object) -> list[str]:
    return [
        f"/live/?c={conversation_id}",
        f"/live/queue/?c={conversation_id}",
        f"/live/c/{conversation_id}/",
        f"/live/c/{conversation_id}/card/",
    ]


@pytest.mark.parametrize("role", ["owner", "admin", "agent", "analyst"])
def test_everyone_with_a_seat_sees_queue_transcript_and_card(tenants: Tenants, role: str) -> None:
    cast = tenants.a
    cast.run(queue_up, cast)
    client = cast.client(getattr(cast, role))
    for path in paths(cast.thread.conversation_id):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert cast.thread.marker in answer.content.decode(), path
        assert "no-store" in answer["Cache-Control"], path


def test_a_stranger_is_sent_to_the_sign_in(tenants: Tenants) -> None:
    answer = tenants.a.client().get("/live/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/enter/")


def test_another_tenants_conversation_is_not_there(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.owner)
    for path in paths(tenants.b.thread.conversation_id):
        answer = client.get(path)
        assert answer.status_code == (404 if "/c/" in path else 200)
        assert tenants.b.marker not in answer.content.decode()
    for verb in ("claim", "release", "hand-back", "resolve"):
        answer = client.post(f"/live/c/{tenants.b.thread.conversation_id}/{verb}/")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_conversation")


def test_a_lost_race_is_a_409_that_names_the_winner(tenants: Tenants) -> None:
    cast = tenants.a
    cast.run(queue_up, cast)
    url = f"/live/c/{cast.thread.conversation_id}/claim/"
    assert cast.client(cast.owner).post(url).json() == {"ok": True}
    answer = cast.client(cast.agent).post(url)
    assert answer.status_code == 409
    assert answer.json()["code"] == "already_taken"
    assert cast.owner.name in answer.json()["sentence"]
    holder = cast.run(Conversation.objects.values_list("holder", flat=True).get, pk=cast.thread.conversation_id)
    assert holder == cast.owner.seat_id


def test_an_analyst_reads_and_is_offered_nothing_to_do(tenants: Tenants) -> None:
    cast = tenants.a
    cast.run(queue_up, cast)
    client = cast.client(cast.analyst)
    page = client.get(f"/live/?c={cast.thread.conversation_id}").content.decode()
    assert "data-act" not in page
    assert "data-compose-form" not in page
    assert "data-availability " not in page
    answer = client.post(f"/live/c/{cast.thread.conversation_id}/claim/")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize("verb", ["claim", "release", "hand-back", "resolve"])
def test_deeds_are_posts_with_a_token(tenants: Tenants, verb: str) -> None:
    cast = tenants.a
    client = cast.client(cast.agent)
    url = f"/live/c/{cast.thread.conversation_id}/{verb}/"
    assert client.get(url).status_code == 405
    client.handler.enforce_csrf_checks = True
    assert client.post(url).status_code == 403
    assert cast.run(Conversation.objects.filter(holder__isnull=False).count) == 0


def test_availability_is_set_over_http(tenants: Tenants) -> None:
    client = tenants.a.client(tenants.a.agent)
    assert client.post("/live/availability/", {"state": "away"}).status_code == 200
    assert 'data-state="away"' in client.get("/live/").content.decode()
    assert client.post("/live/availability/", {"state": "x"}).json()["code"] == "unknown_state"


def test_search_finds_notes_and_names_and_nothing_of_other_projects(tenants: Tenants) -> None:
    cast = tenants.a
    client = cast.client(cast.agent)
    marker = cast.thread.marker
    for words in (f"note on {marker}", f"REPAIR {marker}"):
        page = client.get("/live/queue/", {"q": words}).content.decode()
        assert str(cast.thread.conversation_id) in page
        assert str(cast.other_thread.conversation_id) not in page
    assert "No transcript has" in client.get("/live/queue/", {"q": "no such words"}).content.decode()


@pytest.mark.parametrize("tab", ["now", "team", "resolved", "leads", "nonsense"])
def test_every_tab_is_shown(tenants: Tenants, tab: str) -> None:
    answer = tenants.a.client(tenants.a.agent).get("/live/", {"tab": tab})
    assert answer.status_code == 200
    assert 'aria-current="page"' in answer.content.decode()


# -- what stands in front of the agent -------------------------------------------------------------------------------


def shown(page: str, place: str) -> str:
    """The words of one place (XPath) of a page."""
    (node,) = parser.fromstring(page).xpath(place)
    return " ".join(node.text_content().split())


def test_the_whole_transcript_is_there_and_the_card_says_who_where_why_and_what_was_found(tenants: Tenants) -> None:
    cast = tenants.a
    cast.run(queue_up, cast)
    client, mark = cast.client(cast.agent), cast.thread.marker
    place = f"/live/c/{cast.thread.conversation_id}/"
    log, card, row = (client.get(path).content.decode() for path in (place, f"{place}card/", "/live/queue/"))
    for said in (f"How do I repair {mark}?", f"Our pages say {mark}.", f"Let me talk to a human about {mark}"):
        assert said in log
    who = shown(card, "//dl[@class='kv']")
    assert who.startswith(f"NameVera {mark} E-mailvera@{mark}.example ")
    for told in (
        f'href="https://shop.example/{mark}" dir="ltr" title="Lamp {mark}"',
        f"<b>Asked for a person.</b> <span dir=\"auto\">Asked for a person about {mark}</span>",
        f"Page {mark} › Part {mark}",
        f"“Passage {mark}”",
        'class="small faint num" title="How near this passage is to the question">0.80<',
        "confidence was <b>0.30</b>; it needs <b>0.55</b>",
    ):
        assert told in card
    assert "Asked for a person" in row
    assert "<small>of 0:30</small>" in row


@pytest.mark.parametrize(
    ("is_away", "seconds_ago", "words"),
    [(False, 0, "On"), (True, 0, "In another tab, left open on"), (False, 46, "Left")],
)
def test_the_agent_sees_whether_the_visitor_is_still_there_and_where(
    tenants: Tenants, is_away: bool, seconds_ago: int, words: str
) -> None:
    cast = tenants.a
    seen = {"is_away": is_away, "seen_at": timezone.now() - timedelta(seconds=seconds_ago)}
    cast.run(Visitor.objects.filter(pk=cast.thread.visitor_id).update, **seen)
    page = cast.client(cast.agent).get(f"/live/c/{cast.thread.conversation_id}/").content.decode()
    assert f"{words} /{cast.thread.marker}" in shown(page, "//*[@data-presence]")


def test_who_comes_back_brings_their_history(tenants: Tenants) -> None:
    cast = tenants.a
    with cast.inside():
        conversation = queue_up(cast)
        actions.resolve(seat=cast.owner.seat, conversation_id=conversation.pk)
    ended = cast.client(cast.agent).get(f"/live/c/{conversation.pk}/card/").content.decode()
    assert f"Asked for a person about {cast.thread.marker}" in ended
    with cast.inside():
        chat.post_as_visitor(conversation_id=conversation.pk, draft=chat.Draft("It broke again, human please"))
    client, mark = cast.client(cast.agent), cast.thread.marker
    place = f"/live/c/{conversation.pk}/"
    log, card = client.get(place).content.decode(), client.get(f"{place}card/").content.decode()
    assert f"Our pages say {mark}." in log
    assert f"{cast.owner.name} resolved this" in log
    earlier = shown(card, "//*[contains(@class, 'trail-plain')]")
    assert earlier.startswith(f"How do I repair {mark}?, Resolved by a person")


@pytest.mark.parametrize(("via", "where"), [("slack", "in Slack"), ("dashboard", "in Live Support")])
def test_a_claim_says_who_from_where_and_when(tenants: Tenants, via: str, where: str) -> None:
    cast = tenants.a
    with cast.inside():
        conversation = queue_up(cast, waited=24)
        actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk, via=via)
    client = cast.client(cast.owner)
    card = client.get(f"/live/c/{conversation.pk}/card/").content.decode()
    claimed = shown(card, "//*[contains(@class, 'hc-claimed')]")
    assert re.fullmatch(rf"Claimed by {cast.agent.name} {where} after 0:2\d\.", claimed)
    row = shown(client.get("/live/queue/?tab=team").content.decode(), "//*[contains(@class, 'q-look')]")
    assert row.endswith(f"{cast.agent.name} in Slack" if via == "slack" else cast.agent.name)


# -- what is listed, in which order ----------------------------------------------------------------------------------


def _another(cast: Cast, *, waited: int, state: str = Handoff.State.WAITING, is_test: bool = False) -> str:
    project = Conversation.objects.get(pk=cast.thread.conversation_id).project
    visitor = Visitor.objects.create(project=project, token_hash=uuid4().hex, is_test=is_test)
    owner = Conversation.Owner.QUEUE if state == Handoff.State.WAITING else Conversation.Owner.AI
    conversation = Conversation.objects.create(project=project, visitor=visitor, owner=owner, is_test=is_test)
    episode = Episode.objects.create(conversation=conversation, number=1)
    Handoff.objects.create(
        conversation=conversation,
        episode=episode,
        trigger=Handoff.Trigger.REQUEST,
        reason="asked",
        state=state,
        requested_at=timezone.now() - timedelta(seconds=waited),
    )
    return str(conversation.pk)


def test_the_furthest_past_its_promise_is_first_and_standing_requests_last(tenants: Tenants) -> None:
    with tenants.a.inside():
        cast = tenants.a
        Handoff.objects.all().update(state=Handoff.State.CLOSED)
        standing = _another(cast, waited=9000, state=Handoff.State.STANDING)
        fresh, late = _another(cast, waited=3), _another(cast, waited=50)
        rehearsal = _another(cast, waited=10, is_test=True)
        found = listing(cast.agent.seat)
        assert [row.id for row in found.groups[0].rows] == [late, rehearsal, fresh, standing]
        assert [row.clock.tone if row.clock else "" for row in found.groups[0].rows] == ["over", "ok", "ok", ""]
        assert found.waiting == 3  # the rehearsal does not count


def test_a_claimed_conversation_is_mine_and_the_others_see_it_under_team(tenants: Tenants) -> None:
    with tenants.a.inside():
        cast = tenants.a
        conversation = queue_up(cast)
        actions.claim(seat=cast.agent.seat, conversation_id=conversation.pk)
        mine = listing(cast.agent.seat).groups[1].rows
        assert [(row.id, row.clock.what if row.clock else "") for row in mine] == [
            (str(conversation.pk), "first reply")
        ]
        theirs = listing(cast.owner.seat, tab="team").groups[0].rows
        assert [row.id for row in theirs] == [str(conversation.pk)]
        assert theirs[0].holder == cast.agent.seat


def test_a_long_queue_costs_no_more_queries_than_a_short_one(tenants: Tenants) -> None:
    with tenants.a.inside():
        cast = tenants.a
        seat = cast.agent.seat
        listing(seat)
        with CaptureQueriesContext(connection, ) as few:
            listing(seat)
        for waited in range(40):
            _another(cast, waited=waited)
        with CaptureQueriesContext(connection) as many:
            found = listing(seat)
        assert len(found.groups[0].rows) >= 40
        assert len(many) <= len(few)


# -- words of strangers ----------------------------------------------------------------------------------------------

OWN_TAGS = {
    *("html", "head", "meta", "title", "link", "script", "body", "svg", "defs", "symbol", "path", "circle"),
    *("rect", "use", "a", "nav", "span", "ul", "li", "div", "button", "b", "form", "input", "main", "h1", "h2"),
    *("h3", "section", "header", "p", "details", "summary", "small", "time", "bdi", "ol", "footer", "textarea"),
    *("dl", "dt", "dd", "dialog", "label", "template", "i", "strong", "em", "code", "pre", "br", "blockquote"),
}


# A picture that somebody sent: ours to serve, under its number.
OWN_PICTURE = re.compile(r"/live/attachment/[0-9a-f-]{36}/")


def leaks(page: str) -> list[str]:
    """Nodes, handlers, styles and addresses that no template of ours writes."""
    found = []
    for node in parser.fromstring(page).iter():
        if not isinstance(node.tag, str):
            continue
        own_picture = node.tag == "img" and OWN_PICTURE.fullmatch(node.get("src", ""))
        if node.tag not in OWN_TAGS and not own_picture:
            found.append(node.tag)
        if node.tag == "script" and (node.text or not node.get("src", "").startswith("/static/")):
            found.append("script")
        found += [f"{node.tag}[{name}]" for name in node.attrib if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            address = node.get(name)
            if address is not None and urlsplit(address).scheme not in {"", "http", "https", "mailto"}:
                found.append(address)
            if address is not None and address.startswith("//"):
                found.append(address)
    return found


@pytest.mark.parametrize(
    "planted",
    [
        "<img src=x>",
        "<img src=/live/attachment/../x>",
        "<img src=//evil.example/live/attachment/>",
        "<p onclick=x>",
        "<p style=x>",
        "<a href='javascript:x'>y</a>",
        "<script>x</script>",
    ],
)
def test_the_leak_detector_sees_what_it_is_for(planted: str) -> None:
    assert leaks(f"<html><body>{planted}</body></html>") != []


def _poison(cast: Cast, payload: str, sender: str) -> None:
    conversation = Conversation.objects.get(pk=cast.thread.conversation_id)
    for number, text in enumerate(PAYLOADS):
        conversation.last_seq += 1
        data: dict[str, Any] = {}
        if sender == "ai":
            data = {"citations": [{"n": 1, "title": text, "heading": text, "url": text}], "confidence": 0.5}
        Message.objects.create(
            conversation=conversation,
            episode_id=cast.thread.episode_id,
            seq=conversation.last_seq,
            sender=sender,
            kind=Message.Kind.NOTE if sender == "agent" and number % 2 else Message.Kind.TEXT,
            sender_key=sender,
            sender_name=payload,
            text=text,
            data=data,
        )
    conversation.page_url = conversation.page_title = payload
    conversation.pages = [{"url": payload, "title": payload, "at": timezone.now().isoformat()}]
    conversation.save(update_fields=["last_seq", "page_url", "page_title", "pages"])
    file = Message.objects.get(conversation=conversation, kind="file")
    file.text, file.data = payload, {"attachment": {**file.data["attachment"], "name": payload}}
    file.save(update_fields=["text", "data"])
    Visitor.objects.filter(pk=conversation.visitor_id).update(name=payload[:120], email=payload[:200])
    passage = {"title": payload, "heading": payload, "url": payload, "text": payload, "score": 0.4}
    Handoff.objects.filter(pk=cast.thread.handoff_id).update(
        question=payload, reason=payload[:300], evidence={"confidence": 0.2, "passages": [passage]}
    )
    Seat.objects.filter(pk=cast.owner.seat_id).update(name=payload[:120])


@pytest.mark.parametrize("sender", ["visitor", "ai", "agent"])
@pytest.mark.parametrize(
    "payload",
    ['"><img src=x onerror=alert(1)>', "javascript:alert(1)//' onclick='x"],
)
def test_hostile_words_stay_words_on_every_page(tenants: Tenants, sender: str, payload: str) -> None:
    cast = tenants.a
    cast.run(_poison, cast, payload, sender)
    client = cast.client(cast.owner)
    for path in [*paths(cast.thread.conversation_id), "/live/queue/?q=alert", "/live/?tab=leads"]:
        page = client.get(path).content.decode()
        assert "alert(1)" in page or "onclick" in page, path
        assert leaks(page) == [], path


def test_an_answers_marks_lead_to_its_sources_and_other_brackets_stay(tenants: Tenants) -> None:
    with tenants.a.inside():
        cast = tenants.a
        conversation = Conversation.objects.get(pk=cast.thread.conversation_id)
        conversation.last_seq += 1
        conversation.save(update_fields=["last_seq"])
        citations = [{"n": 1, "title": "Returns", "heading": "Limit", "url": "https://h.example/r"}]
        Message.objects.create(
            conversation=conversation,
            episode_id=cast.thread.episode_id,
            seq=conversation.last_seq,
            sender="ai",
            sender_key="ai",
            text="Thirty days. [1] See [2] and [link](https://evil.test/).",
            data={"citations": citations, "confidence": 0.9, "turn": 7},
        )
        line = transcript(conversation, cast.agent.seat).lines[-1]
        nodes = parser.fragment_fromstring(str(line.html), create_parent="div")
        assert [(a.get("href"), a.text_content()) for a in nodes.iter("a")] == [("https://h.example/r", "Source 1")]
        assert "See [2] and link." in nodes.text_content()
        assert (line.turn, line.citations[0].words) == (7, "Returns › Limit")


def test_an_erased_message_is_gone_and_an_edited_one_shows_its_new_words(tenants: Tenants) -> None:
    with tenants.a.inside():
        cast = tenants.a
        conversation = Conversation.objects.get(pk=cast.thread.conversation_id)
        first, third = conversation.messages.order_by("seq")[0], conversation.messages.order_by("seq")[2]
        Message.objects.filter(pk=first.pk).update(text="")
        for event, target, text in (("erased", first.seq, ""), ("edited", third.seq, "Let me ask anew")):
            conversation.last_seq += 1
            Message.objects.create(
                conversation=conversation,
                episode_id=cast.thread.episode_id,
                seq=conversation.last_seq,
                sender="visitor",
                kind="event",
                sender_key="visitor",
                event=event,
                target=target,
                text=text,
            )
        conversation.save(update_fields=["last_seq"])
        lines = {line.seq: line for line in transcript(conversation, cast.agent.seat).lines}
        assert (lines[first.seq].erased, lines[first.seq].html) == (True, "<p></p>")
        assert (lines[third.seq].edited, lines[third.seq].html) == (True, "<p>Let me ask anew</p>")
        assert conversation.last_seq not in lines
