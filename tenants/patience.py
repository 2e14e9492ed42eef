"""How long Postgres waits on our behalf: the settings' limits (DATABASE_*_SECONDS), and what is exempt from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection


@contextmanager
def unhurried() -> Iterator[None]:
    """Lift the limits on statements and locks for a block that builds or drops whole schemas. Not to be nested."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
    try:
        yield
    finally:
        # A transaction that failed takes both back by itself, and a connection that is gone has none.
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout; RESET statement_timeout")


def take_time() -> None:
    """Lift the limit on statements until the transaction ends: for what writes all passages of a project at once."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
