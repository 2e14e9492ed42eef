"""docs/promises.md is held to its word: every promise names tests that are there, and that nobody leaves out."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.house import ROOT

TABLE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
SET_OUT_WITH = range(1, 18)  # the promises that this product set out with
ROW = re.compile(r"\| (\d+(?:\.\d+)?) \| ([^|]+) \| ([^|]+) \| ([^|]*) ?\|")
HEAD = re.compile(r"\|[ |-]*\||\| \| The promise \|.*")
NAMED = re.compile(r"`([^`]+)`")
LEFT_OUT = re.compile(r"(pytest\.)?(mark\.)?(skip|skipif|xfail|importorskip)")


def faults(table: str, *, root: Path = ROOT, wanted: range = SET_OUT_WITH) -> list[str]:
    """What is wrong with the table, a sentence each. The tests' files are parsed, never imported."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    rows = [found.groups() for line in lines if (found := ROW.fullmatch(line))]
    told = [f"no row: {line}" for line in lines if not ROW.fullmatch(line) and not HEAD.fullmatch(line)]
    told += [f"{number}: twice" for number, times in Counter(row[0] for row in rows).items() if times > 1]
    whole = {int(number.split(".")[0]) for number, *_ in rows}
    told += [f"{number}: no row" for number in wanted if number not in whole]
    for number, _, where, proof in rows:
        wrong = [*_wrong_places(where, root), *_wrong_tests(proof, root)]
        told += [f"{number}: {each}" for each in wrong]
    return told


def _wrong_places(where: str, root: Path) -> list[str]:
    named = NAMED.findall(where)
    if not named:
        return ["names no file where it lives"]
    return [f"{path} is not there" for path in named if not (root / path).is_file()]


def _wrong_tests(proof: str, root: Path) -> list[str]:
    named = NAMED.findall(proof)
    if not named:
        return ["names no test"]
    return [sentence for name in named if (sentence := _wrong_test(name, root))]


def _wrong_test(name: str, root: Path) -> str:
    path, _, function = name.partition("::")
    if not function.startswith("test_") or not Path(path).name.startswith("test_"):
        return f"{name} names no test"
    if not (root / path).is_file():
        return f"{path} is not there"
    body = ast.parse((root / path).read_text(encoding="utf-8")).body
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tests = [node for node in body if isinstance(node, kinds) and node.name == function]
    if not tests:
        return f"{name} is not there"
    # What stands outside of functions and classes: marks for the whole file, and a skip of all of it.
    loose = [node for node in body if not isinstance(node, (*kinds, ast.ClassDef, ast.Import, ast.ImportFrom))]
    return f"{name} may be left out" if any(map(_leaves_out, (*tests, *loose))) else ""


def _leaves_out(node: ast.AST) -> bool:
    """Whether a mark or call of pytest's that leaves tests out stands in it."""
    used = [ast.unparse(each) for each in ast.walk(node) if isinstance(each, ast.Attribute | ast.Name)]
    return any(LEFT_OUT.fullmatch(name) for name in used)


def test_every_promise_is_proved() -> None:
    assert faults(TABLE) == []


def test_the_table_is_read_whole() -> None:
    numbers = [line.split("|")[1].strip() for line in TABLE.splitlines() if re.match(r"\| \d", line)]
    assert len(numbers) > 80
    assert numbers == sorted(numbers, key=lambda number: [int(part) for part in number.split(".")])


GOOD = "| 1 | A promise. | Here; `house.py` | `test_a.py::test_good` |"
SOUND = "import pytest\n\ndef test_good() -> None:\n    assert open\n"


def faults_of(folder: Path, row: str, source: str = SOUND) -> list[str]:
    """The faults of a table with this row, in a tree of two files."""
    (folder / "house.py").touch()
    (folder / "test_a.py").write_text(source)
    head = "| | The promise | Where it lives | Proved by |\n|---|---|---|---|\n"
    return faults(f"{head}{row}\n", root=folder, wanted=range(1, 2))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (GOOD, []),
        (GOOD.replace("test_good", "test_gone"), ["1: test_a.py::test_gone is not there"]),
        (GOOD.replace("test_a.py", "test_b.py"), ["1: test_b.py is not there"]),
        (GOOD.replace("`test_a.py::test_good`", ""), ["1: names no test"]),
        (GOOD.replace("::test_good", ""), ["1: test_a.py names no test"]),
        (GOOD.replace("test_good", "good"), ["1: test_a.py::good names no test"]),
        (GOOD.replace("house.py", "hut.py"), ["1: hut.py is not there"]),
        (GOOD.replace("`house.py`", "there"), ["1: names no file where it lives"]),
        (GOOD.replace("| 1 |", "| one |"), [f"no row: {GOOD.replace('| 1 |', '| one |')}", "1: no row"]),
        (GOOD.replace("| 1 |", "| 2.1 |"), ["1: no row"]),
        (f"{GOOD}\n{GOOD}", ["1: twice"]),
        ("", ["1: no row"]),
    ],
)
def test_a_fault_of_the_table_is_named(tmp_path: Path, row: str, told: list[str]) -> None:
    assert faults_of(tmp_path, row) == told


@pytest.mark.parametrize(
    "source",
    [
        SOUND.replace("def ", "@pytest.mark.skip\ndef "),
        SOUND.replace("def ", '@pytest.mark.skipif(True, reason="x")\nasync def '),
        SOUND.replace("def ", "@pytest.mark.xfail(strict=False)\ndef "),
        SOUND.replace("def ", '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.skip)])\ndef '),
        SOUND.replace("assert open", 'pytest.skip("later")'),
        SOUND.replace("assert open", 'if open:\n        pytest.importorskip("x")'),
        SOUND.replace("pytest\n", "pytest\n\npytestmark = [pytest.mark.browser, pytest.mark.skip]\n"),
        SOUND.replace("pytest\n", 'pytest\n\npytest.skip("all", allow_module_level=True)\n'),
        SOUND.replace("import pytest", "from pytest import skip").replace("assert open", 'skip("later")'),
    ],
    ids=["skip", "skipif", "xfail", "one case", "in the body", "import", "whole file", "loose", "by name"],
)
def test_a_test_that_may_be_left_out_is_no_proof(tmp_path: Path, source: str) -> None:
    assert faults_of(tmp_path, GOOD, source) == ["1: test_a.py::test_good may be left out"]
