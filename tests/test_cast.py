"""The cast itself: tenants are apart, and a test's changes are gone after it."""

from collections.abc import Callable

import pytest
from django.db import ProgrammingError, transaction

from chat.models import Conversation, Message
from tests.cast import Cast
from tests.conftest import Tenants


def test_each_tenant_holds_its_own_marker_only(tenants: Tenants) -> None:
    for cast in tenants:
        texts = cast.run(lambda: list(Message.objects.values_list("text", flat=True)))
        assert any(cast.marker in text for text in texts)
        assert not any(other.marker in text for other in tenants.others(cast) for text in texts)


def test_an_id_of_one_tenant_means_nothing_at_another(tenants: Tenants) -> None:
    for other in tenants.others(tenants.a):
        assert not tenants.a.run(Message.objects.filter(pk__in=other.thread.message_ids).exists)


@pytest.mark.parametrize("round_", [1, 2])
def test_a_change_is_rolled_back(tenants: Tenants, round_: int) -> None:
    with tenants.a.inside():
        assert Conversation.objects.count() == 2
        Conversation.objects.all().delete()
        assert Conversation.objects.count() == 0


def test_outside_of_a_schema_there_are_no_conversations(tenants: Tenants) -> None:
    with pytest.raises(ProgrammingError), transaction.atomic():
        Conversation.objects.exists()


def test_a_fresh_tenant_commits(fresh_tenant: Cast) -> None:
    with fresh_tenant.inside(), transaction.atomic():
        Conversation.objects.update(page_title="kept")
    assert fresh_tenant.run(Conversation.objects.filter(page_title="kept").count) == 2


def test_on_commit_runs_what_waits_for_the_commit(tenants: Tenants, on_commit: Callable) -> None:
    ran = []
    with on_commit():
        transaction.on_commit(lambda: ran.append(1))
        assert not ran
    assert ran == [1]
