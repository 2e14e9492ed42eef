"""A fingerprint of everything that tenants hold, to prove that a refusal changed nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from django.apps import apps
from django.conf import settings
from django.db import connection

from tenants.schema import PUBLIC
from tests.cast import Cast

# Signs of life change whenever somebody looks; they say nothing about a tenant's data.
PASSING = {"chat_visitor": ("seen_at", "is_away"), "livesupport_availability": ("seen_at",)}


SHARED = ("tenants_tenant", "tenants_domain", "tenants_membership", "tenants_user", "tenants_externalroute")


@lru_cache
def tables() -> list[str]:
    """The tables of a tenant's schema, join tables included."""
    return sorted(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_config.name in settings.TENANT_APPS
    )


def fingerprints(casts: Iterable[Cast]) -> dict[str, dict[str, str]]:
    """Schema -> table -> digest of its rows; `public` stands for who may enter which tenant."""
    wanted = [(cast.schema, table) for cast in casts for table in tables()]
    wanted += [(PUBLIC, table) for table in SHARED]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(_digest(schema, table) for schema, table in wanted))
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for schema, table, digest in cursor.fetchall():
            found[schema][table] = digest
    return dict(found)


def _digest(schema: str, table: str) -> str:
    row = " - ".join(["to_jsonb(t)", *(f"'{column}'" for column in PASSING.get(table, ()))])
    rows = f"string_agg(({row})::text, ',' ORDER BY t.id)"
    return f"SELECT '{schema}', '{table}', md5(coalesce({rows}, '')) FROM \"{schema}\".{table} t"
