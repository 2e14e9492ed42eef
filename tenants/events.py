"""Events: frozen dataclasses of primitives, past tense. `publish` runs their listeners.

Which listener hears which event is one table, filled by the composition root when a process starts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from tenants.schema import current_schema, run_in

log = logging.getLogger(__name__)
Listener = Callable[[Any], None]

_within: dict[type, tuple[Listener, ...]] = {}
_after: dict[type, tuple[Listener, ...]] = {}


@dataclass(frozen=True)
class Event:
    """Base of all events. Fields are primitives: strings, numbers, booleans, None, tuples of these."""


def bind(*, within: Mapping[type, Sequence[Listener]], after: Mapping[type, Sequence[Listener]]) -> None:
    """Fill the table. `within` listeners run in the publishing transaction and only insert rows; `after`
    listeners run once it has committed and are nudges: losing one loses nothing."""
    _within.clear()
    _after.clear()
    _within.update({kind: tuple(listeners) for kind, listeners in within.items()})
    _after.update({kind: tuple(listeners) for kind, listeners in after.items()})


def publish(event: Event) -> None:
    """Tell the listeners of `event`. Must be called inside the transaction that made it true."""
    schema = current_schema()
    for listener in _within.get(type(event), ()):
        listener(event)
    for listener in _after.get(type(event), ()):
        transaction.on_commit(partial(_nudge, schema, listener, event))


def _nudge(schema: str, listener: Listener, event: Event) -> None:
    try:
        run_in(schema, listener, event)
    except Exception:  # noqa: BLE001  a nudge is only a hint: the row is safe, the sweep finds it
        log.exception("nudge lost: %s after %s", listener.__name__, type(event).__name__)


@dataclass(frozen=True)
class ExternalEventKept(Event):
    """A verified call from outside was stored, and waits to be handled."""

    event_id: int


@dataclass(frozen=True)
class OutboxPosted(Event):
    """Something waits to leave the house."""

    entry_id: int


@dataclass(frozen=True)
class PlanMoved(Event):
    """A business's plan went to another state: `trial`, `active`, `cancelled` or `ended`."""

    tenant_id: int
    state: str
