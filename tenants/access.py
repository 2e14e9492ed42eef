"""Who may come in: the seat behind a session, and the door in front of a view."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http.cookies import CookieError, SimpleCookie
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import timezone

from tenants.models import Tenant, User
from tenants.workspace.models import Seat

P = ParamSpec("P")
SESSION_TENANT = "tenant_id"
LOGIN_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class TenantRequest(HttpRequest):
    """A request behind our middleware. `seat` is None for strangers, and on the public host."""

    tenant: Tenant
    seat: Seat | None


class SeatRequest(TenantRequest):
    """A request of somebody with a seat: what `seat_required` hands to its view."""

    seat: Seat


def seat_of(user_id: int) -> Seat | None:
    """The user's working seat in the present schema, or None: no seat, switched off, or run out."""
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return Seat.objects.filter(unexpired, user_id=user_id, is_active=True).first()


def seat_for_session_key(session_key: str, tenant_id: int) -> int | None:
    """The seat id behind a session key, or None. Call it inside the tenant's schema.

    As strict as a page request: the session must have been opened at this tenant's host, and dies when the
    user's password changes, or the user or the seat is switched off.
    """
    if not session_key:
        return None
    probe = HttpRequest()
    probe.session = SessionStore(session_key)
    if probe.session.get(SESSION_TENANT) != tenant_id:
        return None
    user = get_user(probe)
    seat = seat_of(user.pk) if user.is_authenticated and user.is_active else None
    return seat.pk if seat else None


def session_key_in(cookie_header: str) -> str:
    """The session key in a raw Cookie header; empty when there is none."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookie_header)
    except CookieError:
        return ""
    found = jar.get(settings.SESSION_COOKIE_NAME)
    return found.value if found else ""


def open_session(*, user: User, tenant: Tenant, seconds: int) -> str:
    """Store a session of a user at one tenant's host, for a program that acts as them; return its key."""
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = LOGIN_BACKEND
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store[SESSION_TENANT] = tenant.pk
    store.set_expiry(seconds)
    store.create()
    return str(store.session_key)


View = Callable[Concatenate[Any, P], HttpResponse]


def seat_required(*roles: str) -> Callable[[View[P]], View[P]]:
    """Let in people with a working seat, of one of `roles` if any are named.

    A stranger's GET goes to the sign-in and comes back; everything else is refused with 403: a page, or
    `{"code", "sentence"}` for programs.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: TenantRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.seat is None and not request.user.is_authenticated:
                if request.method == "GET" and not wants_json(request):
                    return HttpResponseRedirect("/enter/?" + urlencode({"next": request.get_full_path()}))
                return refuse(request, "not_signed_in", "Your session has ended. Sign in again.")
            if request.seat is None:
                return refuse(request, "no_seat", f"You have no seat at {request.tenant.name}.")
            if roles and request.seat.role not in roles:
                return refuse(request, "not_allowed", f"Your role, {request.seat.role}, does not include this.")
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asks: it sends JSON, accepts no HTML, or says it is a fetch."""
    accept = request.headers.get("Accept", "*/*")
    by_script = request.headers.get("Sec-Fetch-Mode") in {"cors", "same-origin"}
    accepts_data = "json" in accept and "html" not in accept
    return request.content_type == "application/json" or by_script or accepts_data


def refuse(request: HttpRequest, code: str, sentence: str) -> HttpResponse:
    """403 in the form that the asker can read."""
    if wants_json(request):
        return JsonResponse({"code": code, "sentence": sentence}, status=403)
    return render(request, "tenants/refused.html", {"code": code, "sentence": sentence}, status=403)
