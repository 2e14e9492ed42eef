"""What `tenants` needs to know from apps to its right, or from a payment provider. Bound by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

# How many there are since an instant, in the present schema; what does not grow by the month ignores the instant.
Counter = Callable[[datetime], int]


@dataclass(frozen=True)
class Order:
    """What a business wants to pay for. `back` is the address of its own page, where the provider sends it after."""

    tenant_id: int
    schema: str
    plan_key: str
    price_cents: int
    email: str
    back: str


# The address of the provider's page where an order is paid. Nothing is active before the provider has said so on
# the public host (ExternalEvent), which then calls tenants.actions.activate_plan. A provider must also listen to
# PlanMoved, to stop charging, and its host must join `form-action` in the settings. May raise ProductError.
Checkout = Callable[[Order], str]

_counters: dict[str, Counter] = {}
_checkout: Checkout | None = None


def bind(*, counters: Mapping[str, Counter], checkout: Checkout | None = None) -> None:
    """Say who counts what the plans limit, by kind, and who takes money, if anybody."""
    global _checkout
    _counters.clear()
    _counters.update(counters)
    _checkout = checkout


def count(kind: str, since: datetime) -> int:
    """How many of a kind the present tenant has used; nothing is used where nobody counts."""
    counter = _counters.get(kind)
    return counter(since) if counter else 0


def checkout(order: Order) -> str | None:
    """Where an order is paid, or None while no provider is bound."""
    return _checkout(order) if _checkout else None
