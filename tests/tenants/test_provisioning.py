"""A schema from the template is the schema that the migrations make, and is made whole or not at all."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from tenants import patience, provisioning
from tenants.models import Domain, SchemaTemplate, Tenant
from tenants.provisioning import TEMPLATE_SCHEMA
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Project
from tests.conftest import Tenants

SHAPE = {
    "columns": """
        SELECT table_name, column_name,
               row_number() OVER (PARTITION BY table_name ORDER BY ordinal_position),  -- a dropped one leaves a gap
               udt_schema, udt_name, is_nullable, column_default,
               is_identity, identity_generation, character_maximum_length,
               (SELECT atttypmod FROM pg_attribute WHERE attname = column_name AND attrelid =
                   (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass)
        FROM information_schema.columns WHERE table_schema = %s""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, condeferrable, condeferred, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = quote_ident(%s)::regnamespace""",
    "sequences": """
        SELECT sequencename, data_type, start_value, min_value, max_value, increment_by, last_value
        FROM pg_sequences WHERE schemaname = %s""",
    "triggers": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s",
}


def shape(schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the catalogue knows of a schema, with its own name written as `S`."""
    with connection.cursor() as cursor:
        found: dict[str, list[tuple[Any, ...]]] = {}
        for kind, sql in SHAPE.items():
            cursor.execute(sql, [schema])
            rows = [tuple(_neutral(value, schema) for value in row) for row in cursor.fetchall()]
            found[kind] = sorted(rows, key=str)
        cursor.execute(f'SELECT app, name FROM "{schema}".django_migrations')
        found["migrations"] = sorted(cursor.fetchall())
    return found


def _neutral(value: Any, schema: str) -> Any:
    """A dump writes the casts of a list once more; what they mean is the same."""
    if not isinstance(value, str):
        return value
    value = value.replace(schema, "S")
    return re.sub(r"::(character varying|text)|[()]|\[\]", "", value)


@pytest.fixture
def scratch(planted: Tenants, django_db_blocker: Any) -> Iterator[list[str]]:
    """Schemas outside of any test transaction; dropped at the end."""
    names: list[str] = []
    with django_db_blocker.unblock():
        yield names
        for name in names:
            provisioning.drop_schema(name)
        connection.close()


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%' OR nspname LIKE 'template\\_%'")
        return {name for (name,) in cursor.fetchall()}


def test_a_schema_from_the_template_equals_one_from_the_migrations(scratch: list[str]) -> None:
    quick, slow = provisioning.new_schema_name(), provisioning.new_schema_name()
    scratch += [quick, slow]
    provisioning.create_schema(quick)
    provisioning._migrate_new(slow)
    ours, theirs = shape(quick), shape(slow)
    assert len(ours["columns"]) > 150
    assert len(ours["indexes"]) > 50
    assert ours == theirs


def test_nothing_in_a_schema_points_at_the_template_or_at_another_tenant(scratch: list[str]) -> None:
    name = provisioning.new_schema_name()
    scratch.append(name)
    provisioning.create_schema(name)
    text = str(shape(name))
    assert TEMPLATE_SCHEMA not in text
    assert not re.search(r"\bt_[0-9a-f]{16}\b", text)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE connamespace = quote_ident(%s)::regnamespace"
            " AND confrelid <> 0 AND (SELECT relnamespace FROM pg_class WHERE oid = confrelid) <> connamespace",
            [name],
        )
        assert cursor.fetchall() == []


def test_rows_of_one_new_schema_are_not_in_another(scratch: list[str]) -> None:
    one, two = provisioning.new_schema_name(), provisioning.new_schema_name()
    scratch += [one, two]
    for name in (one, two):
        provisioning.create_schema(name)
    first = run_in(one, Project.objects.create, key="main", name="One")
    assert first.pk == 1
    assert run_in(two, Project.objects.count) == 0


def test_the_template_is_made_once_and_leaves_no_schema_behind(scratch: list[str]) -> None:
    before = SchemaTemplate.objects.get()
    with provisioning.exclusively():
        assert provisioning.ensure_template()
    assert SchemaTemplate.objects.get().created_at == before.created_at
    assert TEMPLATE_SCHEMA not in schemas()


