"""Words on their way to Slack are inert there; words from Slack are plain here."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chat.models import Handoff, Visitor
from livesupport.models import SlackThread
from livesupport.slack import blocks, text
from livesupport.slack.blocks import Card, Found, Line
from livesupport.slack.facts import card_of
from tests.livesupport.slack.conftest import Desk

NASTY = [
    "<!channel>", "<!here|here>", "<!everyone>", "<!subteam^S012ABC>", "<@U0ANA>", "<#C0SUPPORT|general>",
    "<https://evil.example|click here>", "<https://evil.example>", "<mailto:a@evil.example|write>", "&lt;!channel&gt;",
    "&amp;lt;!channel&amp;gt;", "<<!channel>>", "<!chan\x00nel>", "*bold* _it_ ~gone~ `code`\n> quoted",
    "```\n<!channel>\n```",
    "\ud800<!channel>", "<!date^1392734382^{date}|x>", "a\n*Ana Ruiz has joined*\n<!here>", "<script>alert(1)</script>",
    "& < > " * 700, "<!channel>" * 400,
]  # fmt: skip
OURS = re.compile(r"<@U0ANA>")


def texts(shown: blocks.Shown) -> list[tuple[str, dict[str, Any]]]:
    """Every text that Slack would read markup in, with its object; the plain fallback has none."""
    found = [(shown.text, {"type": "mrkdwn", "verbatim": True})]
    for block in shown.blocks:
        for part in (block.get("text"), *block.get("elements", ())):
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                found.append((part["text"], part))
    return found


def messages(nasty: str) -> list[blocks.Shown]:
    card = Card(
        visitor=nasty, project=nasty, trigger="Asked for a person", reason=nasty, state="claimed", holder=nasty,
        open_url="https://acme.example/live/?c=1", question=nasty, page=nasty, email=nasty, confidence=0.2,
        said=[Line(nasty, nasty)] * 12, found=[Found(nasty, 0.5)] * 3,
    )  # fmt: skip
    return [blocks.card(card), blocks.said(Line(nasty, nasty)), blocks.aside("U0ANA", nasty)]


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_nothing_a_visitor_writes_is_markup_in_slack(nasty: str) -> None:
    for shown in messages(nasty):
        assert len(shown.blocks) <= 50
        for words, part in texts(shown):
            assert "<" not in OURS.sub("", words)
            assert not re.search(r"&(?!amp;|lt;|gt;)", words.removesuffix("…")), words[:80]
            assert part.get("verbatim") is True
            assert len(words) <= 3000
            words.encode("utf-8")


def test_there_are_twenty_of_them() -> None:
    assert len(NASTY) >= 20


@pytest.mark.parametrize("words", ["Hello\n*Ana*: hi", "> Resolved by Ana", ""])
def test_every_line_of_a_visitor_stands_as_a_quotation(words: str) -> None:
    assert all(line.startswith("> ") for line in text.quoted(words).split("\n"))


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("Hi &amp; bye", "Hi & bye"),
        ("1 &lt; 2 &gt; 0", "1 < 2 > 0"),
        ("&amp;lt;", "&lt;"),
        ("ask <@U0ANA>", "ask @Ana"),
        ("ask <@U0NEW>", "ask @somebody"),
        ("ask <@U0NEW|tom>", "ask @tom"),
        ("in <#C1|general>", "in #general"),
        ("in <#C1>", "in #channel"),
        ("<!channel> look", "@channel look"),
        ("<!subteam^S1|@support> look", "@support look"),
        ("<!subteam^S1>", "@subteam"),
        ("<https://a.example/x?y=1&amp;z=2>", "https://a.example/x?y=1&z=2"),
        ("<https://a.example|the page>", "the page (https://a.example)"),
        ("<http://a.example|a.example>", "http://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<tel:+4930123|+49 30 123>", "+49 30 123 (+4930123)"),
        ("no <markup at all", "no <markup at all"),
        ("  spaces  ", "spaces"),
    ],
)
def test_words_from_slack_are_plain(markup: str, plain: str) -> None:
    assert text.plain(markup, {"U0ANA": "Ana"}) == plain


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", []),
        ("   ", []),
        ("short", ["short"]),
        ("aaaa bbbb cccc", ["aaaa bbbb", "cccc"]),
        ("a" * 25, ["a" * 10, "a" * 10, "a" * 5]),
        ("a" * 100, ["a" * 10] * 4),
    ],
)
def test_long_words_come_in_pieces(words: str, found: list[str]) -> None:
    assert text.pieces(words, longest=10, most=4) == found


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ("note: call her", "call her"),
        ("NOTE:call", "call"),
        (" private : x", "x"),
        ("noted: x", None),
        ("a note: x", None),
    ],
)
def test_a_note_is_marked_at_its_beginning(words: str, note: str | None) -> None:
    assert text.as_note(words) == note


@pytest.mark.parametrize("state", ["waiting", "standing", "claimed", "resolved", "closed"])
def test_the_card_offers_what_can_be_done(state: str) -> None:
    card = Card(
        visitor="Vera", project="Shop", trigger="No answer", reason="", state=state, open_url="https://a.example/"
    )
    offered = [e["action_id"] for b in blocks.card(card).blocks if b["type"] == "actions" for e in b["elements"]]
    expected = {"waiting": ["claim", "resolve"], "standing": ["claim", "resolve"], "claimed": ["resolve"]}
    assert offered == [*expected.get(state, []), "open"]


def test_the_first_message_says_where_why_and_what_was_found(desk: Desk) -> None:
    passages = [{"title": "Returns", "heading": "How long", "text": "30 days", "url": "", "score": 0.812}]
    told = {"evidence": {"confidence": 0.31, "passages": passages}, "page_url": "https://shop.example/lamp"}
    Handoff.objects.filter(pk=desk.thread.handoff_id).update(**told)
    Visitor.objects.filter(conversation=desk.conversation).update(name="Maya", email="maya@lindqvist.example")
    shown = blocks.card(card_of(SlackThread.objects.get(pk=desk.thread.pk)))
    words = "\n".join(text for text, _ in texts(shown))
    assert desk.handoff.reason.startswith("Wrote: “")
    for part in (
        f"*Why:* {desk.handoff.reason}",
        "*Page:* https://shop.example/lamp",
        "*E-mail:* maya@lindqvist.example",
        "*Maya*",
        "*Found (confidence 0.31)*\n0.81  Returns › How long",
    ):
        assert part in words
