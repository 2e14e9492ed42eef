"""What goes into a route's parameters: the id of one's own, of another visitor's, of another tenant's, or none.

A parameter that stands in no table here fails the matrix: whoever adds a route says what its ids are.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from tests.cast import Cast, Thread

Pick = Callable[[Cast, Thread], object]
MISSING_NUMBER = "987654321"
MISSING_UUID = str(UUID(int=2**122 + 12345, version=4))

# Parameter -> whose row it names.
PARAMETERS: dict[str, Pick] = {
    "conversation_id": lambda cast, thread: thread.conversation_id,
    "lead_id": lambda cast, thread: thread.lead_id,
}

# Admin pages take `object_id`; which row that is depends on the model.
ADMIN_ROWS: dict[str, Pick] = {
    "workspace_project": lambda cast, thread: cast.project_id,
    "workspace_seat": lambda cast, thread: cast.agent.seat_id,
    "workspace_auditentry": lambda cast, thread: cast.audit_id,
    "workspace_outboxentry": lambda cast, thread: cast.outbox_id,
    "knowledge_source": lambda cast, thread: cast.source_id,
    "knowledge_crawlrun": lambda cast, thread: cast.run_id,
    "knowledge_document": lambda cast, thread: cast.document_id,
    "chat_conversation": lambda cast, thread: thread.conversation_id,
    "livesupport_lead": lambda cast, thread: thread.lead_id,
    "insights_knowledgegap": lambda cast, thread: cast.gap_id,
    # The platform's own site, on the public host.
    "tenants_tenant": lambda cast, thread: cast.tenant_id,
    "tenants_user": lambda cast, thread: cast.owner.user_id,
}


class UnknownParameter(Exception):
    """A route asks for something that no table names."""


def model_of(route_name: str) -> str:
    """`admin:chat_conversation_change` -> `chat_conversation`."""
    return route_name.split(":")[-1].rsplit("_", 1)[0]


def pick_for(route_name: str, parameter: str) -> Pick:
    """The picker of one parameter. Raises UnknownParameter."""
    if parameter == "object_id":
        for label, pick in ADMIN_ROWS.items():
            if route_name.split(":")[-1].startswith(label + "_"):
                return pick
        raise UnknownParameter(f"{route_name}: add {model_of(route_name)} to ADMIN_ROWS in {__name__}")
    if parameter in PARAMETERS:
        return PARAMETERS[parameter]
    raise UnknownParameter(f"{route_name}: add {parameter} to PARAMETERS in {__name__}")


def own(route_name: str, parameters: tuple[str, ...], cast: Cast, thread: Thread) -> dict[str, str]:
    return {name: str(pick_for(route_name, name)(cast, thread)) for name in parameters}


def missing(route_name: str, parameters: tuple[str, ...], cast: Cast) -> dict[str, str]:
    """Values of the right form that name nothing anywhere."""
    found = {}
    for name, value in own(route_name, parameters, cast, cast.thread).items():
        found[name] = MISSING_NUMBER if value.isdigit() else MISSING_UUID
    return found