def test_another_state_of_the_migrations_is_another_fingerprint(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = provisioning.fingerprint()
    monkeypatch.setattr(provisioning, "_tenant_labels", lambda: ["workspace"])
    assert provisioning.fingerprint() != now
    assert provisioning.template_sql() is None


def test_a_schema_that_fails_half_way_is_gone(scratch: list[str]) -> None:
    name, before = provisioning.new_schema_name(), schemas()
    template = SchemaTemplate.objects.get()
    try:
        SchemaTemplate.objects.update(sql=template.sql + "\nSELECT 1 / 0;")
        with pytest.raises(Exception, match="division by zero"):
            provisioning.create_schema(name)
    finally:
        SchemaTemplate.objects.update(sql=template.sql)
    assert schemas() == before


def _found_half() -> None:
    with provisioning.fresh_schema() as name:
        Tenant.objects.create(schema_name=name, name="Half")
        run_in(name, Project.objects.create, key="main", name="Half")
        raise RuntimeError("planned")


@pytest.mark.parametrize("with_template", [True, False], ids=["template", "migrations"])
def test_a_business_that_cannot_be_furnished_leaves_nothing(
    scratch: list[str], monkeypatch: pytest.MonkeyPatch, with_template: bool
) -> None:
    if not with_template:
        monkeypatch.setattr(provisioning, "template_sql", lambda: None)
    before, tenants = schemas(), Tenant.objects.count()
    with pytest.raises(RuntimeError, match="planned"):
        _found_half()
    assert schemas() == before
    assert Tenant.objects.count() == tenants
    assert connection.schema_name == PUBLIC


@pytest.mark.parametrize("name", ["public", "t_short", 't_0"; DROP SCHEMA public; --', "T_0123456789abcdef", ""])
def test_only_a_tenants_schema_is_made_or_dropped(db: None, name: str) -> None:
    for verb in (provisioning.create_schema, provisioning.drop_schema):
        with pytest.raises(ValueError, match="not a tenant schema"):
            verb(name)


def test_a_tenant_that_lags_behind_is_brought_up_to_date(scratch: list[str]) -> None:
    name = provisioning.new_schema_name()
    scratch.append(name)
    provisioning.create_schema(name)
    tenant = Tenant.objects.create(schema_name=name, name="Late")
    try:
        whole = shape(name)
        with connection.cursor() as cursor:
            cursor.execute(f'DELETE FROM "{name}".django_migrations WHERE app = %s', ["insights"])
            cursor.execute(f'DROP TABLE "{name}".insights_gapquestion, "{name}".insights_knowledgegap')
        with provisioning.exclusively():
            assert provisioning.migrate_all() == 1
            assert provisioning.migrate_all() == 0
        assert shape(name)["columns"] == whole["columns"]
    finally:
        tenant.delete()
    assert not Domain.objects.filter(tenant__schema_name=name).exists()


def limits() -> list[str]:
    found = []
    with connection.cursor() as cursor:
        for name in ("lock_timeout", "statement_timeout"):
            cursor.execute(f"SHOW {name}")
            found.append(cursor.fetchone()[0])
    return found


def test_nothing_hurries_what_builds_a_schema(db: None) -> None:
    as_set = limits()
    assert "0" not in as_set
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '20ms'")
    provisioning._execute("SELECT pg_sleep(0.1)")
    assert limits() == as_set


def test_a_schema_that_fails_leaves_the_limits_as_they_were(db: None) -> None:
    as_set = limits()

    def fail() -> None:
        with transaction.atomic(), patience.unhurried(), connection.cursor() as cursor:
            assert limits() == ["0", "0"]
            cursor.execute("SELECT nothing_of_this_name")

    with pytest.raises(ProgrammingError):
        fail()
    assert limits() == as_set


def test_one_transaction_may_take_its_time(db: None) -> None:
    lock, statement = limits()
    with transaction.atomic():
        patience.take_time()
        assert limits() == [lock, "0"]
        transaction.set_rollback(True)
    assert limits() == [lock, statement]
