"""What a visitor gets when the model or the embedder fails: the pages' own words if they are good, else people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat import turns
from chat.models import Conversation, Handoff, Message, Turn
from knowledge import embed
from knowledge.answers import Patience, openai_model
from knowledge.errors import EmbedFailed
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.chat.model_stage import answered_by
from tests.chat.test_judgement_turns import REFUND_PAGE, REFUND_QUESTION
from tests.chat.test_turns import opened, said, say
from tests.conftest import Tenants
from tests.fakes.openai_server import FakeOpenAI, Fault, Reply, ToolCall, responding, written

QUOTE = (1, REFUND_PAGE[1])
QUICK = Patience(connect=1, first=0.5, between=0.3, total=2)


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def shop(tenants: Tenants, fake: FakeOpenAI, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cast]:
    """Tenant a with an agent who is there, one page, and the operator's model."""
    monkeypatch.setattr(turns, "patience_of", lambda job, now: QUICK)
    with answered_by(fake, tenants.a, settings):
        yield tenants.a


def ask(cast: Cast, text: str) -> Conversation:
    conversation = opened(cast)
    turns.run(say(conversation, text).pk)
    return conversation


def failure(conversation: Conversation) -> str:
    """The reason of the handoff; empty when people were not called."""
    found = Handoff.objects.filter(conversation=conversation, trigger=Handoff.Trigger.FAILURE).first()
    return found.reason if found else ""


def problem(cast: Cast) -> str:
    return Project.objects.get(pk=cast.project_id).model_problem


BEFORE_THE_FIRST_WORD = [
    Fault.UNAUTHORIZED, Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.HANG, Fault.DRIP, Fault.CUT_AT_ONCE,
    Fault.EMPTY, Fault.HTML, Fault.ENORMOUS, Fault.ENORMOUS_ERROR, Fault.PACKED,
]  # fmt: skip


@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_WORD)
def test_a_model_that_fails_before_its_first_word_is_stood_in_for_by_the_pages(
    shop: Cast, fake: FakeOpenAI, fault: Fault
) -> None:
    fake.default = Reply("You have 14 days.", fault=fault)
    conversation = ask(shop, REFUND_QUESTION)
    assert "14 days of receiving the lamp" in said(conversation)[0]
    assert failure(conversation) == ""
    turn = Turn.objects.get(conversation=conversation)
    assert turn.state == Turn.State.DONE
    assert turn.decision["fallback"].startswith("model_")


@pytest.mark.parametrize("fault", [Fault.HANG_AFTER_FIRST, Fault.CUT, Fault.NOT_JSON, Fault.ERROR_EVENT])
def test_a_model_that_fails_in_the_middle_leaves_no_half_answer_and_people_are_called(
    shop: Cast, fake: FakeOpenAI, fault: Fault
) -> None:
    unfinished = written("You have 14 days [1]. They begin on the day on which we receive it", QUOTE)[:-2]
    fake.default = Reply(tools=(ToolCall("respond", unfinished),), fault=fault, fault_after=15)
    conversation = ask(shop, REFUND_QUESTION)
    assert Turn.objects.get(conversation=conversation).first_words_at is not None
    assert said(conversation) == []
    assert failure(conversation).startswith("The AI could not answer: The language model")


def test_without_good_evidence_people_are_called_at_once(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = Reply(fault=Fault.SERVER_ERROR)
    conversation = ask(shop, "Which colours does the lamp come in?")
    assert failure(conversation) == "The AI could not answer: The language model answered with an error."
    last = Message.objects.filter(conversation=conversation).order_by("-seq")[0]
    assert last.event == "handed_over"


def test_a_greeting_needs_no_model(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = Reply(fault=Fault.SERVER_ERROR)
    assert failure(ask(shop, "Hello!")) == ""


def test_nobody_waits_for_a_model_that_is_known_to_hang(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = Reply(fault=Fault.HANG)
    for _ in range(5):
        assert "14 days" in said(ask(shop, REFUND_QUESTION))[0]
    assert len(fake.calls) == 3
    codes = [turn.decision["fallback"] for turn in Turn.objects.filter(state="done").order_by("pk") if turn.decision]
    assert codes[-2:] == ["model_resting"] * 2


def test_a_refused_key_is_told_to_the_team_until_an_answer_comes(shop: Cast, fake: FakeOpenAI, settings: Any) -> None:
    fake.script(Reply(fault=Fault.UNAUTHORIZED), responding("In 14 days [1].", QUOTE))
    ask(shop, REFUND_QUESTION)
    assert problem(shop) == "The language model does not accept our key."
    settings.OPENAI_API_KEY = "sk-another"
    assert said(ask(shop, REFUND_QUESTION)) == ["In 14 days [1]."]
    assert problem(shop) == ""


def test_trouble_that_passes_by_itself_is_no_problem_of_the_settings(shop: Cast, fake: FakeOpenAI) -> None:
    fake.default = Reply(fault=Fault.OVERLOADED)
    ask(shop, REFUND_QUESTION)
    assert problem(shop) == ""


def test_a_turn_that_was_overtaken_leaves_the_model_at_once(
    shop: Cast, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_model, "_TICK_SECONDS", 0.02)
    conversation = opened(shop)
    first = say(conversation, REFUND_QUESTION)

    def once(**named: Any) -> turns.Word:
        return turns.Word.STOP

    fake.default = responding("In 14 days [1].", QUOTE, first_seconds=0.3)
    monkeypatch.setattr(turns.actions, "keep_turn", once)
    turns.run(first.pk)
    assert said(conversation) == []
    assert failure(conversation) == ""


@pytest.mark.parametrize("code", ["embedder_failed", "embedder_hangs"])
def test_an_embedding_outage_calls_people_with_its_reason(
    shop: Cast, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def down(text: str) -> None:
        raise EmbedFailed(code, "The meaning of a text could not be read: the embedder fails.")

    monkeypatch.setattr(embed, "embed_query", down)
    conversation = ask(shop, REFUND_QUESTION)
    assert failure(conversation) == (
        "The AI could not answer: The meaning of a text could not be read: the embedder fails."
    )


def test_asking_for_a_person_needs_no_embedder(shop: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: object) -> None:
        raise AssertionError("the embedder was asked")

    monkeypatch.setattr(embed, "_embed", down)
    conversation = opened(shop)
    say_only(conversation, "I want to talk to a human")
    found = Handoff.objects.get(conversation=conversation)
    assert (found.trigger, found.state) == (Handoff.Trigger.REQUEST, Handoff.State.WAITING)
    assert not Turn.objects.filter(conversation=conversation).exists()


def say_only(conversation: Conversation, text: str) -> None:
    turns.actions.post_as_visitor(conversation_id=conversation.pk, draft=turns.actions.Draft(text))
