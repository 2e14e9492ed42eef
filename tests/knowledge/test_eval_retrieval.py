"""`eval_retrieval`: real questions to a project that has read a real site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from knowledge import search as searching
from knowledge.evaluation import DEPTH
from knowledge.management.commands import eval_retrieval
from knowledge.search import search
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.conftest import Tenants
from tests.knowledge.asking import KEY, read_site, run
from tests.knowledge.web import Web, serving


@pytest.fixture
def web(settings: Any) -> Iterator[Web]:
    with serving() as server:
        settings.CRAWL_ALLOW_PRIVATE = frozenset({server.host})
        yield server


@pytest.fixture
def shop(tenants: Tenants, web: Web) -> Cast:
    with tenants.a.inside() as cast:
        read_site(cast, web)
    return cast


def rows(web: Web) -> list[dict[str, Any]]:
    returns, warranty = f"{web.url}/help/returns#refund", "/help/warranty"
    return [
        {"question": "How long may I send a lamp back?", "lang": "en", "urls": [returns]},
        {"question": "Is there a warranty against faults?", "lang": "en", "urls": [warranty]},
        {"question": "Wie viele Jahre Garantie gibt es?", "lang": "de", "urls": [warranty]},
        {"question": "Who is the president of Peru?", "lang": "en", "urls": []},
        {"question": "How long may I send a lamp back?", "lang": "fr", "urls": ["https://other.example/help/returns"]},
    ]


def written(folder: Path, lines: list[dict[str, Any]]) -> str:
    path = folder / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_the_right_pages_are_counted(shop: Cast, web: Web, tmp_path: Path) -> None:
    found = run("eval_retrieval", written(tmp_path, rows(web)), "--json", host=shop.host).json
    by_lang = found.pop("by_lang")
    assert found == {"n": 5, "recall_at_1": 0.75, "recall_at_5": 0.75, "mrr_at_10": 0.75, "auroc": 1.0}
    right = {"recall_at_1": 1.0, "recall_at_5": 1.0, "mrr_at_10": 1.0}
    assert by_lang["en"] == {"n": 3, **right, "auroc": 1.0}
    assert by_lang["de"] == {"n": 1, **right, "auroc": None}
    assert by_lang["fr"] == {"n": 1, "recall_at_1": 0.0, "recall_at_5": 0.0, "mrr_at_10": 0.0, "auroc": None}


def test_labels_change_nothing_that_is_found(
    shop: Cast, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def noting(*args: Any, **kwargs: Any) -> Any:
        asked.append((args, kwargs))
        return search(*args, **kwargs)

    assert eval_retrieval.search is searching.search
    monkeypatch.setattr(eval_retrieval, "search", noting)
    lines = rows(web)
    run("eval_retrieval", written(tmp_path, lines), host=shop.host)
    project = shop.run(lambda: Project.objects.get(key=KEY).pk)
    assert asked == [((project, line["question"]), {"limit": DEPTH}) for line in lines]


def test_what_is_ranked_begins_as_a_live_turn_has_it(shop: Cast) -> None:
    with shop.inside():
        project = Project.objects.get(key=KEY).pk
        for question in ("How long may I send a lamp back?", "Wie viele Jahre Garantie gibt es?"):
            live, deep = search(project, question), search(project, question, limit=DEPTH)
            assert deep.passages[: len(live.passages)] == live.passages
            assert (deep.confidence, len(live.passages) > 0) == (live.confidence, True)


def test_misses_are_listed_with_what_came_instead(shop: Cast, web: Web, tmp_path: Path) -> None:
    lines = [{"question": "Will a heavy lamp come by lorry?", "lang": "en", "urls": ["/help/bulbs"]}, *rows(web)[:1]]
    path = written(tmp_path, lines)
    (missed,) = run("eval_retrieval", path, "--json", "--errors", host=shop.host).json["errors"]
    assert (missed["line"], missed["found"][0]) == (1, f"{web.url}/help/delivery")
    assert missed["found"][missed["rank"] - 1] == f"{web.url}/help/bulbs"
    told = run("eval_retrieval", path, "--errors", host=shop.host).out.splitlines()
    assert told[0].split() == ["n", "recall_at_1", "recall_at_5", "mrr_at_10", "auroc"]
    assert told[1].split()[:3] == ["all", "2", "0.5"]
    assert json.loads(told[-1]) == missed


def test_how_far_it_is_goes_beside_the_result(
    shop: Cast, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eval_retrieval, "_TOLD_EVERY_SECONDS", 0.0)
    said = run("eval_retrieval", written(tmp_path, rows(web)[:2]), "--json", host=shop.host)
    assert said.err.splitlines() == ["0 of 2 questions", "1 of 2 questions"]
    assert said.json["n"] == 2


def test_a_bad_line_is_named_before_anything_is_asked(
    shop: Cast, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eval_retrieval, "search", lambda *_, **__: pytest.fail("asked"))
    path = written(tmp_path, [*rows(web), {"question": "x", "lang": "en"}])
    with pytest.raises(CommandError, match=r"^line_urls_invalid: Line 6: "):
        run("eval_retrieval", path, host=shop.host)


@pytest.mark.parametrize(
    ("host", "project", "path", "code"),
    [
        ("nobody.localhost", KEY, None, "tenant_missing: No tenant lives at 'nobody.localhost'"),
        ("localhost", KEY, None, "tenant_missing"),
        ("no host", KEY, None, "tenant_missing"),
        ("", "nothing", None, "project_missing: There is no project 'nothing' here, but these: .*docs"),
        ("", KEY, "nothing.jsonl", "file_unreadable"),
    ],
)
def test_what_is_not_there_is_named(
    shop: Cast, tmp_path: Path, *, host: str, project: str, path: str | None, code: str
) -> None:
    file = str(tmp_path / path) if path else written(tmp_path, [])
    with pytest.raises(CommandError, match=f"^{code}"):
        run("eval_retrieval", file, host=host or shop.host, project=project)


def test_another_tenants_project_is_not_there(shop: Cast, tenants: Tenants, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="^project_missing"):
        run("eval_retrieval", written(tmp_path, []), host=tenants.b.host)


def test_a_port_behind_the_host_does_no_harm_and_no_lines_are_no_figures(shop: Cast, tmp_path: Path) -> None:
    found = run("eval_retrieval", written(tmp_path, []), "--json", host=f"{shop.host}:8000").json
    none = {"recall_at_1": None, "recall_at_5": None, "mrr_at_10": None, "auroc": None}
    assert found == {"n": 0, **none, "by_lang": {}}
