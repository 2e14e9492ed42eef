"""The state that travels through Slack while an owner connects a workspace: signed, good for ten minutes, and
bound to the browser session that began it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from django.core import signing

from livesupport.slack.errors import ConnectRefused
from tenants.hosts import primary_host
from tenants.models import Tenant

SALT = "livesupport.slack.oauth"
LIFETIME_SECONDS = 600


@dataclass(frozen=True)
class State:
    """Where the installation belongs, and whose browser asked for it. `session` is a digest of the session key."""

    schema: str
    project: str
    seat: int
    session: str


def digest(session_key: str | None) -> str:
    """What of a session key may leave the house."""
    return hashlib.sha256(f"{SALT}:{session_key or ''}".encode()).hexdigest()[:32]


def write(state: State) -> str:
    """The state as text for a URL."""
    return signing.dumps(asdict(state), salt=SALT)


def read(text: str) -> State:
    """The state behind a text. Raises ConnectRefused when it is not ours, or too old."""
    try:
        return State(**signing.loads(text, salt=SALT, max_age=LIFETIME_SECONDS))
    except (signing.BadSignature, TypeError) as error:
        raise ConnectRefused from error


def host_of(state: State) -> str:
    """The host of the state's tenant. Raises ConnectRefused when there is none any more."""
    tenant = Tenant.objects.filter(schema_name=state.schema).first()
    if tenant is None:
        raise ConnectRefused
    return primary_host(tenant)
