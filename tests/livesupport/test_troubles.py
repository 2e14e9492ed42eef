"""What an agent reads when the database does not do what was asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import InterfaceError, OperationalError, connection, connections, transaction

from chat.models import Conversation
from livesupport import views
from tenants.schema import run_in
from tests.cast import PNG, Cast
from tests.conftest import Tenants
from tests.livesupport.test_actions import queue_up


@pytest.mark.parametrize("error", [OperationalError("deadlock detected"), InterfaceError("closed")])
def test_a_deed_the_database_refuses_is_unavailable_and_says_so(
    tenants: Tenants, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = tenants.a
    cast.run(queue_up, cast)

    def claim(**_: Any) -> None:
        with transaction.atomic():
            Conversation.objects.update(owner="agent", holder=cast.agent.seat)
            raise error

    monkeypatch.setattr(views.actions, "claim", claim)
    answer = cast.client(cast.agent).post(f"/live/c/{cast.thread.conversation_id}/claim/")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "again" in answer.json()["sentence"]
    assert cast.run(Conversation.objects.filter(holder__isnull=False).count) == 0


def test_a_file_the_database_refuses_is_unavailable_too(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = tenants.a

    def send(**_: Any) -> None:
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(views.chat, "send_file_as_seat", send)
    form = {"file": SimpleUploadedFile("a.png", PNG, "image/png"), "client_id": str(uuid4())}
    answer = cast.client(cast.agent).post(f"/live/c/{cast.thread.conversation_id}/attachment/", form)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_a_fault_of_ours_is_not_called_a_busy_database(tenants: Tenants) -> None:
    def broken() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT nothing_of_this_name")

    with pytest.raises(Exception, match="nothing_of_this_name"):
        views._act(broken)


def test_a_conversation_that_somebody_keeps_locked_is_not_waited_for_for_ever(fresh_tenant: Cast) -> None:
    """The very lock that Postgres would wait for; here it has less patience than the settings give it."""
    cast = fresh_tenant
    cast.run(queue_up, cast)
    held, done = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Conversation.objects.select_for_update().get(pk=cast.thread.conversation_id)
                held.set()
                assert done.wait(20)
        finally:
            connections.close_all()

    client = cast.client(cast.agent)
    try:
        with ThreadPoolExecutor(1) as pool:
            keeper = pool.submit(run_in, cast.schema, hold)
            assert held.wait(10)
            with connection.cursor() as cursor:
                cursor.execute("SHOW lock_timeout")
                assert cursor.fetchone() == ("3s",)
                cursor.execute("SET lock_timeout = '100ms'")
            answer = client.post(f"/live/c/{cast.thread.conversation_id}/claim/")
            done.set()
            keeper.result(10)
    finally:
        done.set()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert client.post(f"/live/c/{cast.thread.conversation_id}/claim/").status_code == 200
