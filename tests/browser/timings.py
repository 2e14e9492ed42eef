"""How long what a person waits for took, beside what was promised; kept for people to read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Locator

from tests.browser.product import ARTIFACTS

TIMINGS = ARTIFACTS / "six-steps" / "timings.json"
LOOK_EVERY_MS = 10
GIVE_UP_SECONDS = 20


@dataclass
class Timings:
    """`measure` adds; `ms` holds what was measured, in the order of the steps."""

    targets: dict[str, int]
    ms: dict[str, int] = field(default_factory=dict)

    def measure(self, name: str, deed: Callable[[], object], appears: Locator) -> int:
        """Do something, and wait until what follows from it can be seen; how long both took."""
        began = time.monotonic()
        deed()
        # `expect` looks every half second after a while: too coarse for a ruler.
        while not appears.is_visible():
            assert time.monotonic() - began < GIVE_UP_SECONDS, f"{name}: nothing was seen"
            appears.page.wait_for_timeout(LOOK_EVERY_MS)
        return self.note(name, began)

    def note(self, name: str, began: float) -> int:
        """Keep the time since `began`, an instant of time.monotonic()."""
        self.ms[name] = round((time.monotonic() - began) * 1000)
        return self.ms[name]

    def write(self) -> None:
        told = {name: {"ms": ms, "target_ms": self.targets.get(name)} for name, ms in self.ms.items()}
        TIMINGS.parent.mkdir(parents=True, exist_ok=True)
        TIMINGS.write_text(json.dumps(told, indent=2) + "\n")


def lines() -> list[str]:
    """What the last run wrote, a line each; none without such a run."""
    if not TIMINGS.exists():
        return []
    told = json.loads(TIMINGS.read_text()).items()
    return [
        f"{name.replace('_', ' '):<28}{row['ms']:>9,} ms"
        + (f"   target {row['target_ms']:>9,} ms" if row["target_ms"] else "")
        for name, row in told
    ]
