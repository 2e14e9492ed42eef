"""Joining a business by invitation, on the public host: the page behind the letter's link.

Only a link that we signed is looked up. What is wrong with one of ours is told to its holder; everything else is
one and the same answer, and touches no tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from allauth.core import ratelimit
from django.contrib.auth import login
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tenants.access import LOGIN_BACKEND, SESSION_TENANT, TenantRequest
from tenants.accounts import Newcomer, join, join_as_newcomer
from tenants.errors import NameTaken, TenantError
from tenants.forms import JoinForm
from tenants.hosts import primary_host
from tenants.models import Membership, Tenant, User
from tenants.schema import PUBLIC, run_in
from tenants.workspace import invitations
from tenants.workspace.errors import InvitationOver
from tenants.workspace.invitations import Offer


@dataclass(frozen=True)
class Found:
    """What a good link leads to."""

    tenant: Tenant
    secret: str
    offer: Offer

    @property
    def schema(self) -> str:
        """Where the invitation lies."""
        return str(self.tenant.schema_name)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invitation(request: TenantRequest, token: str) -> HttpResponse:
    """Names the business and who invites; a POST takes the seat and leads to the business's own host."""
    # Posts alone are counted: looking at a made-up link costs one hash, and asks no tenant.
    limited: HttpResponse | None = ratelimit.consume_or_429(request, action="invitation")
    if limited is not None:
        return limited
    found = _find(token)
    if found is None:
        return _over(request, InvitationOver("unknown"), status=404)
    if found.offer.state != "open":
        if found.offer.state == "used" and _is_in(request, found):
            return _go_in(found)
        return _over(request, InvitationOver(found.offer.state), status=410)
    answer = _with_account(request, found) if request.user.is_authenticated else _as_stranger(request, found)
    # The link is a key: no other site learns it from us. (Our own form's check needs the rest of the header.)
    answer["Referrer-Policy"] = "same-origin"
    return answer


def _find(token: str) -> Found | None:
    read = invitations.read_token(token)
    tenant = Tenant.objects.exclude(schema_name=PUBLIC).filter(schema_name=read[0]).first() if read else None
    if read is None or tenant is None:
        return None
    offer = run_in(read[0], invitations.look, secret=read[1])
    return Found(tenant, read[1], offer) if offer else None


def _with_account(request: TenantRequest, found: Found) -> HttpResponse:
    """Somebody who is signed in: a button if the invitation is theirs, else the way to be somebody else."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  the caller asked; this is for mypy
    is_theirs = user.email.lower() == found.offer.email
    if request.method == "POST" and is_theirs:
        try:
            join(schema=found.schema, secret=found.secret, user=user)
        except TenantError as error:
            return _over(request, error, status=409)
        return _go_in(found)
    context = _context(request, found) | {"is_theirs": is_theirs}
    status = 403 if request.method == "POST" else 200
    return render(request, "tenants/invitation.html", context, status=status)


def _as_stranger(request: TenantRequest, found: Found) -> HttpResponse:
    """Nobody yet: sign in, or, where the address has no account, make one on the spot."""
    email = found.offer.email
    context = _context(request, found)
    if User.objects.filter(email__iexact=email).exists():
        return render(request, "tenants/invitation.html", context | {"has_account": True})
    form = JoinForm(request.POST if request.method == "POST" else None, email=email)
    if not form.is_valid():
        return render(request, "tenants/invitation.html", context | {"form": form})
    newcomer = Newcomer(email, form.cleaned_data["name"], form.cleaned_data["password"])
    try:
        user = join_as_newcomer(schema=found.schema, secret=found.secret, newcomer=newcomer)
    except NameTaken:  # made in another tab a moment ago
        return HttpResponseRedirect(request.path)
    except TenantError as error:
        return _over(request, error, status=409)
    login(request, user, backend=LOGIN_BACKEND)
    request.session[SESSION_TENANT] = request.tenant.pk
    return _go_in(found)


def _context(request: TenantRequest, found: Found) -> dict[str, object]:
    return {"business": found.tenant.name, "offer": found.offer, "here": request.path}


def _is_in(request: TenantRequest, found: Found) -> bool:
    user = request.user
    return isinstance(user, User) and Membership.objects.filter(user=user, tenant=found.tenant).exists()


def _go_in(found: Found) -> HttpResponse:
    """To the business's host by way of `go`, which hands out the ticket."""
    return HttpResponseRedirect("/go/?" + urlencode({"to": primary_host(found.tenant), "next": "/live/"}))


def _over(request: TenantRequest, error: TenantError, *, status: int) -> HttpResponse:
    context = {"code": error.code, "sentence": error.sentence}
    return render(request, "tenants/invitation_over.html", context, status=status)
