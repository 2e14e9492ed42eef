"""The widget's words: whole in every language, and every one of them used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat import wording
from chat.views import FRAME_MODULES, LOADER_WORDS

ROOT = Path(__file__).resolve().parents[2]
WIDGET = ROOT / "static" / "widget"
HOLES = re.compile(r"\{(\w+)\}")
EXPECTED = {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ja", "zh", "ar", "tr"}


def test_the_promised_languages_are_there() -> None:
    assert wording.languages() >= EXPECTED


@pytest.mark.parametrize("language", sorted(EXPECTED))
def test_a_language_says_everything_and_fills_in_the_same(language: str) -> None:
    english, here = wording.words("en"), wording.words(language)
    assert here.keys() == english.keys()
    for key, sentence in english.items():
        assert set(HOLES.findall(here[key])) == set(HOLES.findall(sentence)), key
        assert here[key].strip(), key


def test_each_word_is_used_and_none_is_missing() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(WIDGET.glob("*.js")))
    page = (ROOT / "templates/chat/frame.html").read_text(encoding="utf-8")
    asked = set(re.findall(r'\bt\(\s*"(\w+)"', source)) | set(re.findall(r"words\.(\w+)", source + page))
    known = set(wording.words("en"))
    assert not {key for key in asked if "_" in key} - known
    assert not {key for key in known if f'"{key}"' not in source and key not in asked}
    assert set(LOADER_WORDS) <= known


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["de-AT"], "de"),
        (["PT_br"], "pt"),
        (["xx", "fr"], "fr"),
        (["", ""], "en"),
        (["../en"], "en"),
        (["zh-Hant"], "zh"),
    ],
)
def test_a_language_is_picked_from_tags(wanted: list[str], found: str) -> None:
    assert wording.pick(*wanted) == found


def test_only_arabic_runs_from_the_right() -> None:
    assert [language for language in sorted(wording.languages()) if wording.direction(language) == "rtl"] == ["ar"]


def test_every_module_is_preloaded() -> None:
    entry = {"loader", "frame"}
    assert {path.stem for path in WIDGET.glob("*.js")} - entry == set(FRAME_MODULES)


@pytest.mark.parametrize("path", sorted(WIDGET.glob("*.js")), ids=lambda path: path.name)
def test_no_text_becomes_html_or_code(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert "// @ts-check" in source
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|postMessage\([^)]*[\"']\*",
        source,
    )
    assert source.count("\n") <= 400
