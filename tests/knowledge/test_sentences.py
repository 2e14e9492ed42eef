"""Sentences are cut where a reader would cut them."""

from __future__ import annotations

import pytest

from knowledge.sentences import is_complete, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Send it back. We pay the postage!", ["Send it back.", "We pay the postage!"]),
        ("Delivery costs 4.95 EUR. It takes 3 days.", ["Delivery costs 4.95 EUR.", "It takes 3 days."]),
        (
            "Small items, e.g. cups, ship free. Others do not.",
            ["Small items, e.g. cups, ship free.", "Others do not."],
        ),
        ("Frag z. B. Dr. Ott. Sie hilft.", ["Frag z. B. Dr. Ott.", "Sie hilft."]),
        (
            "返品は30日以内です。送料は無料です！はい。",
            ["返品は30日以内です。", "送料は無料です！", "はい。"],
        ),
        ("他说：“可以。”然后走了。", ["他说：“可以。”", "然后走了。"]),
        ("आप लौटा सकते हैं। यह मुफ़्त है।", ["आप लौटा सकते हैं।", "यह मुफ़्त है।"]),
        ("Visit shop.example. then pay.", ["Visit shop.example. then pay."]),
        ("One line\nanother line", ["One line", "another line"]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("", []),
    ],
)
def test_text_is_split_into_sentences(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_nothing_is_lost_between_sentences() -> None:
    text = 'He said "no." Then (maybe.) he left… Ok'
    assert "".join(split(text)).replace(" ", "") == text.replace(" ", "")


def test_labels_are_not_complete_sentences() -> None:
    assert is_complete("Returns are free.")
    assert is_complete("返品は無料です。")
    assert not is_complete("Returns and refunds")
