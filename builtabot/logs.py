"""Log lines that say where they belong: tenant, conversation, request, task. They never hold what people wrote.

Code logs through the standard library; this is the one formatter. A line names its tenant by the schema of the
thread that writes it, and the rest by context variables, bound where a request, a socket's frame or a task begins.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import structlog
from celery.signals import task_postrun, task_prerun
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, bound_contextvars, unbind_contextvars
from structlog.typing import EventDict, Processor

HEADER = "X-Request-ID"
PLACES = ("tenant", "conversation", "request", "task")
_WELL_FORMED = re.compile(r"[\w.-]{1,64}")
# Postgres quotes whole rows in these lines of an error, a visitor's words among them.
_QUOTED_ROWS = re.compile(r"^(?:DETAIL|CONTEXT|HINT):.*(?:\n(?![A-Z]|\s*File|Traceback).*)*\n?", re.MULTILINE)


def configuration(level: str, form: str) -> dict[str, Any]:
    """Django's LOGGING: `form` is `json`, one object a line, or `line`, for people."""
    last: Processor = structlog.processors.JSONRenderer(ensure_ascii=False) if form == "json" else _line
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _name_tenant,
            _leave_rows_out,
        ],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    }
    quiet = {"level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"placed": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "placed"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {"django.server": quiet, "daphne": quiet, "httpx": quiet, "httpx2": quiet},
    }


def _name_tenant(_: Any, __: str, line: EventDict) -> EventDict:
    from tenants.schema import PUBLIC, current_schema  # needs the settings, which need this module

    if "tenant" not in line and (schema := current_schema()) != PUBLIC:
        line["tenant"] = schema
    return line


def _leave_rows_out(_: Any, __: str, line: EventDict) -> EventDict:
    if "exception" in line:
        line["exception"] = _QUOTED_ROWS.sub("", line["exception"])
    return line


def _line(_: Any, __: str, line: EventDict) -> str:
    head = f"{line.get('timestamp')} {str(line.get('level')).upper()} {line.get('logger')} {line.get('event')}"
    places = "".join(f" {name}={line[name]}" for name in PLACES if line.get(name))
    trace = f"\n{line['exception']}" if line.get("exception") else ""
    return head + places + trace


class RequestIdMiddleware:
    """Gives each request a name, the caller's own if it is well formed, and gives it back in the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        name = given if _WELL_FORMED.fullmatch(given) else secrets.token_hex(8)
        with bound_contextvars(request=name):
            response = self.get_response(request)
        response.headers[HEADER] = name
        return response


@task_prerun.connect
def _name_task(task_id: str, **_: Any) -> None:
    bind_contextvars(task=task_id)


@task_postrun.connect
def _forget_task(**_: Any) -> None:
    unbind_contextvars("task")
