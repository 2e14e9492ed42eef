"""What chat needs to know from apps to its right. Bound by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tenants import billing
from tenants.workspace.models import Project


@dataclass(frozen=True)
class Promise:
    """Who can answer, and by when. `within_seconds` is None when nothing can be promised; `names` are the
    first names of those who are there; `opens_at` is the next opening when nobody is (aware, or None)."""

    reachable: bool
    within_seconds: int | None = None
    names: tuple[str, ...] = ()
    opens_at: datetime | None = None

    def as_wire(self) -> dict[str, object]:
        """The promise as docs/protocol.md writes it."""
        return {
            "reachable": self.reachable,
            "within_seconds": self.within_seconds,
            "names": list(self.names),
            "opens_at": self.opens_at.isoformat() if self.opens_at else None,
        }


Reachability = Callable[[Project, datetime, bool], Promise]
_reachability: Reachability | None = None


def bind(reachability: Reachability) -> None:
    """Say who knows whether somebody is there."""
    global _reachability
    _reachability = reachability


def reachability(project: Project, now: datetime, is_test: bool) -> Promise:
    """Who could take a handoff of `project` at `now`. For a test conversation only the rehearsal seat counts,
    at any hour. Unbound means nobody is reachable; so does a plan that has ended."""
    if billing.current().has_ended:
        return Promise(reachable=False)
    return _reachability(project, now, is_test) if _reachability else Promise(reachable=False)
