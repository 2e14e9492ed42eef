"""`manage.py rehearse`: the test escalation that every customer should run before going live."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from livesupport.rehearsal import REQUESTS, Rehearsal, Stage, Step, as_json, stage_at
from tenants.models import Domain
from tenants.schema import run_in
from tenants.workspace.models import Project


class Command(BaseCommand):
    help = "Play a whole escalation against the running server: question, handoff, claim, reply, resolve."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=f"acme.{settings.BASE_DOMAIN}", help="The tenant's domain, no port.")
        parser.add_argument("--project", default="", help="The project's key; needed when there are several.")
        ways = ["dashboard", "slack"]
        parser.add_argument("--via", default="dashboard", choices=ways, help="Where the agent answers.")
        parser.add_argument("--lang", default="en", choices=sorted(REQUESTS), help="The visitor's language.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of lines.")

    def handle(self, *args: Any, **options: Any) -> None:
        stage = replace(self._stage(options["host"], options["project"], options["lang"]), via=options["via"])
        quiet = options["json"]
        rehearsal = Rehearsal(stage, lambda step: None if quiet else self._print(step), ask=self.stderr.write)
        ok = asyncio.run(rehearsal.run())
        if quiet:
            self.stdout.write(as_json(rehearsal.steps, ok))
        elif ok:
            self.stdout.write("Every step happened. You can go live.")
        if not ok:
            raise SystemExit(1)

    def _stage(self, host: str, project_key: str, language: str) -> Stage:
        domain = Domain.objects.select_related("tenant").filter(domain=host).first()
        if domain is None or domain.tenant.schema_name == "public":
            raise CommandError(f"No tenant lives at {host}.")
        project = run_in(domain.tenant.schema_name, self._project, host, project_key)
        return stage_at(domain.tenant, project, host=host, language=language)

    def _project(self, host: str, key: str) -> Project:
        projects = list(Project.objects.order_by("pk"))
        keys = [project.key for project in projects]
        wanted = key or ("shop" if host == f"acme.{settings.BASE_DOMAIN}" else "")
        if not wanted and len(projects) == 1:
            return projects[0]
        if wanted not in keys:
            named = f"There is no project {wanted!r}." if wanted else "Which project?"
            raise CommandError(f"{named} Name one with --project: {', '.join(keys) or 'there are none yet'}.")
        return projects[keys.index(wanted)]

    def _print(self, step: Step) -> None:
        target = f"target {step.target_ms} ms" if step.target_ms else ""
        took = "seen" if step.ms is None else f"{step.ms} ms"
        shown = took if step.ok else "did not happen"
        self.stdout.write(
            f"{'ok  ' if step.ok else 'FAIL'} {step.name:<16} {shown:>16}  {target}  {step.problem}".rstrip()
        )
