"""Every exception of the tenant matrix, in one place, each with its reason. A stale one fails the matrix."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile

from chat import actions
from knowledge.models import CrawlRun
from livesupport.models import Availability
from tenants.workspace.models import OutboxEntry
from tests.cast import PNG, Cast, Thread

# What nobody may add or delete in the admin: the row's model -> the pages that are refused to everybody.
_CLOSED = {
    "workspace_seat": ("add", "delete"),
    "workspace_auditentry": ("add", "delete"),
    "workspace_outboxentry": ("add", "delete"),
    "workspace_project": ("delete",),
    "knowledge_document": ("add", "delete"),
    "chat_conversation": ("add", "delete"),
    "livesupport_lead": ("add", "delete"),
    "insights_knowledgegap": ("add", "delete"),
}
_MODELS = (*_CLOSED, "knowledge_source")

# Route (as tests/matrix/routes.py names it) -> why its answers carry no text of the own tenant, and change
# none of its rows. What they might show of others is checked all the same.
NO_OWN_TEXT: dict[str, str] = {
    "home": "Sends everybody on to the desk.",
    "enter": "Sends strangers to sign in, and people of the house on.",
    "leave": "Ends a session, which is no row of a tenant.",
    "plan_keep": "Takes back a cancellation in the shared table; there is none. See test_plan_page.",
    "widget_loader": "The same script for all.",
    "widget_session": "Wants JSON; has a test of its own below the matrix.",
    "widget_attachments": "Wants a visitor's token; has tests of its own below the matrix.",
    "widget_attachment": "Wants a visitor's token; has tests of its own below the matrix.",
    "livesupport:slack_begin": "Sends on to Slack; tests/livesupport/slack follows the whole way.",
    "livesupport:slack_finish": "Comes back from Slack, with a state that only that way gives.",
    "livesupport:slack_act": "Needs a connected workspace; tests/livesupport/slack has one.",
    "admin:search": "Finds nothing, on purpose: its cache would be shared by tenants.",
    "admin:logout": "Sends on to /leave/.",
    "admin:autocomplete": "No field of the admin uses it.",
    "admin:jsi18n": "The same words for all.",
    "admin:knowledge_source_progress": "Shows numbers only.",
    "/admin/{url}": "Catches addresses that do not exist.",
    **{f"admin:{model}_{page}": "Nobody may." for model, pages in _CLOSED.items() for page in pages},
    **{f"/admin/{model.replace('_', '/')}/{{object_id}}/": "An old address: sends on." for model in _MODELS},
}

# Route -> the form that makes its POST mean something.
FORMS: dict[str, Callable[[], dict[str, object]]] = {
    "livesupport:attach": lambda: {"client_id": uuid4(), "file": SimpleUploadedFile("dot.png", PNG)},
}
BODIES: dict[str, dict[str, str]] = {
    "livesupport:availability": {"state": "away"},
    "livesupport:edit": {"text": "Put right."},
    "admin:workspace_seat_invite": {"email": "somebody.new@matrix.example", "role": "agent"},
}


def _claimed(cast: Cast, thread: Thread) -> None:
    cast.client(cast.agent).post(f"/live/c/{thread.conversation_id}/claim/")


def _noted(cast: Cast, thread: Thread) -> None:
    draft = actions.Draft("Between us.", note=True)
    given = {"conversation_id": thread.conversation_id, "seat_id": cast.agent.seat_id}
    cast.run(actions.post_as_seat, draft=draft, **given)


def _queued_run(cast: Cast, thread: Thread) -> None:
    cast.run(CrawlRun.objects.create, source_id=cast.source_id)


def _failed_for_good(cast: Cast, thread: Thread) -> None:
    cast.run(OutboxEntry.objects.filter(pk=cast.outbox_id).update, state=OutboxEntry.State.DEAD)


def _missed(cast: Cast, thread: Thread) -> None:
    cast.run(Availability.objects.update, missed=["Vera"])


# Route -> what must be so before its POST can do anything.
PREPARE: dict[str, Callable[[Cast, Thread], None]] = {
    "livesupport:missed": _missed,
    "livesupport:release": _claimed,
    "livesupport:hand_back": _claimed,
    "livesupport:attach": _claimed,
    "livesupport:edit": _noted,
    "livesupport:delete": _noted,
    "admin:knowledge_source_cancel": _queued_run,
    "admin:workspace_outboxentry_retry": _failed_for_good,
    "admin:workspace_outboxentry_retry_all": _failed_for_good,
}

# Celery task -> why it takes no schema.
PUBLIC_TASKS: dict[str, str] = {
    "tenants.sweep_due": "Reads the shared table of waiting work and sends tasks that carry a schema.",
    "tenants.handle_external": "Takes a call from outside, which names no tenant; its handler finds one.",
    "tenants.settle_due": "Deletes one receipt in the shared table of waiting work.",
    "tenants.beat": "Writes a sign of life in the shared schema.",
}
