"""`/healthz` and `/readyz`: answered on every host and IP, ahead of host validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from builtabot.queues import ages_seconds
from chat.draining import drain
from knowledge.models import Chunk, CrawlRun
from tenants import push
from tenants.hosts import tenant_at
from tenants.models import Heartbeat
from tenants.schema import PUBLIC, run_in

FRESH_SECONDS = 30
OLD_SECONDS = 60
QUEUES = {"chat": "chat worker", "index": "index worker", "outside": "outside worker"}
DEMO_PROJECT = "shop"


class HealthMiddleware:
    """`/healthz`: this process answers. `/readyz`: it can serve, else 503 and what is missing.

    A web process is judged by what it needs itself: tables, database, broker. Workers are no part of that: one that
    reads a slow file would take every web process out of traffic at once, and no visitor would be better off. The
    demo, whose one answer says that the whole product is up, asks for its workers and its content too. What is wrong
    and makes no process unready stands in `degraded`, beside the age of each queue.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return JsonResponse({"ok": True})
        if request.path == "/readyz":
            missing = ["another web process, this one is ending"] if drain.begun else list(_missing())
            body: dict[str, Any] = {"ready": False, "missing": missing} if missing else {"ready": True}
            if not drain.begun and not {"database", "migrations"} & set(missing):
                body |= _condition()
            response = JsonResponse(body, status=503 if missing else 200)
            response.headers["Cache-Control"] = "no-store"
            vars(response)["_has_been_logged"] = True  # "not yet" is an answer here, not an error
            return response
        return self.get_response(request)


def _missing() -> Iterator[str]:
    try:
        yield from run_in(PUBLIC, lambda: list(_missing_in_database()))
    except (DatabaseError, InterfaceError):
        yield "database"
    if not _broker_answers():
        yield "broker"


def _condition() -> dict[str, Any]:
    """What whoever runs the product wants to know, and no proxy should act upon."""
    degraded = [] if push.answers() else ["channel layer"]
    ages: dict[str, float] = {}
    try:
        degraded += run_in(PUBLIC, lambda: list(_silent_workers()))
        ages = run_in(PUBLIC, ages_seconds)
    except (DatabaseError, InterfaceError):
        return {"degraded": [*degraded, "database"]}
    degraded += [f"{name} queue" for name, age in ages.items() if age > OLD_SECONDS]
    return {"queue_age_seconds": {name: round(age, 1) for name, age in ages.items()}, "degraded": degraded}


def _silent_workers() -> Iterator[str]:
    fresh = Heartbeat.objects.filter(at__gt=timezone.now() - timedelta(seconds=FRESH_SECONDS))
    alive = set(fresh.values_list("name", flat=True))
    yield from (title for name, title in QUEUES.items() if name not in alive)


def _missing_in_database() -> Iterator[str]:
    if not _Migrations.applied():
        yield "migrations"
        return
    if settings.DEMO:
        yield from _missing_of_demo()


def _missing_of_demo() -> Iterator[str]:
    yield from _silent_workers()
    tenant = tenant_at(f"acme.{settings.BASE_DOMAIN}")
    gap = run_in(str(tenant.schema_name), _content_gap) if tenant else "not seeded"
    if gap:
        yield f"demo content ({gap})"


def _content_gap() -> str:
    """What the demo's crawl still lacks, in words; empty once its newest run is done and answers."""
    run = CrawlRun.objects.filter(source__project__key=DEMO_PROJECT).order_by("-queued_at", "-pk").first()
    if run is None:
        return "no crawl yet"
    if run.state != CrawlRun.State.DONE:
        if run.state in {CrawlRun.State.FAILED, CrawlRun.State.CANCELLED}:
            return f"crawl {run.state}: {run.error}" if run.error else f"crawl {run.state}"
        return f"{run.indexed} of {run.found} pages" if run.found else "waiting for the crawl"
    if not Chunk.objects.filter(project__key=DEMO_PROJECT, is_live=True).exists():
        return "nothing indexed"
    return ""


class _Migrations:
    """Whether the public schema is up to date; asked until it is, then never again in this process."""

    _applied = False

    @classmethod
    def applied(cls) -> bool:
        if not cls._applied:
            executor = MigrationExecutor(connection)
            cls._applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return cls._applied


def _broker_answers() -> bool:
    with current_app.connection_for_write() as broker:
        troubles: tuple[type[BaseException], ...] = (BrokerError, *broker.connection_errors)
        try:
            broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)
        except troubles:
            return False
    return True
