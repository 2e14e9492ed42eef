"""The whole product under its own supervisor, on a data folder and ports of its own, and a browser to look at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.fakes.slack_server import CallsUs, FakeSlack

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / ".artifacts"
READY_SECONDS = 240
STOP_SECONDS = 30
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# What would reach the product under test from the run around it.
SLACK_SECRET = "the-stand-ins-secret"
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "EMBEDDER_DIR")


_ours: dict[int, subprocess.Popen[bytes]] = {}  # what this process itself started


@dataclass(frozen=True)
class Product:
    """A running product: its ports, its data, its people's password, the Slack it knows, and the one address beside
    its own demo's that its crawler may read on this machine."""

    port: int
    folder: Path
    process_id: int
    slack_api: str = ""
    help_centre: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether its supervisor still runs."""
        if self.process_id in _ours:
            return _ours[self.process_id].poll() is None
        try:
            os.kill(self.process_id, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def shop(self) -> str:
        """The customer's website: another site than the widget's."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def public(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def tenant(self) -> str:
        return f"http://acme.localhost:{self.port}"

    @property
    def password(self) -> str:
        run = json.loads((self.folder / "run.json").read_text())
        return str(run["demo_password"])

    def manage(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`manage.py <command>` as somebody at another terminal would run it."""
        environment = _environment(self.folder, self.port, self.slack_api)
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def errors(self) -> list[str]:
        """Tracebacks in the product's logs."""
        logs = sorted((self.folder / "logs").glob("*.log"))
        return [
            f"{log.name}: {text[text.index('Traceback') :][:1500]}"
            for log in logs
            if "Traceback" in (text := log.read_text())
        ]


def _environment(folder: Path, port: int, slack_api: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {
        **kept,
        "DATA_DIR": str(folder),
        "PORT": str(port),
        "SLACK_API_URL": slack_api or "http://127.0.0.1:9/api/",
        "SLACK_CLIENT_ID": "stand-in",
        "SLACK_CLIENT_SECRET": "stand-in",
        "SLACK_SIGNING_SECRET": SLACK_SECRET,
    }


def free_ports() -> int:
    """A port that is free together with the next one."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port
    raise AssertionError("no two free ports in a row")


def start(folder: Path, slack: FakeSlack | None = None, *, help_centre: str = "") -> Product:
    """Start the demo, and do not wait for it. Its Slack, if one is given, calls it from now on."""
    port = free_ports()
    if slack is not None:
        slack.calls_us = CallsUs(SLACK_SECRET, f"http://127.0.0.1:{port}/", f"localhost:{port}")
    slack_api = slack.base_url if slack else ""
    ARTIFACTS.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "builtabot.embedded.supervisor", "--port", str(port), "--data", str(folder)]
    environment = {**_environment(folder, port, slack_api), "CRAWL_ALLOW_PRIVATE": urlsplit(help_centre).netloc}
    with (ARTIFACTS / "supervisor.log").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    _ours[process.pid] = process
    return Product(port, folder, process.pid, slack_api, help_centre)


def stop(product: Product) -> None:
    """Stop it as Ctrl-C would, and keep its logs."""
    deadline = time.monotonic() + STOP_SECONDS
    with suppress(ProcessLookupError):
        os.kill(product.process_id, signal.SIGTERM)
        while product.is_alive and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(product.process_id, signal.SIGKILL)
    shutil.rmtree(ARTIFACTS / "logs", ignore_errors=True)
    with suppress(OSError):
        shutil.copytree(product.folder / "logs", ARTIFACTS / "logs")


@contextmanager
def running(folder: Path) -> Iterator[Product]:
    """The demo, ready, for a block."""
    product = start(folder)
    try:
        await_ready(product)
        yield product
    finally:
        stop(product)


def await_ready(product: Product) -> None:
    """Wait until /readyz says that the content is there and the workers live."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and product.is_alive:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{product.port}/readyz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.5)
    raise AssertionError(f"the product is not ready:\n{(ARTIFACTS / 'supervisor.log').read_text()[-4000:]}")


def chromium() -> str | None:
    """The machine's Chromium, or None: then Playwright's own is tried."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browsing() -> Iterator[Browser]:
    """A headless Chromium. Raises playwright's Error when there is none at all."""
    with sync_playwright() as playwright:
        yield launch(playwright)


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
