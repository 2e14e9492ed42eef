"""From the Host header to the tenant, and from the session to the person's seat there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils.functional import SimpleLazyObject

from tenants.access import SESSION_TENANT, TenantRequest, seat_of
from tenants.hosts import parse_host, tenant_at
from tenants.models import Tenant
from tenants.schema import PUBLIC, run_in

GetResponse = Callable[[HttpRequest], HttpResponse]


class TenantHostMiddleware:
    """Runs the request inside the schema that its Host header names. Unknown hosts get nothing.

    Only the Host header counts; X-Forwarded-Host and the like are never read.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: TenantRequest) -> HttpResponse:
        host = parse_host(request.META.get("HTTP_HOST", ""))
        tenant: Tenant | None = run_in(PUBLIC, tenant_at, host) if host else None
        if tenant is None:
            return HttpResponseNotFound(b"", content_type="text/plain")
        request.tenant = tenant
        schema = str(tenant.schema_name)
        request.urlconf = settings.PUBLIC_SCHEMA_URLCONF if schema == PUBLIC else settings.ROOT_URLCONF
        return run_in(schema, self.get_response, request)


class SeatMiddleware:
    """A session is good at the one host where it was opened: anywhere else its bearer is anonymous."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: TenantRequest) -> HttpResponse:
        request.seat = None
        # Without a cookie nothing is asked of the database: the widget's requests carry none.
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        signed_in = request.user
        person: Any = SimpleLazyObject(
            lambda: signed_in if request.session.get(SESSION_TENANT) == request.tenant.pk else AnonymousUser()
        )
        request.user = person
        if request.tenant.schema_name != PUBLIC and request.user.is_authenticated:
            request.seat = seat_of(request.user.pk)
        return self.get_response(request)
