"""`ask`: the answer of a live turn, without a turn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import actions, turns
from chat.models import Conversation, Message, Turn
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.chat.test_turns import say
from tests.conftest import Tenants
from tests.fakes.openai_server import MODEL, FakeOpenAI, Fault, Reply
from tests.knowledge.asking import KEY, read_site, run
from tests.knowledge.web import Web, serving

QUESTION = "How long may I send a lamp back?"


@pytest.fixture
def web(settings: Any) -> Iterator[Web]:
    with serving() as server:
        settings.CRAWL_ALLOW_PRIVATE = frozenset({server.host})
        yield server


@pytest.fixture
def shop(tenants: Tenants, web: Web) -> Cast:
    with tenants.a.inside() as cast:
        read_site(cast, web)
    return cast


@pytest.fixture
def fake(shop: Cast, settings: Any) -> Iterator[FakeOpenAI]:
    """The operator's model, which answers for the project."""
    with FakeOpenAI() as server:
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "sk-op", server.base_url, MODEL
        shop.run(lambda: Project.objects.filter(key=KEY).update(answerer="openai"))
        yield server


def test_an_answer_comes_with_its_sources_and_what_it_was_found_in(shop: Cast, web: Web) -> None:
    found = run("ask", QUESTION, "--json", host=shop.host).json
    assert "within thirty days of delivery" in found["answer"]
    assert found["kind"] == "reply"
    first = found["citations"][0]
    assert (first["url"], first["title"]) == (f"{web.url}/help/returns", "Returns")
    cited = found["passages"][first["n"] - 1]
    assert (cited["n"], cited["url"], cited["title"]) == (first["n"], first["url"], first["title"])
    assert 0 < found["confidence"] <= 1
    assert found["milliseconds"] > 0
    assert found["fallback"] == ""


def test_it_is_what_a_visitor_of_the_project_is_told(shop: Cast) -> None:
    told = run("ask", QUESTION, "--json", host=shop.host).json
    with shop.inside():
        session = actions.open_session(project=KEY, token=None, language="en")
        conversation = Conversation.objects.get(pk=session.conversation_id)
        turn = say(conversation, QUESTION)
        turns.run(turn.pk)
        done = Turn.objects.get(pk=turn.pk)
        said = Message.objects.filter(conversation=conversation, sender=Message.Sender.AI).latest("seq")
    assert (said.text, said.data["citations"]) == (told["answer"], told["citations"])
    assert done.confidence == pytest.approx(told["confidence"], abs=1e-4)
    assert [one["text"] for one in done.evidence["passages"]] == [one["text"] for one in told["passages"]]


def test_nothing_is_written(shop: Cast) -> None:
    with CaptureQueriesContext(connection) as seen:
        run("ask", "I want to talk to a human about a refund", host=shop.host)
    assert seen.captured_queries
    said = [one["sql"].strip() for one in seen.captured_queries]
    assert not [sql for sql in said if not sql.startswith(("SELECT", "WITH", "SET ", "SAVEPOINT", "RELEASE"))]
    assert not [sql for sql in said if re.search(r"\b(INSERT|UPDATE|DELETE)\b", sql)]


def test_people_read_the_answer_then_its_source_then_the_passages(shop: Cast, web: Web) -> None:
    lines = run("ask", QUESTION, host=shop.host).out.splitlines()
    source = next(line for line in lines if line.startswith("[1]"))
    assert f"Returns  {web.url}/help/returns" in source
    assert any(line.startswith("reply, confidence 0.") for line in lines)
    assert any(line.startswith("1. 0.") for line in lines)


def test_small_talk_needs_no_source(shop: Cast) -> None:
    found = run("ask", "thank you!", "--json", host=shop.host).json
    assert (found["kind"], found["citations"]) == ("reply", [])


def test_the_projects_model_answers(shop: Cast, fake: FakeOpenAI) -> None:
    quote = {"passage": 1, "text": "You can send a lamp back within thirty days of delivery."}
    said = {"quotes": [quote], "kind": "reply", "text": "Thirty days from the delivery. [1]"}
    fake.script(Reply(json.dumps(said)))
    found = run("ask", QUESTION, "--json", host=shop.host).json
    assert "Thirty days from the delivery. [1]" in found["answer"]
    assert ([source["n"] for source in found["citations"]], found["fallback"]) == ([1], "")
    assert QUESTION in str(fake.prompts[0])


def test_a_model_that_has_nothing_to_quote_lowers_the_confidence(shop: Cast, fake: FakeOpenAI) -> None:
    shop.run(lambda: Project.objects.filter(key=KEY).update(answerer="extractive"))
    searched = run("ask", QUESTION, "--json", host=shop.host).json
    shop.run(lambda: Project.objects.filter(key=KEY).update(answerer="openai"))
    fake.script(Reply(json.dumps({"quotes": [], "kind": "unknown", "text": ""})))
    found = run("ask", QUESTION, "--json", host=shop.host).json
    assert (found["kind"], found["citations"]) == ("unknown", [])
    assert found["confidence"] < searched["confidence"]


def test_the_pages_stand_in_for_a_model_that_fails_where_they_are_good_enough(shop: Cast, fake: FakeOpenAI) -> None:
    fake.script(Reply(fault=Fault.UNAUTHORIZED))
    shop.run(lambda: Project.objects.filter(key=KEY).update(evidence_threshold=0.0))
    found = run("ask", QUESTION, "--json", host=shop.host).json
    assert "within thirty days of delivery" in found["answer"]
    assert found["fallback"] == "model_key"
    assert shop.run(lambda: Project.objects.get(key=KEY).model_problem) == ""


def test_a_model_that_fails_ends_the_command_where_they_are_not(shop: Cast, fake: FakeOpenAI) -> None:
    fake.script(Reply(fault=Fault.UNAUTHORIZED))
    shop.run(lambda: Project.objects.filter(key=KEY).update(evidence_threshold=1.0))
    with pytest.raises(CommandError, match="^model_key: "):
        run("ask", QUESTION, host=shop.host)


@pytest.mark.parametrize("question", ["", "  \n"])
def test_no_question_is_refused(shop: Cast, question: str) -> None:
    with pytest.raises(CommandError, match="^question_empty: "):
        run("ask", question, host=shop.host)
