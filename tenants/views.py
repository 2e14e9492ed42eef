"""The doors: the landing page, from the public sign-in to a tenant's host, and out again."""

from __future__ import annotations

from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from allauth.core import ratelimit
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenants import addresses, tickets
from tenants.access import LOGIN_BACKEND, SESSION_TENANT, TenantRequest, refuse, seat_of
from tenants.errors import TicketRefused
from tenants.forms import is_taken
from tenants.hosts import primary_host, public_url, tenant_url
from tenants.models import Plan, Tenant, User
from tenants.schema import PUBLIC, run_in

_LEFT = signing.TimestampSigner(salt="tenants.left")
_LEFT_SECONDS = 60
# The prefix keeps other hosts of ours from planting one; browsers take it with https only.
_NONCE = "__Host-entering" if settings.SESSION_COOKIE_SECURE else "entering"
_NONCE_SECONDS = 3600  # as long as somebody may sit at the sign-in form


@require_GET
def landing(request: TenantRequest) -> HttpResponse:
    """The public front page, with the plan that sign-up starts on."""
    plan = Plan.objects.get(key="professional")
    price = f"{plan.price_cents / 100:.2f}"
    return render(request, "tenants/landing.html", {"plan": plan, "price": price})


@require_GET
@never_cache
def propose_address(request: TenantRequest) -> HttpResponse:
    """JSON for the sign-up page: the host name that a business of this name would get now."""
    business = request.GET.get("business", "")[:80].strip()
    address = addresses.propose(business, is_taken) if business else ""
    return JsonResponse({"address": address, "host": f"{address}.{settings.BASE_DOMAIN}" if address else ""})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def confirm_address(request: TenantRequest) -> HttpResponse:
    """That a letter with a link is on its way; who is signed in may ask for another, one in three minutes."""
    unconfirmed = EmailAddress.objects.filter(user_id=request.user.pk, verified=False).order_by("-primary").first()
    said = ""
    if request.method == "POST" and unconfirmed is not None:
        key = unconfirmed.email.lower()
        said = "sent" if ratelimit.consume(request, action="confirm_email", key=key) else "too_soon"
        if said == "sent":
            unconfirmed.send_confirmation(request)
    return render(request, "account/verification_sent.html", {"unconfirmed": unconfirmed, "said": said})


@login_required
@require_GET
@never_cache
def go(request: TenantRequest) -> HttpResponse:
    """From the public host to a tenant's, to the one that is meant, or else to a choice: with a ticket, if that
    host's browser asked for it with `?browser=`; else by way of its door, which asks."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  login_required says so to people, this to mypy
    tenants = list(Tenant.objects.filter(memberships__user=user).order_by("name"))
    hosts = {primary_host(tenant): tenant for tenant in tenants}
    wanted = request.GET.get("to", "")
    path = safe_path(request.GET.get("next", ""), default="/live/")
    host = wanted if wanted in hosts else next(iter(hosts)) if len(hosts) == 1 and not wanted else None
    if host is None:
        places = [{"host": host, "name": tenant.name} for host, tenant in hosts.items()]
        context = {"places": places, "wanted": wanted, "next": path}
        return render(request, "tenants/go.html", context, status=403 if wanted else 200)
    challenge = request.GET.get("browser", "")
    if not tickets.is_challenge(challenge):
        return HttpResponseRedirect(tenant_url(host, "/enter/?" + urlencode({"from": "go", "next": path})))
    ticket = tickets.issue(user=user, host=host, challenge=challenge)
    return HttpResponseRedirect(tenant_url(host, "/enter/?" + urlencode({"ticket": ticket, "next": path})))


@require_GET
@never_cache
def enter(request: TenantRequest) -> HttpResponse:
    """A tenant host's only way in: redeem a ticket, or fetch one at the public host."""
    path = safe_path(request.GET.get("next", ""), default="/live/")
    ticket = request.GET.get("ticket", "")
    if not ticket:
        return _fetch_ticket(request, path)
    host = request.get_host().split(":")[0]
    try:
        nonce = request.COOKIES.get(_NONCE, "")
        user = run_in(PUBLIC, tickets.redeem, token=ticket, host=host, nonce=nonce)
    except TicketRefused as error:
        if request.seat is not None:  # the "back" button, or a doubled click
            return HttpResponseRedirect(path)
        return render(request, "tenants/ticket_refused.html", {"sentence": error.sentence}, status=403)
    if seat_of(user.pk) is None:
        return refuse(request, "no_seat", f"You have no seat at {request.tenant.name}.")
    login(request, user, backend=LOGIN_BACKEND)
    request.session[SESSION_TENANT] = request.tenant.pk
    return HttpResponseRedirect(path)


def _fetch_ticket(request: TenantRequest, path: str) -> HttpResponse:
    """Ask the public host for a ticket. Who comes from there may be somebody else than was here before."""
    if request.GET.get("from") != "go":
        if request.seat is not None:
            return HttpResponseRedirect(path)
        if request.user.is_authenticated:  # going round once more would bring the same person back
            return refuse(request, "no_seat", f"You have no seat at {request.tenant.name}.")
    host = request.get_host().split(":")[0]
    nonce = request.COOKIES.get(_NONCE) or tickets.new_nonce()  # two tabs may ask at the same time
    asked = {"to": host, "next": path, "browser": tickets.challenge_of(nonce)}
    response = HttpResponseRedirect(public_url("/go/?" + urlencode(asked)))
    response.set_cookie(
        _NONCE,
        nonce,
        max_age=_NONCE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_POST
def leave(request: TenantRequest) -> HttpResponse:
    """Sign out here, and on the public host too: else one click would bring the next person back in."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect(public_url("/"))
    token = _LEFT.sign(str(request.user.pk))
    logout(request)
    return HttpResponseRedirect(public_url("/left/?" + urlencode({"by": token})))


@require_GET
@never_cache
def left(request: TenantRequest) -> HttpResponse:
    """The public half of `leave`; only the person who left is signed out."""
    try:
        user_id = _LEFT.unsign(request.GET.get("by", ""), max_age=_LEFT_SECONDS)
    except signing.BadSignature:
        user_id = ""
    if request.user.is_authenticated and str(request.user.pk) == user_id:
        logout(request)
    return render(request, "tenants/left.html", {"signed_out": not request.user.is_authenticated})


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """What Django shows when a form comes without its token: the same page as every refusal."""
    return refuse(request, "form_expired", "This form was open for too long. Go back, reload it, and send it again.")


def safe_path(given: str, *, default: str) -> str:
    """`given` if it is a path on the same host, else `default`: nobody is sent elsewhere by a link."""
    is_path = given.startswith("/") and url_has_allowed_host_and_scheme(given, allowed_hosts=None)
    return given if is_path and not given.startswith(("/enter/", "/leave/")) else default
