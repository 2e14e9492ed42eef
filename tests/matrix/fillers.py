"""What goes into a route's parameters: the id of one's own, of another visitor's, of another tenant's, or none.

A parameter that stands in no table here fails the matrix: whoever adds a route says what its ids are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from tests.cast import Cast, Thread
from tests.matrix.routes import Route

Pick = Callable[[Cast, Thread], object]
MISSING_NUMBER = "987654321"
MISSING_UUID = str(UUID(int=2**122 + 12345, version=4))

# Parameter -> whose row it names.
PARAMETERS: dict[str, Pick] = {
    "conversation_id": lambda cast, thread: thread.conversation_id,
    "seq": lambda cast, thread: thread.last_seq + 1,  # the first that a test adds, by `PREPARE`
    "lead_id": lambda cast, thread: thread.lead_id,
    "file_id": lambda cast, thread: cast.file_id,
    "file_name": lambda cast, thread: f"manual-{cast.marker}.txt",
    "attachment_id": lambda cast, thread: thread.attachment_id,
    "invitation_id": lambda cast, thread: cast.invitation_id,
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


# Parameters that are no id: every tenant has the same.
CONSTANTS = {"app_label": "chat", "url": "nothing/here"}

# Routes that want something in the query string.
QUERIES = {"widget_project": "?project=shop", "widget_frame": "?project=shop", "admin:app_list": ""}


class UnknownParameter(Exception):
    """A route asks for something that no table names."""


def pick_for(path: str, parameter: str) -> Pick:
    """The picker of one parameter of a route's path. Raises UnknownParameter."""
    if parameter == "object_id":
        page = re.match(r"/admin/(\w+)/(\w+)/", path)
        label = f"{page.group(1)}_{page.group(2)}" if page else path
        if label in ADMIN_ROWS:
            return ADMIN_ROWS[label]
        raise UnknownParameter(f"{path}: add {label} to ADMIN_ROWS in {__name__}")
    if parameter in CONSTANTS:
        return lambda cast, thread: CONSTANTS[parameter]
    if parameter in PARAMETERS:
        return PARAMETERS[parameter]
    raise UnknownParameter(f"{path}: add {parameter} to PARAMETERS in {__name__}")


def own(route: Route, cast: Cast, thread: Thread | None = None) -> dict[str, str]:
    """Values that name rows of the cast."""
    return {name: str(pick_for(route.path, name)(cast, thread or cast.thread)) for name in route.parameters}


def missing(route: Route, cast: Cast) -> dict[str, str]:
    """Values of the right form that name nothing anywhere."""
    found = {}
    for name, value in own(route, cast).items():
        nothing = MISSING_NUMBER if value.isdigit() else MISSING_UUID
        found[name] = value if name in CONSTANTS else nothing
    return found


def has_ids(route: Route) -> bool:
    return not set(route.parameters) <= CONSTANTS.keys()
