"""What is decided, and why: topics, triage, and which rule goes first. No rows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from chat.judgement.decision import Earlier, Facts, assess
from chat.judgement.rules import Rules

PLAIN = SimpleNamespace(
    request_enabled=True, mood_enabled=True, mood_threshold=-0.4, weak_evidence_enabled=True,
    evidence_threshold=0.45, keywords=[], topics=[], triage={},
)  # fmt: skip


def rules(**values: Any) -> Rules:
    return Rules.of(SimpleNamespace(**{**vars(PLAIN), **values}))


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("I want my money back", "refund"),
        ("Ich möchte eine Rückerstattung", "refund"),
        ("je veux être remboursé", "refund"),
        ("返金してください", "refund"),
        ("I was charged twice", "billing_dispute"),
        ("me cobraron dos veces", "billing_dispute"),
        ("please delete my account", "account_closure"),
        ("注销账号", "account_closure"),
        ("how do I cancel my subscription?", "cancellation"),
        ("chcę zrezygnować z umowy", "cancellation"),
        ("can I change my contract?", "contract_change"),
        ("my lawyer will contact you", "legal"),
        ("подам в суд", "legal"),
        ("I want to file a complaint", "complaint"),
        ("şikayet etmek istiyorum", "complaint"),
        ("send me all data you hold on me under GDPR", "privacy_data_request"),
        ("quali dati personali conservate?", "privacy_data_request"),
        ("we need 200 lamps for our hotel", "large_purchase"),
        ("اسعار الجملة", "large_purchase"),
        ("Where is my order?", None),
        ("How do I change the bulb?", None),
        ("Can I charge my phone with the lamp?", None),
        ("no refund needed, just a new bulb", None),
    ],
)
def test_critical_topics_are_told_from_the_rest(text: str, topic: str | None) -> None:
    assert next(iter(assess(Facts(text)).scores["topics"]), None) == topic


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("We'd love to become a reseller", "partnership"),
        ("Wir sind an einer Kooperation interessiert", "partnership"),
        ("can I book a demo?", "sales"),
        ("je voudrais un devis", "sales"),
        ("Do you have any job openings?", "job"),
        ("我想应聘", "job"),
        ("I am a journalist", "press"),
        ("asdf", "noise"),
        ("we offer SEO services", "noise"),
        ("Where is my order?", None),
    ],
)
def test_kinds_of_triage(text: str, kind: str | None) -> None:
    assert assess(Facts(text)).scores["triage"] == kind


REFUND = Facts("Can I get a refund?", confidence=0.21, rules=rules())


def test_a_critical_topic_with_weak_evidence_says_both() -> None:
    decision = assess(REFUND)
    assert (decision.rule, decision.trigger) == ("weak_evidence", "weak_evidence")
    assert decision.reason == "Refund question, evidence 0.21 < 0.45"


@pytest.mark.parametrize(
    "facts",
    [
        replace(REFUND, confidence=0.45),
        replace(REFUND, confidence=None),
        replace(REFUND, text="Where is the showroom?"),
        replace(REFUND, rules=rules(weak_evidence_enabled=False)),
        replace(REFUND, called=True),
        replace(REFUND, earlier=(Earlier("Which lamp is brighter?", 0.0),) * 12, text="And which is the lightest?"),
    ],
    ids=["good evidence", "not searched", "no topic", "switched off", "people called already", "a long conversation"],
)
def test_one_of_both_calls_nobody(facts: Facts) -> None:
    assert assess(facts).rule == ""


def test_a_request_goes_before_everything_else() -> None:
    text = "This is a scam, I want a refund, I am a journalist, let me talk to a human"
    facts = Facts(text, confidence=0.0, called=True, rules=rules(triage={"press": "lead"}))
    assert assess(facts).rule == "request"
    assert assess(replace(facts, called=False, rules=rules(request_enabled=False))).rule == "mood"


def test_the_record_is_enough_to_judge_again() -> None:
    facts = Facts("Can I get a refund?", (Earlier("hello", 0.0, 0.8),), ("en",), 0.21, rules=rules())
    record = assess(facts).record(facts)
    assert record["inputs"]["earlier"] == [{"mood": 0.0, "alike": 0.8}]
    assert record["inputs"]["rules"]["evidence_threshold"] == 0.45
    assert record["scores"]["topics"] == {"refund": "refund"}
    assert record["version"].startswith("3-")


def test_mood_from_the_episode_falls_in_words() -> None:
    earlier = (Earlier("Thanks!", 0.1), Earlier("Hm", 0.0))
    decision = assess(Facts("You are thieves, this is a scam, shame on you", earlier))
    assert decision.rule == "mood"
    assert decision.reason == "Mood fell from 0.1 to -0.6 over 3 messages (furious words, negative words)"


def test_a_calm_message_after_anger_calls_nobody() -> None:
    assert assess(Facts("Where is the invoice?", (Earlier("scam", -0.95), Earlier("scam", -0.95)))).rule == ""


def test_settings_of_another_shape_count_as_absent() -> None:
    odd = rules(keywords=[{"word": ""}, "x", None, {"word": "a", "kind": "?"}], topics=[{"name": "n"}, 3], triage=None)
    assert (odd.person_words, odd.leads) == ((), frozenset())
    assert assess(Facts("a n x", confidence=0.0, rules=odd)).rule == ""
