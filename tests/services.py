"""A pytest plugin (`-p tests.services`): a throwaway Postgres and Valkey for the run, before settings load.

Nothing of a running demo is read or touched. The services end with pytest, however it ends.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Generator
from pathlib import Path
from typing import IO

import pytest

from builtabot.embedded.postgres import Postgres
from builtabot.embedded.processes import Child
from builtabot.embedded.valkey import Valkey

PREFIX = "builtabot-tests-"
# What takes seconds to build, and is the same for every run, worker and product under test.
BUILT = Path(__file__).resolve().parents[1] / ".pytest_cache" / "embedder"
# Would send a test to something real.
UNWANTED = ("REDIS_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "EMAIL_URL", "TRUST_PROXY", "DEMO")


class Services:
    """The two servers of one run, in a folder of their own under the system's temporary folder."""

    def __init__(self) -> None:
        _remove_abandoned()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock: IO[str] = (self.folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._children: list[Child] = []
        try:
            postgres, valkey = Postgres(self.folder, throwaway=True), Valkey(self.folder)
            self._children.append(postgres.start())
            self._children.append(valkey.start())
        except BaseException:
            self.stop()
            raise
        self.environment = {
            "DATABASE_URL": postgres.url(),
            "BROKER_URL": valkey.broker_url,
            "CHANNEL_URL": valkey.channel_url,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "FIELD_ENCRYPTION_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "BASE_DOMAIN": "localhost",
            "PORT": "8000",
            "CRAWL_ALLOW_PRIVATE": "",
            "DATA_DIR": str(self.folder / "data"),
            "OMP_NUM_THREADS": "1",
            "EMBEDDER": "auto",
            "EMBEDDER_DIR": str(BUILT),
        }
        (self.folder / "data").mkdir(mode=0o700)

    def stop(self) -> None:
        for child in reversed(self._children):
            child.stop()
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove the folders of runs that were killed: their lock is free."""
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            with (folder / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


_services: Services | None = None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None]:
    """Start before pytest-django reads the settings, which it does in the plain form of this hook."""
    global _services
    _services = Services()
    for name in UNWANTED:
        os.environ.pop(name, None)
    os.environ.update(_services.environment)
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop after everything else has let go of its connections."""
    global _services
    if _services is not None:
        _services.stop()
        _services = None
