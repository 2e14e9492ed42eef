"""What a month of support costs in three models, from the reader's own numbers; and the page that shows it.

Every number is an assumption of the reader. static/js/pricing.js computes the same in the browser; a test holds
the two together. Agents are hired whole: each division is rounded up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tenants.access import TenantRequest
from tenants.billing import GRACE_PERCENT
from tenants.models import Plan


@dataclass(frozen=True)
class Assumption:
    """One number that the reader gives: its name in the address, and the whole numbers that make sense."""

    name: str
    label: str
    help: str
    begins: int
    least: int
    most: int

    @property
    def error(self) -> str:
        return f"A whole number from {self.least:,} to {self.most:,}."


ASSUMPTIONS = (
    Assumption("tickets", "Tickets a month", "Chats, mails and calls that want an answer.", 2_000, 1, 1_000_000),
    Assumption("cost", "One agent’s month, in dollars", "Pay, taxes and tools.", 8_000, 0, 100_000),
    Assumption("per_agent", "Tickets an agent handles a month", "About 33 on each working day.", 700, 1, 100_000),
    Assumption("share", "Share the AI resolves, in percent", "70 to 80 is a usual assumption.", 75, 0, 100),
)


@dataclass(frozen=True)
class Numbers:
    """What the reader assumes: `cost` in whole dollars, `share` in percent."""

    tickets: int = 2_000
    cost: int = 8_000
    per_agent: int = 700
    share: int = 75

    @property
    def for_people(self) -> int:
        """Tickets that the AI does not resolve, a begun one counted whole."""
        return _ceil(self.tickets * (100 - self.share), 100)


@dataclass(frozen=True)
class Model:
    """One way to run support: how many agents, what it costs a month, and how many tickets find nobody."""

    agents: int
    cents: int
    unanswered: int = 0


@dataclass(frozen=True)
class Comparison:
    human: Model
    ai: Model
    hybrid: Model


def _ceil(part: int, size: int) -> int:
    return -(-part // size)


def compare(numbers: Numbers, *, plan_cents: int) -> Comparison:
    """The three models: people alone, the plan alone, and the plan with the people that the rest of it needs."""
    alone = _ceil(numbers.tickets, numbers.per_agent)
    beside = _ceil(numbers.for_people, numbers.per_agent)
    return Comparison(
        human=Model(alone, alone * numbers.cost * 100),
        ai=Model(0, plan_cents, numbers.for_people),
        hybrid=Model(beside, plan_cents + beside * numbers.cost * 100),
    )


def dollars(cents: int) -> str:
    """Whole dollars, half a dollar rounded up."""
    return f"${(cents + 50) // 100:,}"


def figures(numbers: Numbers, *, plan_cents: int) -> dict[str, str]:
    """Every figure of the page as it is written there, by the name that the page and its script call it."""
    found = compare(numbers, plan_cents=plan_cents)
    most = max(found.human.cents, found.ai.cents, found.hybrid.cents) or 1
    shown = {
        "tickets": f"{numbers.tickets:,}",
        "cost": f"${numbers.cost:,}",
        "per_agent": f"{numbers.per_agent:,}",
        "rest_share": f"{100 - numbers.share}%",
        "for_people": f"{numbers.for_people:,}",
    }
    for name, model in (("human", found.human), ("ai", found.ai), ("hybrid", found.hybrid)):
        shown[f"{name}_cost"] = dollars(model.cents)
        plural = "" if model.agents == 1 else "s"
        shown[f"{name}_agents"] = f"{model.agents:,} agent{plural}" if model.agents else "none"
        shown[f"{name}_unanswered"] = f"{model.unanswered:,}" if model.unanswered else "none"
        shown[f"{name}_bar"] = str(100 * model.cents // most)
    return shown


def read_numbers(given: Mapping[str, str]) -> tuple[Numbers, dict[str, str]]:
    """The numbers of an address, and what is wrong with them by name; a wrong one counts as it began."""
    values, errors = {}, {}
    for each in ASSUMPTIONS:
        text = given.get(each.name, str(each.begins)).strip()
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
        if number is None or not each.least <= number <= each.most:
            errors[each.name] = each.error
            number = each.begins
        values[each.name] = number
    return Numbers(**values), errors


@require_GET
def pricing(request: TenantRequest) -> HttpResponse:
    """`?tickets=&cost=&per_agent=&share=`: the reader's numbers, for a page that needs no script."""
    plan = Plan.objects.get(key="professional")
    numbers, errors = read_numbers(request.GET)
    fields: list[dict[str, Any]] = [
        {"is": each, "value": request.GET.get(each.name, str(each.begins))[:12], "error": errors.get(each.name)}
        for each in ASSUMPTIONS
    ]
    limit = plan.conversations_per_month
    context = {
        "plan": plan,
        "price": f"{plan.price_cents / 100:.2f}",
        "grace": GRACE_PERCENT,
        "fields": fields,
        "figures": figures(numbers, plan_cents=plan.price_cents),
        "is_over": limit is not None and numbers.tickets > limit,
    }
    return render(request, "tenants/pricing.html", context)
