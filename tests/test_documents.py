"""What the documents say about the tree is true: every file that they name is there."""

import re
from pathlib import Path

import pytest

from tests.house import ROOT

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)(?::[^`]*)?`|\]\((?!https?:)([^)#]+)\)")
TOPS = (
    "builtabot",
    "tenants",
    "knowledge",
    "chat",
    "livesupport",
    "insights",
    "templates",
    "static",
    "tests",
    "docs",
    ".ci",
)


def named_in(text: str) -> set[str]:
    """The paths of this tree that a document names in backticks, or links to."""
    found = {first or second for first, second in NAMED.findall(text)}
    return {path for path in found if path.split("/")[0] in TOPS or path.endswith(".md")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    missing = [
        path
        for path in named_in(document.read_text())
        if not (ROOT / path).exists() and not (document.parent / path).exists()
    ]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_says_is_in_a_file_is_there(document: Path) -> None:
    pointed = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.py): (\w+)`", document.read_text())
    assert [(path, name) for path, name in pointed if not re.search(rf"\b{name}\b", (ROOT / path).read_text())] == []


def test_the_reader_of_names_works() -> None:
    text = "See `chat/log.py`, `chat/views.py: widget_session`, `make demo`, [that](docs/protocol.md) and [x](https://a.b/c.md)."
    assert named_in(text) == {"chat/log.py", "chat/views.py", "docs/protocol.md"}


def test_decisions_are_numbered_and_say_when() -> None:
    decisions = sorted((ROOT / "docs/adr").glob("*.md"))
    numbers = [int(path.name.split("-")[0]) for path in decisions]
    assert numbers == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text()
        assert text.startswith("# ")
        assert re.search(r"\*\*Deci(ded|sion)", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_the_ones_that_exist(document: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make (\w+)", document.read_text())) <= targets
