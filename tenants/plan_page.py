"""The plan's page on a tenant's host: what is used, until when it runs, and the owner's three decisions."""

from __future__ import annotations

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenants import actions, billing, ports
from tenants.access import SeatRequest, seat_required
from tenants.errors import ProductError
from tenants.hosts import tenant_url
from tenants.models import Tenant
from tenants.ports import Order
from tenants.workspace.policies import may_change_plan

State = Tenant.Subscription


@require_GET
@never_cache
@seat_required("owner", "admin")
def plan(request: SeatRequest) -> HttpResponse:
    """The plan with its limits."""
    return render(request, "tenants/plan.html", _context(request) | {"limits": billing.allowances(request.tenant)})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@seat_required("owner")
def cancel(request: SeatRequest) -> HttpResponse:
    """Says what cancelling means and until when the plan runs; a POST with `sure` does it."""
    if request.method == "POST" and request.POST.get("sure"):
        return _decide(request, actions.cancel_plan, "Cancelled. It runs until {end}; until then you can keep it.")
    tenant = request.tenant
    until = tenant.trial_ends_at if tenant.standing() == State.TRIAL else billing.month_of(tenant).end
    return render(request, "tenants/plan_cancel.html", _context(request) | {"until": until})


@require_POST
@seat_required("owner")
def keep(request: SeatRequest) -> HttpResponse:
    """Take the cancellation back."""
    return _decide(request, actions.keep_plan, "The plan goes on.")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@seat_required("owner")
def start(request: SeatRequest) -> HttpResponse:
    """A POST leads to the payment provider's page; without a provider the page says to whom to write."""
    tenant = request.tenant
    if request.method == "POST" and tenant.plan is not None:
        back = tenant_url(request.get_host().split(":")[0], "/plan/")
        order = Order(
            tenant_id=tenant.pk,
            schema=str(tenant.schema_name),
            plan_key=tenant.plan.key,
            price_cents=tenant.plan.price_cents,
            email=request.seat.email,
            back=back,
        )
        try:
            page = ports.checkout(order)
        except ProductError as error:
            messages.error(request, error.sentence)
            return HttpResponseRedirect("/plan/")
        if page:
            return HttpResponseRedirect(page)
    contact = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return render(request, "tenants/plan_start.html", _context(request) | {"contact": contact})


def _decide(request: SeatRequest, action: Any, said: str) -> HttpResponse:
    try:
        tenant: Tenant = action(by=request.seat)
    except ProductError as error:
        messages.error(request, error.sentence)
    else:
        messages.success(request, said.format(end=billing.day(tenant.ends_at) if tenant.ends_at else ""))
    return HttpResponseRedirect("/plan/")


def _context(request: SeatRequest) -> dict[str, Any]:
    tenant = request.tenant
    state = tenant.standing()
    is_free = tenant.plan is None or not tenant.plan.price_cents
    may_decide = may_change_plan(request.seat)
    return {
        "seat": request.seat,
        "tenant": tenant,
        "plan": tenant.plan,
        "price": f"{tenant.plan.price_cents / 100:.2f}" if tenant.plan else "",
        "state": str(state),
        "state_sentence": _state_sentence(tenant, state, is_free=is_free),
        "is_free": is_free,
        "may_decide": may_decide,
        "may_start": may_decide and not is_free and state in (State.TRIAL, State.ENDED),
        "may_cancel": may_decide and not is_free and state in (State.TRIAL, State.ACTIVE),
        "may_keep": may_decide and state == State.CANCELLED,
    }


def _state_sentence(tenant: Tenant, state: str, *, is_free: bool) -> str:
    """Where the plan stands, with the one date that matters."""
    if state == State.ENDED:
        return billing.ended_sentence(tenant)
    if state == State.TRIAL and tenant.trial_ends_at is not None:
        return f"Free until {billing.day(tenant.trial_ends_at)}, with everything. Then the AI rests till a plan starts."
    if state == State.CANCELLED and tenant.ends_at is not None:
        return f"Cancelled. Everything runs until {billing.day(tenant.ends_at)}, and you can still keep it."
    if is_free:
        return "It costs nothing and has no end."
    return f"Renews on {billing.day(billing.month_of(tenant).end)}."
