"""What waits is found by one table: its cost does not grow with the tenants, and the table does not grow with work."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import actions as chat
from tenants import due, external, tasks
from tenants.models import Due
from tests.conftest import Tenants


def _statements(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if "search_path" not in query["sql"]]


def _sweep() -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        due.sweep(send=lambda schema, kind, receipt: True)
        external.waiting()
    return _statements(queries)


def test_a_sweep_costs_the_same_for_one_tenant_with_work_and_for_a_hundred(tenants: Tenants) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Due.objects.all().delete()
    Due.objects.create(schema="t_one", kind="turn", at=past)
    one = _sweep()
    Due.objects.all().delete()
    Due.objects.bulk_create(Due(schema=f"t_{number}", kind="turn", at=past) for number in range(100))
    hundred = _sweep()
    assert len(one) == len(hundred) <= 9
    assert not [sql for sql in hundred if "tenants_tenant" in sql or "tenants_domain" in sql]


def test_a_sweep_without_work_enters_no_tenant(tenants: Tenants) -> None:
    Due.objects.all().delete()
    with CaptureQueriesContext(connection) as queries:
        due.sweep(send=tasks._send)
    assert not [query["sql"] for query in queries if any(cast.schema in query["sql"] for cast in tenants)]


def test_work_upon_work_is_one_note_of_each_kind(tenants: Tenants) -> None:
    cast = tenants.a
    with cast.inside():
        Due.objects.filter(schema=cast.schema).delete()
        kinds = set()
        for _ in range(3):
            session = chat.open_session(project=cast.project_key, token=None, language="en")
            for text in ("Where is my parcel?", "I want to talk to a human"):
                chat.post_as_visitor(conversation_id=session.conversation_id, draft=chat.Draft(text, uuid4()))
            rows = list(Due.objects.filter(schema=cast.schema).values_list("kind", flat=True))
            assert len(rows) == len(set(rows))
            kinds = kinds or set(rows)
            assert set(rows) == kinds
        assert "turn" in kinds


def test_every_kind_of_work_leaves_at_most_a_note_and_a_receipt(tenants: Tenants) -> None:
    cast = tenants.a
    Due.objects.all().delete()
    now = timezone.now()
    for round_ in range(4):
        for kind in due._tasks:
            cast.run(due.note, kind, now)
        due.sweep(send=lambda schema, kind, receipt: True, now=now + timedelta(minutes=round_))
    assert Due.objects.filter(schema=cast.schema).count() <= 2 * len(due._tasks)
