"""What the tests of the embedded stack share."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builtabot.embedded.processes import birth_mark
from builtabot.embedded.runfile import ROOT


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder with a short path; pytest's own below tmp_path are too long for a socket."""
    made = Path(tempfile.mkdtemp(prefix="bb-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def free_port() -> int:
    """A port that was free a moment ago, and so was the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Owner:
    """Another process that starts the services on a folder and then waits: one that can be killed."""

    CODE = """
import sys, time
from pathlib import Path
from builtabot.embedded.postgres import Postgres
from builtabot.embedded.valkey import Valkey
folder = Path(sys.argv[1])
children = [Postgres(folder, throwaway=True).start(), Valkey(folder).start()]
print(*[child.process.pid for child in children], flush=True)
time.sleep(60)
"""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._process.stdout is not None
        self.pids = [int(pid) for pid in self._process.stdout.readline().split()]

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def owner(folder: Path) -> Iterator[Owner]:
    """The services of `folder`, held by a process of their own."""
    started = Owner(folder)
    yield started
    started.kill()
    for pid in started.pids:
        if birth_mark(pid) is not None:
            os.kill(pid, signal.SIGKILL)
