"""A quote proves something only if it stands in the passage that it names."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge.answers.quotes import Quote, in_full, read, stands_in, verified
from knowledge.evidence import Passage

TEXT = (
    "How long refunds take\n"
    "We pay refunds within 14\u00a0days of receiving the lamp, to the card you paid with. "
    "Gift cards are not refunded.\n"
    "How do I send it back?\n"
    "1. Pack the lamp in its “original” box.\n"
    "2. Print the label – it’s free.\n"
    "Weight: 2.5 kg\n"
    "We are unable to refund opened bulbs."
)


def passage(text: str = TEXT, title: str = "Returns", heading: str = "Money > How long refunds take") -> Passage:
    return Passage(1, 1, "https://a.example/r", title, heading, "w", text, 0.9, "en")


@pytest.mark.parametrize(
    "quote",
    [
        "We pay refunds within 14 days of receiving the lamp, to the card you paid with.",
        "we PAY refunds\nwithin 14 days of receiving the lamp",
        '  "We pay refunds within 14 days of receiving the lamp"  ',
        "Pack the lamp in its 'original' box".replace("'", '"'),
        "Print the label - it's free.",
        "2. Print the label — it's free",
        "Ｗｅ pay refunds within 14 days",
        "We pay refunds within 14 days … to the card you paid with.",
        "We pay refunds within 14 days [...] Gift cards are not refunded.",
        "Weight: 2.5 kg",
        "We\u200b pay re\u00adfunds within 14 days",
    ],
)
def test_what_a_model_changes_without_meaning_anything_by_it_does_not_matter(quote: str) -> None:
    assert stands_in(quote, passage())


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "…",
        "14 days",
        "the lamp",
        "We pay refunds within 30 days of receiving the lamp.",
        "able to refund opened bulbs",
        "4 days of receiving the lamp",
        "How long refunds take",
        "how long refunds take?",
        "Money > How long refunds take",
        "How do I send it back?",
        "Gift cards are not refunded … We pay refunds within 14 days",
        "We pay refunds … within 14 days of receiving … to the card you paid with",
        "We pay refunds within ... never, and nobody gets one",
        "5 kg",
        TEXT * 10,
    ],
)
def test_what_does_not_stand_there_or_says_nothing_is_no_quote(quote: str) -> None:
    assert not stands_in(quote, passage())


def test_numbers_are_quoted_whole() -> None:
    page = passage("It lasts for 1.5 days of use, or 30.5 hours at most, we found.", heading="")
    assert not stands_in("5 days of use, or 30.5 hours", page)
    assert not stands_in("It lasts for 1.5 days of use, or 30", page)
    assert stands_in("1.5 days of use, or 30.5 hours", page)


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("ランプは到着から30日以内に返品できます。送料は無料です。", "ランプは 到着から 30 日以内に返品できます"),
        ("您可以在收到后 30 天内退货。", "收到后30天内退货"),
        ("คุณสามารถคืนสินค้าได้ภายใน 30 วัน", "คืนสินค้าได้ภายใน 30 วัน"),
        ("Straßen werden nicht beliefert, wenn sie gesperrt sind.", "STRASSEN WERDEN NICHT BELIEFERT"),
        ("لا يمكن إرجاع المصابيح المفتوحة بعد البيع.", "لا يمكن إرجاع المصابيح المفتوحة"),
    ],
)
def test_every_script_can_be_quoted(text: str, quote: str) -> None:
    assert stands_in(quote, passage(text, heading=""))


def test_a_title_that_the_text_says_too_counts_only_as_part_of_more() -> None:
    page = passage("Refunds take 14 days. Then the card is credited.", title="Refunds take 14 days", heading="")
    assert stands_in("Refunds take 14 days. Then the card is credited.", page)
    assert not stands_in("Refunds take 14 days", passage("Refunds take 14 days\nAsk us.", "Refunds take 14 days", ""))


def test_only_the_named_passage_counts() -> None:
    other = passage("Lamps are made of glass and brass in Leeds.", heading="")
    quotes = [
        Quote(2, "Lamps are made of glass and brass"),
        Quote(1, "Lamps are made of glass and brass"),
        Quote(0, "We pay refunds within 14 days"),
        Quote(3, "We pay refunds within 14 days"),
    ]
    assert verified(quotes, (passage(), other)) == (quotes[0],)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"passage": 1, "text": "a"}, {"passage": "[2]", "text": "b"}], (Quote(1, "a"), Quote(2, "b"))),
        ([{"passage": True, "text": "a"}, {"passage": 1}, {"passage": "one", "text": "a"}, "a", None, 3], ()),
        ([{"passage": -1, "text": "a"}, {"passage": 1.0, "text": "a"}, {"passage": "9" * 90, "text": "a"}], ()),
        ({"passage": 1, "text": "a"}, ()),
        ("a", ()),
        (None, ()),
    ],
)
def test_quotes_of_any_shape_are_read_or_left_out(value: Any, expected: tuple[Quote, ...]) -> None:
    assert read(value) == expected


def test_a_quote_is_shown_as_the_whole_sentences_that_it_is_from() -> None:
    page = (passage(),)
    both = "We pay refunds within 14\u00a0days of receiving the lamp, to the card you paid with. "
    both += "Gift cards are not refunded."
    assert in_full(Quote(1, "WITHIN 14 days of receiving … not refunded"), page) == both
    assert in_full(Quote(1, "print the label - it's free"), page) == "Print the label – it’s free."
