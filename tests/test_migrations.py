"""While a release goes out, old code and new code use the same tables: what a migration may do, and why."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models
from django.db.migrations import AddField, Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AlterField,
    AlterModelTable,
    DeleteModel,
    RemoveField,
    RenameField,
    RenameModel,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from chat import actions
from chat.models import Message
from tests.cast import Cast
from tests.house import ORDER

GOES = (DeleteModel, RemoveField, RenameField, RenameModel, AlterModelTable)
# Written before there was a first release: nobody runs the code before them. Nothing is added here; what a release
# no longer uses goes in the one after it, and is named in `SECOND_STEPS` with the release that stopped using it.
BEFORE_THE_FIRST_RELEASE = {
    "chat.0003_message_mood", "chat.0004_turn_deadlines", "insights.0002_clusters", "knowledge.0002_document_links",
    "knowledge.0003_files", "knowledge.0004_attempts_and_versions", "knowledge.0005_document_may_return",
    "livesupport.0002_slack",
    "livesupport.0003_rehearsals", "livesupport.0004_missed", "tenants.0002_plans", "tenants.0003_external_attempts",
    "tenants.0004_subscription", "tenants.0005_external_lanes", "workspace.0002_handoffs_to",
    "workspace.0003_invitations_and_mail", "workspace.0004_judgement_words", "workspace.0005_model_problem",
}  # fmt: skip
SECOND_STEPS: dict[str, str] = {}


LOADER = MigrationLoader(None, ignore_no_migrations=True)


def complaints(migration: Migration, before: ProjectState) -> Iterator[str]:
    """What old code, still running, could not live with. `before` is how the tables stood."""
    for operation in migration.operations:
        if isinstance(operation, GOES) and str(migration) not in SECOND_STEPS:
            yield f"{migration}: {type(operation).__name__}: old code still asks for it"
        field = getattr(operation, "field", None)
        if isinstance(operation, AddField) and field is not None and not _is_filled_by_the_database(field):
            yield f"{migration}: {operation.name} has neither null nor db_default: old code's INSERT fails"
        if isinstance(operation, AlterField) and _narrows(operation, migration.app_label, before):
            yield f"{migration}: {operation.name} becomes NOT NULL without db_default"


def _is_filled_by_the_database(field: models.Field[Any, Any]) -> bool:
    return bool(field.null or field.many_to_many or field.has_db_default())


def _narrows(operation: AlterField, label: str, before: ProjectState) -> bool:
    model = before.models.get((label, operation.model_name_lower))
    was_null = model is not None and bool(getattr(model.fields.get(operation.name), "null", False))
    return was_null and not _is_filled_by_the_database(operation.field)


def ours() -> list[Migration]:
    """Every migration of the product but each app's first, in no order."""
    labels = {config.label for config in apps.get_app_configs() if config.name.split(".")[0] in ORDER}
    return [
        one for (label, name), one in LOADER.disk_migrations.items() if label in labels and not name.startswith("0001")
    ]


def test_old_code_can_live_with_every_migration() -> None:
    found = ours()
    assert len(found) > 10
    late = [one for one in found if str(one) not in BEFORE_THE_FIRST_RELEASE]
    befores = {one: LOADER.project_state((one.app_label, one.name), at_end=False) for one in late}
    assert [complaint for migration in late for complaint in complaints(migration, befores[migration])] == []


def test_no_exception_outlives_its_migration() -> None:
    names = {str(migration) for migration in ours()}
    assert set(SECOND_STEPS) <= names


@pytest.mark.parametrize(
    "operation",
    [
        AddField("message", "tone", models.CharField(max_length=9, default="")),
        AddField("message", "tone", models.IntegerField(default=0)),
        RemoveField("message", "text"),
        RenameField("message", "text", "words"),
        RenameModel("Message", "Entry"),
        DeleteModel("Message"),
        AlterModelTable("message", "entries"),
        AlterField("message", "mood", models.FloatField(default=0)),
    ],
)
def test_the_rule_catches_what_it_is_for(operation: Operation) -> None:
    migration = Migration("0099_planted", "chat")
    migration.operations = [operation]
    assert list(complaints(migration, ProjectState.from_apps(apps)))


@pytest.mark.parametrize(
    "field",
    [
        models.IntegerField(null=True),
        models.CharField(max_length=9, default="", db_default=""),
        models.ManyToManyField("chat.Message"),
    ],
)
def test_the_rule_leaves_the_rest_alone(field: models.Field[Any, Any]) -> None:
    migration = Migration("0099_planted", "chat")
    migration.operations = [AddField("message", "tone", field)]
    assert not list(complaints(migration, ProjectState.from_apps(apps)))


# -- the proof, on a real table ----------------------------------------------------------------------------------------


def add(name: str, field: models.Field[Any, Any], before: ProjectState) -> ProjectState:
    """Run an AddField on chat's messages in the schema that the caller is in."""
    operation = AddField("message", name, field)
    after = before.clone()
    operation.state_forwards("chat", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("chat", editor, before, after)
    return after


def say(conversation_id: str, text: str) -> None:
    """What the old code does all day."""
    actions.post_as_visitor(conversation_id=conversation_id, draft=actions.Draft(text, uuid4()))


def test_old_code_writes_and_reads_while_columns_are_added(fresh_tenant: Cast) -> None:
    cast = fresh_tenant
    conversation = str(cast.thread.conversation_id)
    began, stop, failed = threading.Event(), threading.Event(), []

    def old_code() -> None:
        try:
            for number in range(200):
                cast.run(say, conversation, f"line {number}")
                began.set()
                if stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            failed.append(error)
        finally:
            began.set()
            connection.close()

    def migrate() -> ProjectState:
        state = ProjectState.from_apps(apps)
        state = add("tone", models.CharField(max_length=9, null=True), state)
        return add("weight", models.IntegerField(default=7, db_default=7), state)

    worker = threading.Thread(target=old_code)
    worker.start()
    began.wait(10)
    after = cast.run(migrate)
    count = cast.run(Message.objects.count)
    cast.run(say, conversation, "after the columns")
    stop.set()
    worker.join(30)
    assert failed == []

    def new_code() -> tuple[set[int], set[str | None], int]:
        """Reads what old code wrote, and writes for it."""
        new = after.apps.get_model("chat", "Message")
        last = new.objects.order_by("-pk")[0]
        new.objects.filter(pk=last.pk).update(tone="warm", weight=9)
        rest = new.objects.exclude(pk=last.pk)
        return set(rest.values_list("weight", flat=True)), set(rest.values_list("tone", flat=True)), last.pk

    weights, tones, last = cast.run(new_code)
    assert (weights, tones) == ({7}, {None})
    assert cast.run(lambda: Message.objects.get(pk=last).text)
    assert cast.run(Message.objects.count) > count


def test_a_column_without_a_default_in_the_database_breaks_old_code(fresh_tenant: Cast) -> None:
    """Why there is a rule: Django drops a `default` right after it has filled the rows that are there."""
    cast = fresh_tenant
    cast.run(lambda: add("weight", models.IntegerField(default=7), ProjectState.from_apps(apps)))
    with pytest.raises(IntegrityError):
        cast.run(say, str(cast.thread.conversation_id), "old code knows no weight")
