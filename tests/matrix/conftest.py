"""Three tenants that the matrix of sockets and tasks may commit to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.conftest import Tenants, make_tenant


@pytest.fixture(scope="package")
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Tenants:
    with django_db_blocker.unblock():
        made = Tenants(make_tenant(), make_tenant(), make_tenant())
        connection.close()
    return made


@pytest.fixture
def three(committed: Tenants, django_db_blocker: DjangoDbBlocker) -> Iterator[Tenants]:
    """Outside of any transaction. What one test writes the next one finds: compare before and after."""
    with django_db_blocker.unblock():
        yield committed
        connection.close()
