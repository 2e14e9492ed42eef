"""After a run: rows, with plain SQL past the proxies, and what the fakes saw, as the oracle's facts."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from tests.faults.facts import Facts
from tests.faults.journal import Journal, Row
from tests.faults.stack import Stack

MESSAGES = "id, conversation_id::text AS conversation, seq, kind, sender, sender_name, text, event, data, internal, " \
    "target, client_id::text AS client_id, extract(epoch FROM created_at)::float AS at"  # fmt: skip
TURNS = "id, conversation_id::text AS conversation, message_id, state, attempts, " \
    "extract(epoch FROM first_words_at)::float AS first_words_at"  # fmt: skip
OUTBOX = "id, kind, lane, idempotency_key AS key, payload, state, attempts, last_error, " \
    "extract(epoch FROM next_at)::float AS next_at"  # fmt: skip
CONVERSATIONS = "c.id::text AS id, c.owner, c.epoch, c.last_seq, EXISTS (SELECT 1 FROM {schema}.chat_handoff h WHERE " \
    "h.conversation_id = c.id AND h.state IN ('waiting', 'claimed', 'standing')) AS open_handoff"  # fmt: skip


async def read(stack: Stack, journal: Journal, schemas: dict[str, str]) -> Facts:
    """Everything that there is to know about a run."""
    facts = Facts(journal=journal.rows, schemas=schemas, ended=time.monotonic())
    ahead = time.time() - time.monotonic()
    with stack.world.connect(stack.database) as session:
        for tenant in stack.world.tenants:
            schema = f'"{tenant["schema"]}"'
            for into, columns, table in (
                (facts.messages, MESSAGES, "chat_message"),
                (facts.turns, TURNS, "chat_turn"),
                (facts.outbox, OUTBOX, "workspace_outboxentry"),
                (facts.conversations, CONVERSATIONS.format(schema=schema), "chat_conversation c"),
            ):
                rows = session.execute(f"SELECT {columns} FROM {schema}.{table}").fetchall()
                into += [_timed({**row, "schema": tenant["schema"]}, ahead) for row in rows]
            facts.probes |= _probe(session, tenant["schema"])
    facts.posts = await stack.fakes.call("slack_posts")
    facts.model = await stack.fakes.call("model_journal")
    return facts


def _timed(row: Row, ahead: float) -> Row:
    """Wall-clock times as those of the monotonic clock."""
    for name in ("at", "first_words_at", "next_at"):
        if row.get(name) is not None:
            row[name] = float(row[name]) - ahead
    return row


def _probe(session: psycopg.Connection[Any], schema: str) -> dict[str, bool]:
    """Whether the database itself refuses what must not be: tried, and taken back."""
    table = f'"{schema}".chat_message'
    listed = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = 'chat_message'"
    )
    found = [row["column_name"] for row in session.execute(listed, [schema]).fetchall()]
    columns = [name for name in found if name not in ("id", "seq", "client_id")]
    names = ", ".join(f'"{name}"' for name in columns)
    source = f"FROM {table} WHERE client_id IS NOT NULL ORDER BY id LIMIT 1"
    if session.execute(f"SELECT 1 {source}").fetchone() is None:
        return {}
    into = f"INSERT INTO {table} (seq, client_id, {names})"
    tries = {
        "one row for a client id": f"{into} SELECT 1000000, client_id, {names} {source}",
        "one row for a seq": f"{into} SELECT seq, gen_random_uuid(), {names} {source}",
    }
    return {f"{question} ({schema})": _refuses(session, statement) for question, statement in tries.items()}


def _refuses(session: psycopg.Connection[Any], statement: str) -> bool:
    try:
        with session.transaction(force_rollback=True):
            session.execute(statement)
    except psycopg.errors.UniqueViolation:
        return True
    return False
