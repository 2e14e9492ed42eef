"""How a message sounds: what is anger, and what only looks like it."""

from __future__ import annotations

import pytest

from chat.judgement.decision import score
from chat.judgement.mood import WEIGHTS, named, running

ANGRY = [
    "THIS IS THE THIRD TIME I ASK, WHERE IS MY MONEY",
    "Your service is terrible and your bot is useless",
    "This is a scam!!!",
    "wtf is this shit",
    "Das ist eine Frechheit, ich bin stinksauer!",
    "C'est scandaleux, vous êtes des voleurs",
    "Esto es una estafa, es el peor servicio",
    "È inaccettabile, siete dei truffatori",
    "Isso é um golpe, que vergonha, pior atendimento",
    "Dit is oplichting, ik ben woedend",
    "To jest skandal, jesteście oszustami",
    "Это мошенники, верните деньги, возмутительно",
    "Rezalet, dolandırıcısınız, bir daha asla",
    "هذا نصب واحتيال، اسوا خدمة",
    "ふざけるな、詐欺だろ、最悪",
    "你们这群骗子，太过分了",
    "🤬🤬 where is my order",
]
CALM = [
    "Where is my order?",
    "ORDER BW-20418, SKU AX77-PRO, USB-C",
    "ERROR: INVALID ARGUMENT IN MODULE KERNEL",
    "Thank you so much!!! I LOVE the lamp!!!",
    "The lamp arrived broken, how do I return it?",
    "no problem, thanks",
    "not bad at all",
    "What a beautiful day! Which lamp is the best??",
    "NASA, IKEA and BMW",
    "Wie lange dauert der Versand?",
    "Merci beaucoup !! C'est parfait !!",
    "麻烦帮我查一下订单，谢谢",
    "我需要操作手册",
    "返品の方法を教えてください",
    "hangi lambalar var?",
]  # fmt: skip


@pytest.mark.parametrize("text", ANGRY)
def test_anger_is_below_the_usual_threshold(text: str) -> None:
    assert score(text).score < -0.4


@pytest.mark.parametrize("text", CALM)
def test_calm_stays_calm(text: str) -> None:
    assert score(text).score > -0.2


@pytest.mark.parametrize(
    ("text", "signal"),
    [
        ("WHY IS MY ORDER NOT HERE", "shouting"),
        ("I want my money NOW", "emphasis"),
        ("you idiots", "swearing"),
        ("this is a scam", "furious words"),
        ("I am disappointed", "negative words"),
        ("not happy with it", "negative words"),
        ("that did not help", "said it did not help"),
        ("das hilft mir nicht", "said it did not help"),
        ("ça ne marche toujours pas", "said it did not help"),
        ("答非所问", "said it did not help"),
        ("how many times do I have to ask", "impatience"),
        ("😡", "angry emoji"),
        ("👍 great", "happy emoji"),
        ("great", "positive words"),
        ("What??", "loud"),
        ("my lamp is broken", "trouble"),
    ],
)
def test_each_signal_has_a_name(text: str, signal: str) -> None:
    assert signal in score(text).signals


def test_the_same_question_again_weighs_on_the_mood() -> None:
    text = "How do I hang the lamp?"
    assert score(text, alike=(0.95,)).score < score(text, alike=(0.9,)).score == score(text).score
    assert "asked the same again" not in score("ok thanks", alike=(1.0,)).signals


def test_languages_that_lie_closer_together_need_more_likeness() -> None:
    text = "Wie hänge ich die Lampe auf?"
    assert "asked the same again" not in score(text, alike=(0.93,)).signals
    assert "asked the same again" in score(text, alike=(0.95,)).signals


def test_a_negation_reaches_no_further_than_its_own_clause() -> None:
    assert score("No, thanks. That is great").score > 0.3
    assert score("it is not good").score < 0


def test_the_score_stays_within_its_bounds() -> None:
    worst = score("fuck fuck shit scam thieves terrible useless NOW!!! " * 30)
    assert -1 <= worst.score < -0.9
    assert 0.9 < score("great perfect wonderful thanks 👍👍 " * 30).score <= 1


@pytest.mark.parametrize(
    ("scores", "now", "best", "messages"),
    [
        ([-0.7], -0.7, -0.7, 1),
        ([0.1, -0.7], -0.493, 0.1, 2),
        ([0.0, 0.0, -0.7], -0.475, 0.0, 3),
        ([-0.7, 0.5], 0.189, -0.7, 2),
    ],
)
def test_recent_messages_weigh_more(scores: list[float], now: float, best: float, messages: int) -> None:
    run = running(scores)
    assert (run.now, run.best, run.messages) == (pytest.approx(now, abs=0.001), best, messages)


def test_reasons_name_the_heaviest_signals_first() -> None:
    assert (
        named({"trouble": 1, "impatience": 1, "swearing": 1, "positive words": 1, "loud": 2}) == "swearing, impatience"
    )
    assert all(-1 <= weight <= 1 for weight, _ in WEIGHTS.values())
