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
from tests.fakes.slack_server import FakeSlack

VARIABLE = "BROWSER_TEST_PRODUCT"
HERE = Path(__file__).parent
_started: list[tuple[Product, FakeSlack]] = []


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
        slack = FakeSlack().start()
        product = start(Path(tempfile.mkdtemp(prefix="builtabot-product-")) / "data", slack)
        _started.append((product, slack))
        os.environ[VARIABLE] = json.dumps([product.port, str(product.folder), product.process_id, product.slack_api])


def pytest_sessionfinish() -> None:
    while _started:
        product, slack = _started.pop()
        stop(product)
        slack.stop()
        shutil.rmtree(product.folder.parent, ignore_errors=True)


def found() -> Product:
    """The product of this run."""
    port, folder, process_id, slack_api = json.loads(os.environ[VARIABLE])
    return Product(port, Path(folder), process_id, slack_api)
