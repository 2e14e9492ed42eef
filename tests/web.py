"""A real web server, and a worker, over this run's database, in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.house import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port of a web server, started as the supervisor starts it; its log is in `folder`."""
    port = free_port()
    with running(folder, port):
        yield port


@contextmanager
def running(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Its process, for tests that end it themselves."""
    command = [sys.executable, "-m", "builtabot.web", "-b", "127.0.0.1", "-p", str(port), "-v", "0", "--no-server-name",
               "--websocket_timeout=-1", "--application-close-timeout=5", *options,
               "builtabot.asgi:application"]  # fmt: skip
    environment = {**os.environ, "PORT": str(port), "DJANGO_SETTINGS_MODULE": "builtabot.settings"}
    with (folder / "daphne.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _await_open(port, process, folder / "daphne.log")
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _await_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"daphne ended:\n{log.read_text()[-3000:]}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"daphne did not open its port:\n{log.read_text()[-3000:]}")


@contextmanager
def working(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a worker for everything but indexing, for a server at `port`; its log is in `folder`."""
    command = [sys.executable, "-m", "celery", "-A", "builtabot", "worker", "-P", "threads", "-c", "4", "-Q",
               "chat,watch,outside", "--without-gossip", "--without-mingle", "-l", "INFO"]  # fmt: skip
    environment = {**os.environ, "PORT": str(port), "DJANGO_SETTINGS_MODULE": "builtabot.settings"}
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
