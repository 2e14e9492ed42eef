"""`manage.py prepare`: the database as this version needs it. Run it before every start; quick when it is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from knowledge.vectors import VECTORS
from tenants import due, provisioning
from tenants.models import Domain, Tenant
from tenants.schema import PUBLIC, run_in


class Command(BaseCommand):
    help = "Migrate the shared schema and every tenant's, and prepare the template for new ones."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        with provisioning.exclusively():
            if run_in(PUBLIC, _public_lags):
                call_command("migrate_schemas", shared=True, interactive=False, verbosity=0)
            _ensure_public_tenant()
            migrated = provisioning.migrate_all()
            provisioning.ensure_template()
            due.note_everywhere(VECTORS, timezone.now())  # this version's embedder may be another one
        self.stdout.write(f"Ready. Tenants: {Tenant.objects.count() - 1}, brought up to date: {migrated}.")


def _public_lags() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _ensure_public_tenant() -> None:
    public, _ = Tenant.objects.get_or_create(schema_name=PUBLIC, defaults={"name": "BuiltABot"})
    values = {"tenant": public, "is_primary": True}
    Domain.objects.update_or_create(domain=settings.BASE_DOMAIN, defaults=values)
