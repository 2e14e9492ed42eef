"""The way from a host and a project's key to the tenant's rows, for the commands about one project."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from knowledge.errors import KnowledgeError
from tenants.errors import ProductError
from tenants.hosts import parse_host, place_of
from tenants.schema import PUBLIC, run_in
from tenants.workspace.models import Project


class ProjectCommand(BaseCommand):
    """Base of the commands about one project. What goes wrong ends with `code: sentence` on stderr, and exit 1."""

    requires_system_checks: list[str] | tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", required=True, help="The tenant's host, like acme.localhost")
        parser.add_argument("--project", required=True, help="The project's key")
        parser.add_argument("--json", action="store_true", help="Print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run_in(_schema_of(options["host"]), self.run, options)
        except ProductError as error:
            raise CommandError(f"{error.code}: {error.sentence}") from error

    def run(self, options: dict[str, Any]) -> None:
        """The command's work, with the tenant's schema entered."""
        raise NotImplementedError

    def tell(self, line: str) -> None:
        """A line for whoever watches, apart from the result."""
        self.stderr.write(line, style_func=str)
        self.stderr.flush()


def project_named(key: str) -> Project:
    """The present tenant's project. Raises KnowledgeError, naming those that there are."""
    found = Project.objects.filter(key=key).first()
    if found is None:
        keys = ", ".join(Project.objects.order_by("pk").values_list("key", flat=True)[:20])
        raise KnowledgeError("project_missing", f"There is no project {key!r} here, but these: {keys or 'none yet'}.")
    return found


def _schema_of(host: str) -> str:
    name = parse_host(host.strip())
    place = run_in(PUBLIC, place_of, name) if name else None
    if place is None or place.is_public:
        raise KnowledgeError("tenant_missing", f"No tenant lives at {host!r}.")
    return place.schema
