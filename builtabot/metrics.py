"""`/metrics`: what Prometheus reads, for whoever knows METRICS_TOKEN.

Counts are kept where things happen: HTTP here, hops in tenants/schema.py, sockets in chat/sockets.py, tasks through
Celery's own signals, and what people do by listening to events. The processes of one machine add theirs up in
METRICS_DIR. What is a matter of rows, such as how long work waits, is asked when Prometheus asks. No label holds a
tenant, a conversation or a word of anybody: a tenant's figures are its own, in Insights.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from celery import current_app
from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from kombu.exceptions import OperationalError as BrokerError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client import REGISTRY as OWN
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from builtabot.queues import ages_seconds
from chat import events as chat
from tenants.events import Event, OutboxPosted
from tenants.schema import PUBLIC, run_in

PATH = "/metrics"
HTTP = Histogram("builtabot_http_seconds", "Answering HTTP requests.", ["method", "route", "status"])
TASKS = Histogram("builtabot_task_seconds", "Running Celery tasks.", ["task", "state"])
MESSAGES = Counter("builtabot_messages", "Entries that joined a log.")
ANSWERS = Counter("builtabot_answers", "Turns of the AI that ended, by outcome.", ["outcome"])
HANDOFFS = Counter("builtabot_handoffs", "People were called, by whether somebody was there.", ["reachable"])
CLAIMS = Counter("builtabot_claims", "Somebody took a conversation, by where.", ["via"])
RELEASES = Counter("builtabot_releases", "An agent gave a conversation back, by whom to.", ["to"])
ENDINGS = Counter("builtabot_endings", "Episodes that ended, by outcome.", ["outcome"])
OUTGOING = Counter("builtabot_outbox_entries", "Letters, Slack posts and calls that wait to leave.")

COUNTED: dict[type[Event], Callable[[Any], None]] = {
    chat.MessagePosted: lambda event: MESSAGES.inc(),
    chat.AnswerGiven: lambda event: ANSWERS.labels(event.outcome).inc(),
    chat.HandoffRequested: lambda event: HANDOFFS.labels("yes" if event.reachable else "no").inc(),
    chat.ConversationClaimed: lambda event: CLAIMS.labels(event.via).inc(),
    chat.ConversationReleased: lambda event: RELEASES.labels(event.to).inc(),
    chat.ConversationResolved: lambda event: ENDINGS.labels(event.outcome).inc(),
    OutboxPosted: lambda event: OUTGOING.inc(),
}


def count(event: Event) -> None:
    """Listener of each event in COUNTED."""
    COUNTED[type(event)](event)


class MetricsMiddleware:
    """Times every request, and answers /metrics to whoever brings the token as a bearer; to others it is a 404."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == PATH:
            return _answer(request)
        began = time.monotonic()
        response = self.get_response(request)
        match = request.resolver_match
        route = match.route if match else "none"
        HTTP.labels(request.method, route, f"{response.status_code // 100}xx").observe(time.monotonic() - began)
        return response


def _answer(request: HttpRequest) -> HttpResponse:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = settings.METRICS_TOKEN
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        return HttpResponse("Nothing is here.", status=404, content_type="text/plain")
    response = HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
    response.headers["Cache-Control"] = "no-store"
    return response


def exposition() -> bytes:
    """All metrics as text, in Prometheus' format."""
    waiting = CollectorRegistry()
    waiting.register(Waiting())
    if not settings.METRICS_DIR:
        return generate_latest(OWN) + generate_latest(waiting)
    everybody = CollectorRegistry()
    collector: Any = MultiProcessCollector  # untyped
    collector(everybody, path=settings.METRICS_DIR)
    return generate_latest(everybody) + generate_latest(waiting)


class Waiting(Collector):
    """What waits, and who is there to do it."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the public tables and the broker; what cannot be read is left out."""
        with suppress(DatabaseError, InterfaceError):
            yield from run_in(PUBLIC, lambda: list(_rows()))
        yield from _queues()


def _rows() -> Iterator[GaugeMetricFamily]:
    late = GaugeMetricFamily(
        "builtabot_due_late_seconds", "How long work has been due, the oldest of its kind.", labels=["kind"]
    )
    for kind, seconds in _select(
        "SELECT split_part(kind, '#', 1), EXTRACT(EPOCH FROM now() - min(at)) FROM public.tenants_due"
        " WHERE at < now() GROUP BY 1"
    ):
        late.add_metric([kind], float(seconds))
    yield late
    silent = GaugeMetricFamily(
        "builtabot_worker_silent_seconds", "Since a worker's last sign of life.", labels=["worker"]
    )
    for name, seconds in _select("SELECT name, EXTRACT(EPOCH FROM now() - at) FROM public.tenants_heartbeat"):
        silent.add_metric([name], float(seconds))
    yield silent
    age = GaugeMetricFamily(
        "builtabot_queue_age_seconds", "The oldest thing known to wait for a queue's workers.", labels=["queue"]
    )
    for name, seconds in ages_seconds().items():
        age.add_metric([name], max(0.0, seconds))
    yield age


def _select(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _queues() -> Iterator[GaugeMetricFamily]:
    length = GaugeMetricFamily("builtabot_queue_tasks", "Tasks that wait in the broker.", labels=["queue"])
    routes: dict[str, Any] = settings.CELERY_TASK_ROUTES
    named = {settings.CELERY_TASK_DEFAULT_QUEUE} | {at["queue"] for at in routes.values()}
    with current_app.connection_for_read() as broker:
        troubles: tuple[type[BaseException], ...] = (BrokerError, *broker.connection_errors)
        try:
            broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)
            channel: Any = broker.default_channel  # of Redis: a queue is a list for each priority
            for queue in sorted(named):
                lists = [channel._q_for_pri(queue, priority) for priority in channel.priority_steps]
                length.add_metric([queue], sum(map(channel.client.llen, lists)))
        except troubles:
            return
    yield length


_began: dict[str, float] = {}


@task_prerun.connect
def _task_begins(task_id: str, **_: Any) -> None:
    _began[task_id] = time.monotonic()


@task_postrun.connect
def _task_ends(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    began = _began.pop(task_id, None)
    if began is not None:
        TASKS.labels(task.name, state or "none").observe(time.monotonic() - began)
