"""A pytest plugin (`-p tests.browser.plugin`): starts the real product when the run begins, if browser tests are
wanted, and stops it at the end.

The product reads its whole help centre before it is ready, which takes longer than any test; the others run
meanwhile. With several workers only the controller starts it, and they find it by an environment variable.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.browser.product import Product, start, stop
from tests.browser.sites import help_centre
from tests.browser.timings import TIMINGS, lines
from tests.fakes.http_server import HttpFake
from tests.fakes.slack_server import FakeSlack

VARIABLE = "BROWSER_TEST_PRODUCT"
HERE = Path(__file__).parent
_started: list[tuple[Product, tuple[HttpFake, ...]]] = []


def _wanted(config: pytest.Config) -> bool:
    """Whether the paths of this run include the browser tests."""
    if config.option.collectonly or hasattr(config, "workerinput"):
        return False
    chosen = [(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args]
    ignored = [(config.invocation_params.dir / arg).resolve() for arg in config.option.ignore or ()]
    return any(HERE.is_relative_to(path) or path.is_relative_to(HERE) for path in chosen) and HERE not in ignored


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if _wanted(session.config):
        TIMINGS.unlink(missing_ok=True)
        slack, site = FakeSlack().start(), help_centre().start()
        slack.channels["C0KAYAKS"] = "kayak-help"  # a channel leads to one chatbot, and the demo's has the other
        folder = Path(tempfile.mkdtemp(prefix="builtabot-product-")) / "data"
        product = start(folder, slack, help_centre=site.origin)
        _started.append((product, (slack, site)))
        told = [product.port, str(folder), product.process_id, product.slack_api, product.help_centre]
        os.environ[VARIABLE] = json.dumps(told)


def pytest_sessionfinish() -> None:
    while _started:
        product, servers = _started.pop()
        stop(product)
        for server in servers:
            server.stop()
        shutil.rmtree(product.folder.parent, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the six steps took, each beside its target."""
    told = lines() if _wanted(terminalreporter.config) else []
    if told:
        terminalreporter.section("the six steps")
        for line in told:
            terminalreporter.line(line)


def found() -> Product:
    """The product of this run."""
    port, folder, process_id, slack_api, site = json.loads(os.environ[VARIABLE])
    return Product(port, Path(folder), process_id, slack_api, site)
