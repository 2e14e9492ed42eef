"""`manage.py crawl URL --host HOST --project KEY [--kind KIND] [--wait] [--json]`."""

from __future__ import annotations

import json
from datetime import timedelta
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from knowledge import actions
from knowledge.errors import KnowledgeError
from knowledge.management.commands._project import ProjectCommand
from knowledge.models import Chunk, CrawlRun, Source
from knowledge.policies import FETCHED, is_open
from tenants.models import Heartbeat
from tenants.workspace.actions import add_project
from tenants.workspace.models import Project

POLL_SECONDS = 1.0
STILL_SECONDS = 10  # of no progress, after which somebody wants to know whether anybody works on it
REMINDED_SECONDS = 60
WORKER = "index"
WORKER_LIVES = timedelta(seconds=30)


class Command(ProjectCommand):
    help = "Add an address to what a chatbot answers from, and have it read; or read it again, where it was added."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="A help centre's start page, a sitemap, or one page")
        super().add_arguments(parser)
        kinds = [kind.value for kind in FETCHED]
        parser.add_argument("--kind", choices=kinds, help="What is at the address; by default .xml is a sitemap")
        parser.add_argument("--wait", action="store_true", help="Follow the reading to its end; exit 1 if it fails")

    def run(self, options: dict[str, Any]) -> None:
        began = monotonic()
        run = queue(options["url"], project_key=options["project"], kind=options["kind"] or kind_of(options["url"]))
        try:
            if options["wait"]:
                run = self._follow(run)
        except KeyboardInterrupt:
            self.tell("No longer watched; the reading goes on. The same command watches it again.")
            raise SystemExit(130) from None
        counts = {**counts_of(run), "seconds": round(monotonic() - began, 1)}
        self.stdout.write(json.dumps(counts, ensure_ascii=False) if options["json"] else _sentence(counts))
        if options["wait"] and run.state != CrawlRun.State.DONE:
            raise SystemExit(1)

    def _follow(self, run: CrawlRun) -> CrawlRun:
        """The run at its end, each step of it told."""
        told, reason, since, told_at = "", "", 0.0, 0.0
        while True:
            now, line = monotonic(), progress(run)
            if line != told:
                self.tell(line)
                told, reason, since = line, "", now
            if not is_open(run):
                return run
            why = why_still(run) if now - since >= STILL_SECONDS else ""
            if why and (why != reason or now - told_at >= REMINDED_SECONDS):
                self.tell(why)
                reason, told_at = why, now
            sleep(POLL_SECONDS)
            run = again(run)


def kind_of(url: str) -> str:
    """What an address is most likely to be."""
    path = urlsplit(url).path.lower()
    return Source.Kind.SITEMAP if path.endswith((".xml", ".xml.gz")) else Source.Kind.SITE


def queue(url: str, *, project_key: str, kind: str) -> CrawlRun:
    """Queue a reading of the address for the project; both are made where they are new, or neither."""
    with transaction.atomic():
        project = Project.objects.filter(key=project_key).first()
        if project is None:
            name = project_key.replace("-", " ").replace("_", " ").strip().capitalize()
            project = add_project(key=project_key, name=name[:80] or project_key, actor="manage.py crawl")
        return actions.start_crawl(source=actions.add_source(project=project, kind=kind, url=url))


def again(run: CrawlRun) -> CrawlRun:
    """The run as it is now. Raises KnowledgeError where its source was removed."""
    found = CrawlRun.objects.select_related("source").filter(pk=run.pk).first()
    if found is None:
        raise KnowledgeError("source_removed", "The source was removed meanwhile.")
    return found


def progress(run: CrawlRun) -> str:
    """How far a run is, in a line."""
    done = f"found {run.found}, fetched {run.fetched}, indexed {run.indexed}, failed {run.failed}"
    return f"{run.get_state_display()}: {done}"


def why_still(run: CrawlRun) -> str:
    """What a run that does not get on waits for."""
    if not Heartbeat.objects.filter(name=WORKER, at__gt=timezone.now() - WORKER_LIVES).exists():
        return "No worker of the queue `index` is running: nothing is read until one starts. Still waiting."
    if run.state == CrawlRun.State.QUEUED:
        return "The worker has not come to it yet. Still waiting."
    return "The page that is read now takes long. Still waiting."


def counts_of(run: CrawlRun) -> dict[str, Any]:
    """A run's counts, and how much of its source answers now."""
    live = Chunk.objects.filter(document__source=run.source_id, is_live=True)
    return {
        "source": run.source_id,
        "run": run.pk,
        "url": run.source.url,
        "state": str(run.state),
        "found": run.found,
        "fetched": run.fetched,
        "indexed": run.indexed,
        "failed": run.failed,
        "pages": live.values("document").distinct().count(),
        "passages": live.count(),
        "error": run.error,
    }


def _sentence(counts: dict[str, Any]) -> str:
    told = ", ".join(f"{name} {counts[name]}" for name in ("found", "fetched", "indexed", "failed"))
    now = f"{counts['pages']} pages in {counts['passages']} passages answer now."
    return " ".join(filter(None, (f"{counts['url']} is {counts['state']}: {told}.", now, counts["error"])))
