"""The phrase files: how a line is read, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.judgement import lexicon
from chat.judgement.lexicon import contains, read, spell, tokens


@pytest.fixture
def phrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Phrase files of the test's own."""
    monkeypatch.setattr(lexicon, "FOLDER", tmp_path)
    lexicon.lexicon.cache_clear()
    yield tmp_path
    lexicon.lexicon.cache_clear()


def found(text: str) -> list[tuple[str, str]]:
    reading = read(text)
    return [(hit.section, reading.words(hit)) for hit in reading.hits]


@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        ("talk to (a|an)? (human|real person)", "Please talk to a REAL person!", "talk to a real person"),
        ("talk to (a|an)? (human|real person)", "talk to human", "talk to human"),
        ("talk to (a|an)? (human|real person)", "talk to a", None),
        ("want ... human", "I want a very real human", "want a very real human"),
        ("want ... human", "I want one two three four human", None),
        ("((close|delete) my account|leave)", "please delete my account", "delete my account"),
        ("((close|delete) my account|leave)", "I leave", "leave"),
        ("((close|delete) my account|leave)", "my account", None),
        ("refund*", "Refunded?", "refunded"),
        ("(one|two)*", "twofold", "twofold"),
        ("(#) lamps", "about 120 lamps", "120 lamps"),
        ("(#) lamps", "about 2 lamps", None),
        ("= agent", "Agent!", "agent"),
        ("= agent", "my agent", None),
        ("人工 (客服)?", "我要人工客服", "人工客服"),
        ("agent", "agents", None),
        ("naïve café", "NAIVE CAFE", "naive cafe"),
        ("إلغاء الاشتراك", "الغاء الإشتراك", "الغاء الاشتراك"),
    ],
)
def test_a_line_matches(phrases: Path, line: str, text: str, words: str | None) -> None:
    (phrases / "en.txt").write_text(f"# a comment\n{line}\n", encoding="utf-8")
    assert found(text) == ([("request", words)] if words else [])


def test_what_only_looks_like_it_is_taken_out_of_its_own_section(phrases: Path) -> None:
    (phrases / "en.txt").write_text("! real estate agent\nagent\n[sales]\nagent\n", encoding="utf-8")
    assert found("my real estate agent") == [("sales", "agent")]
    assert found("a real estate agent and an agent") == [("sales", "agent"), ("request", "agent"), ("sales", "agent")]


def test_a_changed_file_is_another_version(phrases: Path) -> None:
    (phrases / "en.txt").write_text("agent\n", encoding="utf-8")
    first = lexicon.lexicon().version
    lexicon.lexicon.cache_clear()
    (phrases / "en.txt").write_text("agents\n", encoding="utf-8")
    assert lexicon.lexicon().version != first


@pytest.mark.parametrize("path", sorted(lexicon.FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_the_files_hold_only_what_can_match(path: Path) -> None:
    sections = {"request", "negation", "small"} | _all_sections()
    for section, line in lexicon._lines(path.read_text(encoding="utf-8")):
        assert section in sections, section
        assert line.count("(") == line.count(")"), line
        for flat in lexicon._flat(line.lstrip("!= ")):
            for first, _ in lexicon._starts(lexicon._parse(flat)):
                assert not first[0].endswith("*") or len(first[0]) > 3, f"{first[0]}: a stem has three letters"


def _all_sections() -> set[str]:
    from chat.judgement import mood, topics, triage

    return {*mood.SECTIONS, *topics.CRITICAL, *triage.KINDS}


def test_words_are_whole() -> None:
    assert contains(tokens("Is the Show-Room open?"), tokens("show room"))
    assert not contains(tokens("showrooms"), tokens("show"))
    assert not contains(tokens("anything"), tokens("?!"))
    assert spell(tokens("call 客服 now")) == "call 客服 now"


@pytest.mark.parametrize("text", ["", "\u200b", "?!…", "ﷺ" * 500, "a " * 5000, "(" * 3000, "人" * 5000])
def test_odd_texts_are_read_without_harm(text: str) -> None:
    assert read(text).hits is not None


def test_a_message_is_read_below_five_milliseconds() -> None:
    text = (
        "I ordered a lamp three weeks ago and it still has not arrived, nobody answers my mails, cancel my order " * 2
    )[:200]
    read(text)
    best = min(_cpu_seconds(text) for _ in range(5))
    assert best < 0.005, best


def _cpu_seconds(text: str) -> float:
    began = time.thread_time()
    for _ in range(10):
        read(text)
    return (time.thread_time() - began) / 10
