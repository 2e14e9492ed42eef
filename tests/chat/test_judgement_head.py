"""The trained head: that it is what its lines give, when it is heard, and that it brings a visitor to people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from chat import actions, turns
from chat.judgement import lexicon
from chat.judgement.decision import REQUEST, Facts, assess
from chat.judgement.head import scoring
from chat.judgement.head.train import Line, lines_of, train
from chat.judgement.rules import Rules
from chat.models import Conversation, Handoff, Message, Turn
from knowledge import embed
from livesupport.models import Availability
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants

WISHES = [
    "I would like one of your folks to take this conversation over",
    "Hoffwn gael sgwrs gyda pherson go iawn",
    "Ndingathanda ukuthetha nomntu wokwenyani",
    "Mi preferus paroli kun vera homo anstataŭ kun maŝino",
]


def judged(text: str, **values: Any) -> Any:
    return assess(replace(Facts(text, vector=embed.embed_query(text)), **values))


@pytest.fixture
def no_phrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A product that knows no phrase of any language."""
    monkeypatch.setattr(lexicon, "FOLDER", tmp_path)
    lexicon.lexicon.cache_clear()
    yield
    monkeypatch.undo()
    lexicon.lexicon.cache_clear()


def few() -> tuple[list[Line], np.ndarray[Any, np.dtype[np.float64]]]:
    """Some lines of three languages, with their vectors."""
    lines = [line for line in lines_of() if line.language in {"cy", "sw", "xh"}]
    return lines, np.array([embed.embed_query(line.text) for line in lines], dtype=np.float64)


def test_the_same_lines_give_the_same_file() -> None:
    lines, vectors = few()
    first = train(lines, vectors, space="s")
    assert train(lines, vectors.copy(), space="s") == first
    turned = [replace(line, asks=not line.asks) for line in lines]
    assert train(turned, vectors, space="s") != first


def test_a_fit_tells_its_own_lines_apart() -> None:
    lines, vectors = few()
    fit = scoring.parse(train(lines, vectors, space="s"))
    chances = [fit.probability(vector.astype(np.float32)) for vector in vectors]
    asks = [chance for chance, line in zip(chances, lines, strict=True) if line.asks]
    calm = [chance for chance, line in zip(chances, lines, strict=True) if not line.asks]
    assert min(asks) > max(calm)


def test_the_file_fits_the_embedder_and_is_small() -> None:
    assert scoring.head().space == embed.SPACE
    assert scoring.FILE.stat().st_size < 10_000
    assert 0.5 <= scoring.head().threshold < 1


def test_the_lines_are_many_and_of_many_languages() -> None:
    lines = lines_of()
    languages = {line.language for line in lines}
    assert len(languages) >= 60
    assert all({line.asks for line in lines if line.language == one} == {True, False} for one in languages)


@pytest.mark.parametrize("content", ["no tab\n", "text\t2\n", "\t1\n", "a\t1\na\t0\n"])
def test_a_line_that_is_none_is_refused_by_place(content: str, tmp_path: Path) -> None:
    (tmp_path / "xx.tsv").write_text(content)
    with pytest.raises(ValueError, match=r"xx\.tsv:[12]"):
        lines_of(tmp_path)


@pytest.mark.usefixtures("no_phrases")
@pytest.mark.parametrize("text", WISHES)
def test_a_wish_without_a_phrase_is_heard(text: str) -> None:
    decision = judged(text)
    assert (decision.rule, decision.trigger) == (REQUEST, "request")
    assert decision.reason.startswith("Reads like a wish for a person (0.9")
    assert decision.scores["request"] is None
    assert decision.scores["request_head"] >= scoring.head().threshold
    assert judged(text, called=True).rule == REQUEST


@pytest.mark.usefixtures("no_phrases")
def test_the_projects_switch_holds_for_the_head() -> None:
    decision = judged(WISHES[0], rules=Rules(request_enabled=False))
    assert decision.rule == ""
    assert decision.scores["request_head"] >= scoring.head().threshold


@pytest.mark.parametrize(
    "text",
    [
        "How tall is the lamp?",
        "my estate agent needs a floor plan",
        "are you a bot?",
        "Preis pro Person?",
        "人事部の住所",
    ],
)
def test_what_asks_for_nobody_is_left_alone(text: str) -> None:
    assert judged(text).rule == ""


def test_a_refusal_in_the_phrases_is_stronger_than_the_head() -> None:
    text = "please don't transfer me to anyone"
    loud = Facts(text, vector=embed.embed_query(WISHES[0]))
    decision = assess(loud)
    assert decision.scores["request_head"] >= scoring.head().threshold
    assert decision.scores["request_head_counts"] is False
    assert decision.rule == ""
    assert assess(replace(loud, text="where is it?")).rule == REQUEST


def test_without_a_vector_phrases_alone_decide() -> None:
    decision = assess(Facts(WISHES[1]))
    assert decision.scores["request_head"] is None
    assert assess(Facts("I want to talk to a human")).rule == REQUEST


def test_it_costs_next_to_nothing() -> None:
    vector = embed.embed_query(WISHES[0])
    head = scoring.head()
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        for _ in range(100):
            head.probability(vector)
        best = min(best, (time.thread_time() - began) / 100)
    assert best < 0.0002


@pytest.fixture
def shop(tenants: Tenants) -> Iterator[Cast]:
    """Tenant a, with an agent who is there."""
    with tenants.a.inside():
        Availability.objects.update_or_create(
            seat_id=tenants.a.agent.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": timezone.now()}
        )
        yield tenants.a


def said(cast: Cast, *texts: str) -> tuple[Conversation, Turn]:
    """The visitor writes all of it before a worker comes; then the worker takes the turn that is left."""
    session = actions.open_session(project=cast.project_key, token=None, language="cy")
    conversation = Conversation.objects.get(pk=session.conversation_id)
    for text in texts:
        actions.post_as_visitor(conversation_id=conversation.pk, draft=actions.Draft(text, uuid4()))
    turn = Turn.objects.filter(message__conversation=conversation).order_by("-pk")[0]
    turns.run(turn.pk)
    turn.refresh_from_db()
    return conversation, turn


@pytest.mark.usefixtures("no_phrases")
def test_a_turn_in_a_language_without_phrases_reaches_people(shop: Cast) -> None:
    conversation, turn = said(shop, WISHES[1])
    found = Handoff.objects.get(conversation=conversation)
    conversation.refresh_from_db()
    assert (found.trigger, conversation.owner) == (Handoff.Trigger.REQUEST, Conversation.Owner.QUEUE)
    assert found.reason == turn.decision["reason"]
    assert turn.decision["scores"]["request_head"] >= scoring.head().threshold
    assert turn.decision["version"].endswith(scoring.head().version)


@pytest.mark.usefixtures("no_phrases")
def test_a_wish_that_was_overtaken_still_reaches_people(shop: Cast) -> None:
    conversation, turn = said(shop, WISHES[1], "How tall is the lamp?")
    assert Handoff.objects.get(conversation=conversation).trigger == Handoff.Trigger.REQUEST
    assert turn.decision["scores"]["request_head"] < scoring.head().threshold


@pytest.mark.usefixtures("no_phrases")
def test_a_turn_calls_nobody_where_requests_are_switched_off(shop: Cast) -> None:
    Project.objects.filter(pk=shop.project_id).update(request_enabled=False)
    conversation, _ = said(shop, WISHES[1])
    assert not Handoff.objects.filter(conversation=conversation).exists()
    assert Message.objects.filter(conversation=conversation).order_by("-seq")[0].sender != "visitor"
