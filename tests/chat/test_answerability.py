"""What a model could quote decides how a turn ends, what its evidence is worth, and whether people are called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat import turns
from chat.actions.episodes import outcome_of
from chat.events import AnswerGiven
from chat.models import Conversation, Handoff, Message, Turn
from insights.listeners import note_gap
from insights.models import GapQuestion
from knowledge.answers import Patience
from knowledge.answers.phrases import phrase
from tests.cast import Cast
from tests.chat.model_stage import answered_by
from tests.chat.test_judgement_turns import REFUND_PAGE, REFUND_QUESTION, know
from tests.chat.test_turns import opened, said, say
from tests.conftest import Tenants
from tests.fakes.openai_server import FakeOpenAI, responding

QUOTE = (1, REFUND_PAGE[1])
CALM_QUESTION = "How long is the lamp's cable?"


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def shop(tenants: Tenants, fake: FakeOpenAI, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cast]:
    """Tenant a with an agent who is there, two pages, and a model."""
    monkeypatch.setattr(turns, "patience_of", lambda job, now: Patience(1, 2, 1, 3))
    with answered_by(fake, tenants.a, settings):
        know(tenants.a, "How long the cable is", "The cable of the lamp is two metres long.")
        yield tenants.a


def ask(cast: Cast, text: str) -> tuple[Conversation, Turn]:
    conversation = opened(cast)
    turn = say(conversation, text)
    turns.run(turn.pk)
    turn.refresh_from_db()
    return conversation, turn


def test_a_quote_raises_what_the_evidence_is_worth_and_is_kept_beside_the_searchs_own(
    shop: Cast, fake: FakeOpenAI
) -> None:
    fake.default = responding("In 14 days [1].", QUOTE)
    conversation, turn = ask(shop, REFUND_QUESTION)
    assert said(conversation) == ["In 14 days [1]."]
    assert turn.confidence is not None
    assert 0.55 < turn.evidence["retrieval"] < turn.confidence < 1
    assert turn.evidence["confidence"] == turn.confidence
    assert turn.evidence["quotes"] == [{"n": 1, "text": REFUND_PAGE[1]}]
    message = Message.objects.get(conversation=conversation, sender="ai", kind="text")
    assert message.data["confidence"] == turn.confidence
    assert [source["n"] for source in message.data["citations"]] == [1]


def test_a_critical_question_without_a_quote_goes_to_people_with_the_evidence(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = responding(kind="unknown")
    conversation, turn = ask(shop, REFUND_QUESTION)
    found = Handoff.objects.get(conversation=conversation)
    assert found.trigger == Handoff.Trigger.WEAK_EVIDENCE
    assert turn.confidence is not None
    assert found.reason == f"Refund question, evidence {turn.confidence:.2f} < 0.55"
    assert found.evidence["confidence"] == turn.confidence <= 0.2 < 0.55 <= found.evidence["retrieval"]
    assert found.evidence["passages"]
    assert (turn.decision["rule"], turn.decision["scores"]["confidence"]) == ("weak_evidence", turn.confidence)
    assert said(conversation) == []
    assert turn.first_words_at is None  # nobody read that the pages do not say


def test_a_promise_instead_of_an_answer_goes_to_people_too(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = responding("I have refunded you [1].", QUOTE)
    conversation, _ = ask(shop, REFUND_QUESTION)
    assert Handoff.objects.get(conversation=conversation).trigger == Handoff.Trigger.WEAK_EVIDENCE
    assert said(conversation) == []


def test_any_other_question_without_a_quote_is_not_known_and_is_a_gap(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = responding("Ninety metres [1].", (1, "The cable is ninety metres long."))
    conversation, turn = ask(shop, CALM_QUESTION)
    message = Message.objects.get(conversation=conversation, sender="ai", kind="text")
    assert (message.text, message.data["outcome"]) == (phrase("en", "unknown"), "unknown")
    assert not Handoff.objects.filter(conversation=conversation).exists()
    note_gap(AnswerGiven(turn.pk, str(conversation.pk), message.pk, "unknown", turn.confidence or 0.0, False))
    # What a later search is compared with is the search's own.
    assert GapQuestion.objects.get(turn=turn).confidence == turn.evidence["retrieval"]


def test_a_question_back_is_neither_an_answer_nor_a_gap(shop: Cast, fake: FakeOpenAI) -> None:
    fake.script(responding("Which lamp do you mean?", kind="clarify"), responding("Two metres? [1]", QUOTE))
    conversation, turn = ask(shop, CALM_QUESTION)
    message = Message.objects.get(conversation=conversation, sender="ai", kind="text")
    assert (message.text, message.data["outcome"]) == ("Which lamp do you mean?", "clarify")
    assert turn.state == Turn.State.DONE
    note_gap(AnswerGiven(turn.pk, str(conversation.pk), message.pk, "clarify", 0.1, False))
    assert not GapQuestion.objects.filter(turn=turn).exists()
    assert outcome_of(rating=None, standing=False, last_outcome="clarify") == "unresolved"
    assert outcome_of(rating=5, standing=False, last_outcome="clarify") == "unresolved"


def test_the_model_may_call_a_person(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = responding(kind="handoff")
    conversation, turn = ask(shop, CALM_QUESTION)
    found = Handoff.objects.get(conversation=conversation)
    assert (found.trigger, found.reason) == (Handoff.Trigger.REQUEST, "The AI called a person")
    assert "retrieval" not in turn.evidence
