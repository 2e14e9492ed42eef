"""Fixtures of all tests. The database belongs to this run alone (tests/services.py) and is never flushed:
in the public schema Django's flush would delete the tenants."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from chat.watch import watch
from tenants import provisioning
from tenants.models import Domain, Plan, Tenant
from tests.cast import BASE_DOMAIN, Cast, plant
from tests.web import serving

TESTS = Path(__file__).parent


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors: a test that drives a browser or a socket mostly waits."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """With several workers a file's tests stay together, and so do those on the running product, which is ready
    after about a third of the others. What takes longest begins first, so that no worker is left alone with it."""
    browser = TESTS / "browser"
    for item in items:
        group = "browser" if item.path.is_relative_to(browser) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    yield  # pytest-django puts the tests that need a database first
    on_product = [item for item in items if item.path.is_relative_to(browser)]
    others = [item for item in items if not item.path.is_relative_to(browser)]
    others.sort(key=lambda item: not item.path.stem.endswith(("_stress", "_browser")))
    third = len(others) // 3
    items[:] = [*others[:third], *on_product, *others[third:]]


@dataclass(frozen=True)
class Tenants:
    """Three tenants, committed once per run. Tests change them inside a transaction that is rolled back."""

    a: Cast
    b: Cast
    c: Cast

    def __iter__(self) -> Iterator[Cast]:
        return iter((self.a, self.b, self.c))

    def others(self, cast: Cast) -> list[Cast]:
        return [other for other in self if other is not cast]


_numbers = itertools.count(1)


def make_tenant() -> Cast:
    """A new tenant with a cast, committed."""
    number = next(_numbers)
    schema = provisioning.new_schema_name()
    host = f"team{number}.{BASE_DOMAIN}"
    tenant = Tenant.objects.create(schema_name=schema, name=f"Team {number}", plan=Plan.objects.first())
    Domain.objects.create(domain=host, tenant=tenant, is_primary=True)
    provisioning.create_schema(schema)
    return plant(tenant, host=host)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Migrate the run's own database. It is thrown away with its server, so nothing is torn down here."""
    with django_db_blocker.unblock():
        call_command("prepare", verbosity=0, stdout=io.StringIO())
    yield
    with django_db_blocker.unblock():
        connections["default"].close_pool()


@pytest.fixture(scope="session")
def planted(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Tenants:
    """The three tenants of the run, committed before any test's transaction begins."""
    with django_db_blocker.unblock():
        tenants = Tenants(make_tenant(), make_tenant(), make_tenant())
        connection.close()
    return tenants


@pytest.fixture
def tenants(planted: Tenants, db: None) -> Tenants:
    """Three tenants with their casts, inside this test's transaction."""
    return planted


@pytest.fixture
def fresh_tenant(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Cast]:
    """A tenant of this test's own, for tests that commit: sockets, threads, races."""
    with django_db_blocker.unblock():
        yield make_tenant()
        connection.close()


@pytest.fixture
def fresh_tenants(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Callable[[int], list[Cast]]]:
    """`fresh_tenants(4)`: several tenants of this test's own."""
    with django_db_blocker.unblock():
        yield lambda count: [make_tenant() for _ in range(count)]
        connection.close()


@pytest.fixture(scope="session")
def web_port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the product's web process over this run's database: one for all tests of a worker."""
    with serving(tmp_path_factory.mktemp("web")) as port:
        yield port


@pytest.fixture
def on_commit(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Callable[[], object]]]],
) -> Callable[[], AbstractContextManager[list[Callable[[], object]]]]:
    """`with on_commit(): ...` runs what the block left for after the commit, as if it had committed."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def transactional_db() -> None:
    """Refused: it flushes."""
    pytest.fail("transactional_db flushes the tenants away; take `fresh_tenant`, which may commit")


@pytest.fixture(autouse=True)
def _watch_is_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's watch would look at turns while another test runs. What it does has tests of its own."""
    monkeypatch.setattr(watch, "note", lambda schema, at: None)


@pytest.fixture(autouse=True)
def _schema_left_as_found(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whoever enters a schema leaves it: a test that ends inside a tenant has found a leak."""
    yield
    if connection.schema_name != "public":
        left = connection.schema_name
        connection.set_schema_to_public()
        pytest.fail(f"the test's thread was left in {left}")
