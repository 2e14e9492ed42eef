"""From a visitor's words to people, through real rows: what calls them, what does not, and what is kept of why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chat import actions, moods, turns
from chat.models import Conversation, Episode, Handoff, Message, Turn
from knowledge import embed
from knowledge.models import Chunk, Document
from livesupport.models import Availability, Lead
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants

REFUND_PAGE = "How long refunds take", "We pay refunds within 14 days of receiving the lamp, to the card you paid with."
REFUND_QUESTION = "How long do refunds take?"


@pytest.fixture
def shop(tenants: Tenants) -> Any:
    """Tenant a, with an agent who is there."""
    with tenants.a.inside():
        Availability.objects.update_or_create(
            seat_id=tenants.a.agent.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": timezone.now()}
        )
        yield tenants.a


def settings(cast: Cast, **values: Any) -> None:
    Project.objects.filter(pk=cast.project_id).update(**values)


def opened(cast: Cast, language: str = "en") -> Conversation:
    session = actions.open_session(project=cast.project_key, token=None, language=language)
    return Conversation.objects.get(pk=session.conversation_id)


def say(conversation: Conversation, text: str) -> Turn | None:
    """The visitor writes, and the worker does what there is to do."""
    actions.post_as_visitor(conversation_id=conversation.pk, draft=actions.Draft(text, uuid4()))
    message = Message.objects.filter(conversation=conversation, sender="visitor").order_by("-seq")[0]
    turn = Turn.objects.filter(message=message).first()
    if turn is not None:
        turns.run(turn.pk)
        turn.refresh_from_db()
    return turn


def handoff(conversation: Conversation) -> Handoff | None:
    return Handoff.objects.filter(conversation=conversation).first()


def last(conversation: Conversation) -> Message:
    return Message.objects.filter(conversation=conversation).order_by("-seq")[0]


def know(cast: Cast, title: str, text: str) -> None:
    """A page of the project, read by the real embedder."""
    document = Document.objects.get(pk=cast.document_id)
    page = Document.objects.create(
        source=document.source, project=document.project, run=document.run,
        url=f"{document.url}/{title}", title=title, language="en", words=20, is_live=True,
    )  # fmt: skip
    Chunk.objects.create(
        document=page, project=document.project, position=1, heading=title, text=text, tokens=30,
        language="en", engine=embed.engine_id(), embedding=embed.chunk_vector(title, text), is_live=True,
    )  # fmt: skip


def without_content(cast: Cast) -> None:
    Chunk.objects.filter(pk__in=cast.chunk_ids).update(is_live=False)


def test_anger_calls_a_person_and_says_why(shop: Cast) -> None:
    conversation = opened(shop)
    turn = say(conversation, "This is a scam, you are all thieves! Worst service ever!!")
    found = handoff(conversation)
    conversation.refresh_from_db()
    assert turn is not None
    assert found is not None
    assert (found.trigger, conversation.owner) == (Handoff.Trigger.MOOD, Conversation.Owner.QUEUE)
    assert found.reason.startswith("Mood at -0.")
    assert "furious words" in found.reason
    assert (
        last(conversation).text == "A person should take this. I'm bringing one in; they can see everything you wrote."
    )
    assert turn.decision["rule"] == "mood"
    assert turn.decision["inputs"]["rules"]["mood_threshold"] == -0.4


def test_the_sentence_is_in_the_language_of_the_message(shop: Cast) -> None:
    conversation = opened(shop)
    say(conversation, "Das ist eine Frechheit und Betrug, ich bin stinksauer!")
    assert handoff(conversation) is not None
    assert last(conversation).text.startswith("Das sollte ein Mensch übernehmen.")


def test_a_mood_that_falls_is_told_as_a_fall(shop: Cast) -> None:
    conversation = opened(shop)
    for text in (
        "Thank you, that is great",
        "Hm, where is the lamp made?",
        "Your answers are terrible, this is a scam",
    ):
        say(conversation, text)
    found = handoff(conversation)
    assert found is not None
    assert found.reason.startswith("Mood fell from 0.6 to -0.4 over 3 messages (furious words")
    kept = Message.objects.filter(conversation=conversation, sender="visitor").order_by("seq")
    assert [message.mood is not None for message in kept] == [True, True, True]


@pytest.mark.parametrize(
    "values", [{"mood_enabled": False}, {"mood_threshold": -1.0}], ids=["switched off", "threshold below"]
)
def test_anger_calls_nobody_where_the_project_does_not_want_it(shop: Cast, values: dict[str, Any]) -> None:
    settings(shop, **values)
    conversation = opened(shop)
    say(conversation, "Your answers are terrible, this is a scam")
    assert handoff(conversation) is None
    assert last(conversation).kind == Message.Kind.TEXT


def test_twice_no_help_is_frustration(shop: Cast) -> None:
    conversation = opened(shop)
    say(conversation, "How do I hang the lamp?")
    say(conversation, "That did not help")
    assert handoff(conversation) is None
    say(conversation, "Thanks, but where is the hook?")
    say(conversation, "That doesn't help me either")
    found = handoff(conversation)
    assert found is not None
    assert (found.trigger, found.reason) == (Handoff.Trigger.MOOD, "Said twice that the answer did not help")


def test_the_same_question_for_the_third_time_is_frustration(shop: Cast) -> None:
    conversation = opened(shop)
    for text in ("How do I hang the Garinish lamp?", "How can I hang the Garinish lamp?"):
        say(conversation, text)
        assert handoff(conversation) is None
    turn = say(conversation, "How should I hang the Garinish lamp?")
    found = handoff(conversation)
    assert turn is not None
    assert found is not None
    assert found.reason == "Asked the same three times"
    assert turn.decision["inputs"]["earlier"][0]["alike"] > 0.92


def test_a_critical_question_that_the_content_does_not_answer_calls_a_person(shop: Cast) -> None:
    without_content(shop)
    conversation = opened(shop)
    turn = say(conversation, "I was charged twice for my order, what now?")
    found = handoff(conversation)
    assert turn is not None
    assert found is not None
    assert found.trigger == Handoff.Trigger.WEAK_EVIDENCE
    assert found.reason == "Billing dispute, evidence 0.00 < 0.55"
    assert last(conversation).text == "That needs a person. I'm bringing one in; they can read all of this."


def test_a_critical_question_that_the_content_answers_is_answered(shop: Cast) -> None:
    without_content(shop)
    know(shop, *REFUND_PAGE)
    conversation = opened(shop)
    turn = say(conversation, REFUND_QUESTION)
    assert turn is not None
    assert turn.confidence is not None
    assert turn.confidence >= 0.55
    assert "refund" in turn.decision["scores"]["topics"]
    assert handoff(conversation) is None
    assert "14 days" in last(conversation).text
    (source,) = last(conversation).data["citations"]
    assert source["title"] == REFUND_PAGE[0]
    assert source["url"].endswith(REFUND_PAGE[0])


@pytest.mark.parametrize(
    "values", [{"weak_evidence_enabled": False}, {"evidence_threshold": 0.0}], ids=["switched off", "threshold below"]
)
def test_weak_evidence_calls_nobody_where_the_project_does_not_want_it(shop: Cast, values: dict[str, Any]) -> None:
    without_content(shop)
    settings(shop, **values)
    conversation = opened(shop)
    say(conversation, REFUND_QUESTION)
    assert handoff(conversation) is None


def test_weak_evidence_without_a_critical_topic_calls_nobody(shop: Cast) -> None:
    without_content(shop)
    conversation = opened(shop)
    say(conversation, "Which colours does the lamp come in?")
    assert handoff(conversation) is None
    assert last(conversation).data["outcome"] == "unknown"


def test_a_long_calm_conversation_calls_nobody(shop: Cast) -> None:
    conversation = opened(shop)
    subjects = ("the bulb", "the plug", "the shade", "the hook", "the box", "the cable", "the colour", "the weight")
    for number, subject in enumerate((*subjects, "the switch", "the base", "the glass", "the price", "the invoice")):
        say(conversation, f"{('What about', 'Tell me more about', 'And where is')[number % 3]} {subject}?")
    assert handoff(conversation) is None
    assert Message.objects.filter(conversation=conversation, sender="ai").count() == 13


def test_a_word_of_the_project_that_asks_for_a_person_hands_over_at_once(shop: Cast) -> None:
    settings(shop, keywords=[{"word": "Showroom visit", "kind": "person"}])
    conversation = opened(shop)
    assert say(conversation, "Can I book a SHOWROOM-VISIT on Friday?") is None
    found = handoff(conversation)
    assert found is not None
    assert (found.trigger, found.reason) == (Handoff.Trigger.KEYWORD, "Used your keyword “Showroom visit”")
    assert say(opened(shop), "Do you have showroom visitors?") is not None


def test_whoever_asks_for_a_person_reads_one_short_sentence_and_nothing_else(shop: Cast) -> None:
    conversation = opened(shop)
    assert say(conversation, "Let me talk to a human") is None
    told = Message.objects.filter(conversation=conversation).exclude(sender="visitor")
    assert [message.text for message in told] == ["Got it. I'm bringing in a teammate."]


@pytest.mark.parametrize(
    "values",
    [
        {"keywords": [{"word": "warranty claim", "kind": "critical"}]},
        {"topics": [{"name": "warranty claim", "keywords": ["warranty claim", "broken glass"]}]},
    ],
    ids=["critical word", "own topic"],
)
def test_a_critical_matter_of_the_project_needs_weak_evidence_too(shop: Cast, values: dict[str, Any]) -> None:
    settings(shop, **values)
    without_content(shop)
    conversation = opened(shop)
    say(conversation, "I have a warranty claim")
    found = handoff(conversation)
    assert found is not None
    assert found.reason == "“warranty claim” question, evidence 0.00 < 0.55"
    know(shop, "Making a warranty claim", "For a warranty claim, send us a photo of the lamp and your invoice.")
    other = opened(shop)
    say(other, "How do I make a warranty claim?")
    assert handoff(other) is None


def test_with_nobody_there_the_upset_are_told_once_and_then_answered(shop: Cast) -> None:
    Availability.objects.all().delete()
    conversation = opened(shop)
    say(conversation, "This is a scam, you are all thieves!")
    found = handoff(conversation)
    assert found is not None
    assert (found.state, last(conversation).event) == (Handoff.State.STANDING, "standing")
    say(conversation, "You thieves, where is my lamp?")
    assert last(conversation).kind == Message.Kind.TEXT
    assert Handoff.objects.filter(conversation=conversation).count() == 1


def test_who_comes_back_from_a_person_starts_afresh(shop: Cast) -> None:
    conversation = opened(shop)
    say(conversation, "This is a scam, you are all thieves!")
    actions.claim_conversation(conversation_id=conversation.pk, seat=shop.agent.seat)
    actions.hand_back_conversation(conversation_id=conversation.pk, seat=shop.agent.seat)
    say(conversation, "It is a bit annoying, but where is the invoice?")
    conversation.refresh_from_db()
    assert conversation.owner == Conversation.Owner.AI
    assert last(conversation).kind == Message.Kind.TEXT


def test_what_is_written_to_people_is_judged_after(shop: Cast, on_commit: Callable[[], Any]) -> None:
    conversation = opened(shop)
    say(conversation, "Let me talk to a human")
    actions.claim_conversation(conversation_id=conversation.pk, seat=shop.agent.seat)
    say(conversation, "Thank you, you are wonderful!")
    assert last(conversation).mood is None
    moods.catch_up(last(conversation).pk)
    moods.catch_up(last(conversation).pk)
    kept = list(Message.objects.filter(conversation=conversation, sender="visitor").order_by("seq"))
    assert kept[0].mood == 0
    assert kept[1].mood is not None
    assert kept[1].mood > 0.3


def test_a_conversation_that_ends_in_anger_is_unresolved(shop: Cast) -> None:
    settings(shop, mood_enabled=False)
    know(shop, *REFUND_PAGE)
    conversation = opened(shop)
    say(conversation, REFUND_QUESTION)
    say(conversation, "You are thieves. " + REFUND_QUESTION)
    assert last(conversation).data["outcome"] == "reply"
    Episode.objects.filter(conversation=conversation).update(last_message_at=timezone.now() - timedelta(hours=1))
    actions.end_idle_episodes()
    assert Episode.objects.get(conversation=conversation).outcome == Episode.Outcome.UNRESOLVED


def test_a_partnership_offer_becomes_a_lead_where_the_project_wants_that(shop: Cast) -> None:
    settings(shop, triage={"partnership": "lead"})
    conversation = opened(shop)
    offer = "We would like to become a reseller of your lamps"
    say(conversation, offer)
    asked = last(conversation)
    assert (asked.event, asked.data["ask_email"], asked.sender) == ("contact_asked", True, "ai")
    assert asked.text == "Thank you. Leave an e-mail address and a person will write to you."
    assert handoff(conversation) is None
    actions.leave_contact(conversation_id=conversation.pk, email="rita@trade.example")
    assert Lead.objects.get(conversation=conversation).question == offer
    say(conversation, "As a reseller, which lamps do you suggest?")
    assert last(conversation).kind == Message.Kind.TEXT


def test_by_default_a_partnership_offer_is_answered(shop: Cast) -> None:
    conversation = opened(shop)
    turn = say(conversation, "We would like to become a reseller of your lamps")
    assert turn is not None
    assert turn.decision["scores"]["triage"] == "partnership"
    assert last(conversation).kind == Message.Kind.TEXT


def test_triage_never_stands_before_a_wish_for_a_person(shop: Cast) -> None:
    settings(shop, triage={"partnership": "lead", "sales": "lead"})
    conversation = opened(shop)
    say(conversation, "I want to become a reseller, let me talk to a human please")
    found = handoff(conversation)
    assert found is not None
    assert found.trigger == Handoff.Trigger.REQUEST


def test_a_known_address_becomes_a_lead_at_once(shop: Cast) -> None:
    settings(shop, triage={"press": "lead"})
    conversation = opened(shop)
    actions.leave_contact(conversation_id=conversation.pk, email="pat@paper.example")
    Message.objects.filter(conversation=conversation, event="contact_left").delete()
    say(conversation, "I am a journalist writing an article about lamps")
    assert last(conversation).data["ask_email"] is False
    assert last(conversation).text == "Thank you. A person will write to pat@paper.example."
    assert Lead.objects.filter(conversation=conversation, question__startswith="I am a journalist").exists()
