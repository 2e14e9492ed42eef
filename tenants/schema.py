"""Door 1: the only way into a tenant's schema.

The schema is entered inside the synchronous function, on the thread that runs the queries. Entering it
anywhere else (at connect, around an await, through the async ORM) let half of all calls read another tenant.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from celery import Task
from django.conf import settings
from django.db import close_old_connections, connection
from django_tenants.utils import get_public_schema_name, schema_context
from prometheus_client import Histogram
from structlog.contextvars import bound_contextvars

from tenants.errors import SchemaMissing

P = ParamSpec("P")
R = TypeVar("R")

PUBLIC: str = get_public_schema_name()
_HOPS = Histogram("builtabot_hop_seconds", "From a call out of async code to its end, waiting included.", ["what"])
_THREADS = ThreadPoolExecutor(max_workers=getattr(settings, "HOP_THREADS", 8), thread_name_prefix="hop")


def current_schema() -> str:
    """The schema this thread's queries go to now; `public` outside of every tenant."""
    return str(getattr(connection, "schema_name", PUBLIC))


def run_in(schema: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `fn` with this thread's queries in `schema`, and restore what was there before, whatever happens.

    `fn` must return plain data or evaluated rows: nothing lazy survives the door. Raises SchemaMissing
    for an empty schema.
    """
    if not schema:
        raise SchemaMissing
    with schema_context(schema):
        return fn(*args, **kwargs)


def _hop(schema: str, fn: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
    close_old_connections()
    try:
        return run_in(schema, fn, *args, **kwargs)
    finally:
        close_old_connections()


async def hop(schema: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """`run_in` from async code, on a thread of a pool of its own; the connection goes back to the pool after."""
    call = sync_to_async(_hop, thread_sensitive=False, executor=_THREADS)
    began = time.monotonic()
    try:
        # Shielded: a socket that closes in the middle must not leave a half-run thread unobserved.
        result: R = await asyncio.shield(asyncio.ensure_future(call(schema, fn, args, kwargs)))
    finally:
        _HOPS.labels(getattr(fn, "__name__", "other")).observe(time.monotonic() - began)
    return result


class TenantTask(Task):  # type: ignore[type-arg]  # generic in its stubs alone
    """Celery base whose first argument is the schema: `task.delay(schema, *ids)`.

    The body never sees the schema and cannot forget it. Without one, or with `public`, the task is refused
    before its body runs; the schema is always reset, also after an error.
    """

    abstract = True
    typing = False  # callers pass one argument more (the schema) than the body takes

    def __call__(self, schema: str = "", *args: Any, **kwargs: Any) -> Any:
        if not schema or schema == PUBLIC:
            raise SchemaMissing
        close_old_connections()
        try:
            with bound_contextvars(tenant=schema):
                return run_in(schema, self.run, *args, **kwargs)
        finally:
            close_old_connections()
