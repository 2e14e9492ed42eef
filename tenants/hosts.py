"""Which tenant a host name belongs to, and the addresses that lead to one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from tenants.models import Domain, Tenant
from tenants.schema import PUBLIC

# A name with an optional port, nothing else: no trailing dot, no user, no IPv6, no comma of a doubled header.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"({_LABEL}(?:\.{_LABEL})*)(?::\d{{1,5}})?", re.ASCII)
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Place:
    """A tenant as its host name found it."""

    schema: str
    tenant_id: int
    host: str

    @property
    def is_public(self) -> bool:
        """Whether this is the platform's own host."""
        return self.schema == PUBLIC


def parse_host(header: str) -> str | None:
    """The lower-case name in a Host header, without its port; None for anything but exactly a name."""
    match = _HOST.fullmatch(header.lower()) if len(header) <= 260 else None
    return match.group(1) if match else None


def tenant_at(host: str) -> Tenant | None:
    """The tenant that owns a host name, public one included. The caller's queries must go to `public`."""
    domain = Domain.objects.select_related("tenant").filter(domain=host).first()
    return domain.tenant if domain else None


def place_of(host: str) -> Place | None:
    """`tenant_at` as plain data, for code that may not keep rows."""
    tenant = tenant_at(host)
    return Place(str(tenant.schema_name), tenant.pk, host) if tenant else None


def primary_host(tenant: Tenant) -> str:
    """The host name people are sent to. The caller's queries must reach `public`."""
    return str(Domain.objects.filter(tenant=tenant).order_by("-is_primary", "pk")[0].domain)


def tenant_url(domain: str, path: str = "/") -> str:
    """The full address of a path at a host name."""
    scheme, port = settings.SITE_SCHEME, settings.PORT
    shown = "" if _USUAL_PORTS.get(scheme) == port else f":{port}"
    return f"{scheme}://{domain}{shown}{path}"


def public_url(path: str = "/") -> str:
    """The full address of a path at the public host."""
    return tenant_url(settings.BASE_DOMAIN, path)


def is_origin_of(origin: str, host_header: str) -> bool:
    """Whether an Origin header names exactly the page's own scheme, host and port."""
    parts = urlsplit(origin)
    return origin == f"{parts.scheme}://{parts.netloc}" == f"{settings.SITE_SCHEME}://{host_header.lower()}"
