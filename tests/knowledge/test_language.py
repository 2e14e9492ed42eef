"""Pages and messages are told apart by language, and a guess is not passed off as knowledge."""

from __future__ import annotations

import pytest

from knowledge.language import detect


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("How do I return an item?", "en"),
        ("Hello", "en"),
        ("wo ist mein Paket", "de"),
        ("¿Cómo devuelvo un artículo?", "es"),
        ("Quero cancelar a minha conta", "pt"),
        ("Où est mon colis ?", "fr"),
        ("Где моя посылка?", "ru"),
        ("Де моє замовлення?", "uk"),
        ("返品の方法を教えてください", "ja"),
        ("如何退货？", "zh"),
        ("배송은 얼마나 걸리나요?", "ko"),
        ("أين طلبي؟ لم يصل بعد", "ar"),
        ("मैं अपना ऑर्डर कैसे रद्द करूँ?", "hi"),
    ],
)
def test_language_of_a_message_is_found(text: str, code: str) -> None:
    assert detect(text) == code


@pytest.mark.parametrize("text", ["", "12345", "👍👍", "ok", "refund?", "SKU-4411 / 2"])
def test_too_little_text_is_no_language(text: str) -> None:
    assert detect(text) == ""


def test_expected_languages_decide_close_calls_only() -> None:
    assert detect("return policy") != "en"
    assert detect("return policy", likely=("en",)) == "en"
    assert detect("Wie lange dauert der Versand nach Wien?", likely=("en",)) == "de"
