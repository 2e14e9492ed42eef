"""A fingerprint of everything that tenants hold, to prove that a refusal changed nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.apps import apps
from django.conf import settings
from django.db import connection

from tenants.schema import PUBLIC, run_in
from tests.cast import Cast

# Signs of life change whenever somebody looks; they say nothing about a tenant's data.
PASSING = {"chat_visitor": ("seen_at", "is_away"), "livesupport_availability": ("seen_at",)}


def tables() -> list[str]:
    """The tables of a tenant's schema, join tables included."""
    return sorted(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_config.name in settings.TENANT_APPS
    )


def fingerprint(cast: Cast) -> dict[str, str]:
    """Table -> digest of all its rows."""
    return run_in(cast.schema, _digests)


def _digests() -> dict[str, str]:
    found = {}
    with connection.cursor() as cursor:
        for table in tables():
            row = " - ".join(["to_jsonb(t)", *(f"'{column}'" for column in PASSING.get(table, ()))])
            cursor.execute(f"SELECT md5(coalesce(string_agg(({row})::text, ',' ORDER BY t.id), '')) FROM {table} t")
            found[table] = cursor.fetchone()[0]
    return found


def fingerprints(casts: Iterable[Cast]) -> dict[str, dict[str, str]]:
    """Schema -> its fingerprint; `public` has the waiting work and the memberships."""
    return {cast.schema: fingerprint(cast) for cast in casts} | {PUBLIC: run_in(PUBLIC, _public)}


def _public() -> dict[str, str]:
    shared = ["tenants_tenant", "tenants_domain", "tenants_membership", "tenants_user", "tenants_externalroute"]
    found = {}
    with connection.cursor() as cursor:
        for table in shared:
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ',' ORDER BY t.id), '') FROM {table} t")
            found[table] = hashlib.sha256(cursor.fetchone()[0].encode()).hexdigest()
    return found
