"""A question that leans on the one before is answered from what both are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from chat import turns
from chat.models import Conversation, Handoff, Turn
from knowledge.answers import Patience, openai_model
from knowledge.search import Evidence, search
from livesupport.models import Availability
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.chat.test_judgement_turns import know, without_content
from tests.chat.test_turns import opened, said, say
from tests.conftest import Tenants
from tests.fakes.openai_server import MODEL, FakeOpenAI, Fault, Reply, responding

FIRST = "What does the museum's yearly ticket cost for adults?"
SECOND = "and for students?"
ADULTS = "The yearly ticket of the museum costs 60 euros for adults."
STUDENTS = "Students pay 25 euros for the yearly ticket of the museum."


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    """Tenant a with an agent who is there, and pages on more than tickets."""
    with tenants.a.inside():
        Availability.objects.update_or_create(
            seat_id=tenants.a.agent.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": timezone.now()}
        )
        without_content(tenants.a)
        know(tenants.a, "Yearly tickets", f"{ADULTS}\n{STUDENTS}")
        know(tenants.a, "How long refunds take", "We pay refunds within 14 days of receiving the lamp.")
        know(tenants.a, "Opening hours", "The shop is open from 9 to 18 on weekdays.")
        know(tenants.a, "Courses", "Drawing courses begin every Monday in the small hall.")
        know(tenants.a, "Dogs", "Dogs wait in the garden behind the house.")
        yield tenants.a


def ask(conversation: Conversation, text: str) -> Turn:
    turn = say(conversation, text)
    turns.run(turn.pk)
    turn.refresh_from_db()
    return turn


def test_a_question_that_leans_on_the_one_before_is_searched_for_with_it(shop: Cast) -> None:
    conversation = opened(shop)
    ask(conversation, FIRST)
    turn = ask(conversation, SECOND)
    assert turn.evidence["asked"] == f"{FIRST}\n{SECOND}"
    assert turn.evidence["passages"][0]["title"] == "Yearly tickets"
    assert "25 euros" in said(conversation)[-1]
    assert turn.confidence is not None
    assert turn.confidence > turn.decision["inputs"]["confidence"]


def test_the_first_question_and_one_that_finds_its_page_stand_alone(shop: Cast) -> None:
    assert "asked" not in ask(opened(shop), SECOND).evidence
    conversation = opened(shop)
    ask(conversation, FIRST)
    Project.objects.filter(pk=shop.project_id).update(evidence_threshold=0.0)
    assert "asked" not in ask(conversation, "When are you open?").evidence


def test_what_was_asked_before_hides_no_critical_question(shop: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = opened(shop)
    ask(conversation, FIRST)
    found = search(shop.project_id, FIRST)

    def sure_of_the_first_question(project_id: int, text: str, **more: Any) -> Evidence:
        return replace(found, confidence=0.9 if FIRST in text else 0.2)

    monkeypatch.setattr(turns, "search", sure_of_the_first_question)
    assert ask(conversation, "Is the lamp blue?").confidence == 0.9
    ask(conversation, "How do I close my account?")
    assert Handoff.objects.get(conversation=conversation).reason == "Account closure, evidence 0.20 < 0.55"


@pytest.fixture
def fake(shop: Cast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "sk-op", server.base_url, MODEL
        monkeypatch.setattr(turns, "patience_of", lambda job, now: Patience(1, 2, 1, 3))
        Project.objects.filter(pk=shop.project_id).update(answerer="openai", model_name="", model_key="")
        yield server


REWRITTEN = "What does the museum's yearly ticket cost for students?"


def test_a_model_puts_it_into_words(shop: Cast, fake: FakeOpenAI) -> None:
    fake.script(responding("60 euros [1].", (1, ADULTS)), Reply(f'"{REWRITTEN}"'))
    fake.default = responding("25 euros [1].", (1, STUDENTS))
    conversation = opened(shop)
    ask(conversation, FIRST)
    turn = ask(conversation, SECOND)
    assert turn.evidence["asked"] == REWRITTEN
    assert said(conversation) == ["60 euros [1].", "25 euros [1]."]
    assert ["tools" in call.body for call in fake.calls] == [True, False, True]


@pytest.mark.parametrize("reply", [Reply(fault=Fault.HANG), Reply(fault=Fault.SERVER_ERROR), Reply("no " * 900)])
def test_a_model_that_is_slow_or_broken_at_it_is_not_waited_for(
    shop: Cast, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setattr(openai_model, "_REWRITE_SECONDS", 0.3)
    fake.script(responding("60 euros [1].", (1, ADULTS)), reply)
    fake.default = responding("25 euros [1].", (1, STUDENTS))
    conversation = opened(shop)
    ask(conversation, FIRST)
    assert ask(conversation, SECOND).evidence["asked"] == f"{FIRST}\n{SECOND}"
    assert said(conversation)[-1] == "25 euros [1]."
