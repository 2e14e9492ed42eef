"""Every Celery task x three tenants x {own id, another tenant's, missing}, and the schema it leaves behind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from uuid import uuid4

import pytest
from celery import Task, current_app
from django.utils import timezone

from chat.models import Conversation, Message, Turn
from knowledge.models import CrawlRun, Source
from livesupport.models import RehearsalRun
from tenants.errors import SchemaMissing
from tenants.schema import PUBLIC, TenantTask, current_schema
from tests.cast import Cast
from tests.conftest import Tenants
from tests.matrix import exceptions
from tests.matrix.state import fingerprints

NOWHERE = 987654321


def tasks() -> dict[str, Task]:
    """Every task of ours in the registry."""
    current_app.loader.import_default_modules()
    return {name: task for name, task in current_app.tasks.items() if not name.startswith("celery.")}


TASKS = tasks()
WITH_ID = {
    name: task
    for name, task in TASKS.items()
    if inspect.signature(task.run).parameters and isinstance(task, TenantTask)
}


def waiting_turn(cast: Cast) -> int:
    """A turn to be answered, in a conversation of the tenant that the AI holds."""
    conversation = Conversation.objects.get(pk=cast.thread.conversation_id)
    conversation.owner, conversation.last_seq = Conversation.Owner.AI, conversation.last_seq + 1
    conversation.save(update_fields=["owner", "last_seq"])
    message = Message.objects.create(
        conversation=conversation, episode_id=cast.thread.episode_id, seq=conversation.last_seq,
        sender="visitor", sender_key="visitor", text=f"How long do refunds take at {cast.marker}?",
    )  # fmt: skip
    return Turn.objects.create(conversation=conversation, message=message, epoch=conversation.epoch).pk


def waiting_run(cast: Cast) -> int:
    """A crawl of an address that nobody may fetch, so that it ends at once, in the tenant's own rows."""
    source = Source.objects.create(project_id=cast.project_id, url=f"http://127.0.0.1:9/{uuid4()}", name=cast.marker)
    return CrawlRun.objects.create(source=source).pk


def waiting_rehearsal(cast: Cast) -> int:
    """A test escalation that stops at once: the tenant has no page that is long enough to ask about. One runs at
    a time, so whatever an earlier test left is over."""
    RehearsalRun.objects.filter(state="running").update(state="failed", ended_at=timezone.now())
    return RehearsalRun.objects.create(project_id=cast.project_id, started_by=cast.marker).pk


def unheard_message(cast: Cast) -> int:
    """A visitor's text that was not judged yet."""
    return Message.objects.get(conversation=cast.thread.conversation_id, seq=1).pk


# Parameter -> makes a row for the task to work on, and gives its id.
WORK: dict[str, Callable[[Cast], int]] = {
    "turn_id": waiting_turn,
    "run_id": waiting_run,
    "rehearsal_id": waiting_rehearsal,
    "message_id": unheard_message,
}


def parameter_of(task: Task) -> str:
    names = list(inspect.signature(task.run).parameters)
    assert len(names) == 1, f"{task.name} takes {names}: a task takes the schema and one id"
    assert names[0] in WORK, f"{task.name}: add {names[0]} to WORK in {__name__}"
    return names[0]


def test_every_task_is_a_tenants_or_listed() -> None:
    assert len(TASKS) >= 8
    without = {name for name, task in TASKS.items() if not isinstance(task, TenantTask)}
    assert without == set(exceptions.PUBLIC_TASKS)


@pytest.mark.parametrize("name", sorted(set(TASKS) - set(exceptions.PUBLIC_TASKS)))
@pytest.mark.parametrize("schema", ["", PUBLIC])
def test_a_task_without_a_schema_is_refused(name: str, schema: str, three: Tenants) -> None:
    before = fingerprints(three)
    with pytest.raises(SchemaMissing):
        TASKS[name](schema)
    assert fingerprints(three) == before


@pytest.mark.parametrize("name", sorted(WITH_ID))
@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_a_task_takes_no_id_of_another_tenant(name: str, letter: str, three: Tenants) -> None:
    cast: Cast = getattr(three, letter)
    make = WORK[parameter_of(TASKS[name])]
    foreign = [other.run(make, other) for other in three.others(cast)]
    before = fingerprints(three)
    for row_id in (NOWHERE, *foreign):
        TASKS[name](cast.schema, row_id)
        assert fingerprints(three) == before
    assert current_schema() == PUBLIC


@pytest.mark.parametrize("name", sorted(WITH_ID))
@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_a_task_does_its_own_tenants_work(name: str, letter: str, three: Tenants) -> None:
    cast: Cast = getattr(three, letter)
    row_id = cast.run(WORK[parameter_of(TASKS[name])], cast)
    assert changed_by(three, lambda: TASKS[name](cast.schema, row_id)) == {cast.schema}


@pytest.mark.parametrize("name", sorted(set(TASKS) - set(exceptions.PUBLIC_TASKS) - set(WITH_ID)))
@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_a_sweep_stays_in_its_tenant(name: str, letter: str, three: Tenants) -> None:
    cast: Cast = getattr(three, letter)
    for each in three:
        for make in WORK.values():
            each.run(make, each)
    assert changed_by(three, lambda: TASKS[name](cast.schema)) <= {cast.schema}


def test_a_failing_task_leaves_no_schema_behind(three: Tenants) -> None:
    class Failing(TenantTask):
        name = "tests.failing"

        def run(self) -> None:
            assert current_schema() == three.a.schema
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Failing()(three.a.schema)
    assert current_schema() == PUBLIC


def changed_by(tenants: Iterable[Cast], work: Callable[[], object]) -> set[str]:
    """The schemas whose rows the work changed."""
    before = fingerprints(tenants)
    work()
    after = fingerprints(tenants)
    assert current_schema() == PUBLIC
    return {schema for schema in after if after[schema] != before[schema]}
