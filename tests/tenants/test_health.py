"""`/healthz` and `/readyz` answer everywhere, and ready means ready."""

from datetime import timedelta
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.utils import timezone

from builtabot import health, metrics
from knowledge.models import Chunk, CrawlRun
from tenants.models import Domain, Due, Heartbeat
from tests.cast import browser
from tests.conftest import Tenants

HOSTS = ("localhost:8000", "team1.localhost:8000", "evil.example", "127.0.0.1:8000", "[::1]:8000", "")


@pytest.fixture
def workers(db: None) -> None:
    """A fresh sign of life of each queue's workers."""
    for name in ("chat", "index", "outside"):
        Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now()})


def missing(host: str = "evil.example") -> list[str]:
    answer = browser(host).get("/readyz")
    body = answer.json()
    assert answer.status_code == (200 if body["ready"] else 503)
    assert body["ready"] is not bool(body.get("missing"))
    return body.get("missing", [])


@pytest.fixture
def demo(tenants: Tenants, workers: None, settings: Any) -> None:
    """A demo that has all it needs."""
    settings.DEMO = True
    Domain.objects.create(domain="acme.localhost", tenant=tenants.a.tenant)


@pytest.mark.parametrize("host", HOSTS)
def test_health_is_answered_on_every_host(db: None, host: str) -> None:
    assert browser(host).get("/healthz").json() == {"ok": True}
    answer = browser(host).get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert "missing" not in answer.json()
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["chat", "index", "outside"])
def test_the_demo_misses_a_worker_without_a_fresh_sign_of_life(demo: None, name: str) -> None:
    Heartbeat.objects.filter(name=name).update(at=timezone.now() - timedelta(seconds=29))
    assert missing() == []
    Heartbeat.objects.filter(name=name).update(at=timezone.now() - timedelta(seconds=31))
    assert missing() == [f"{name} worker"]
    Heartbeat.objects.all().delete()
    assert missing() == ["chat worker", "index worker", "outside worker"]


def test_elsewhere_a_worker_at_a_slow_page_takes_no_web_process_out_of_traffic(workers: None) -> None:
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert missing() == []
    Heartbeat.objects.all().delete()
    assert missing() == []


def condition() -> dict[str, Any]:
    answer = browser("evil.example").get("/readyz")
    assert answer.status_code == 200
    return answer.json()


def test_a_well_product_has_young_queues_and_nothing_degraded(workers: None) -> None:
    Due.objects.all().delete()
    told = condition()
    assert told["degraded"] == []
    assert set(told["queue_age_seconds"]) == {"chat", "index", "outside", "watch"}
    assert max(told["queue_age_seconds"].values()) < 2


def test_a_queue_is_as_old_as_the_oldest_thing_that_waits_in_it(workers: None) -> None:
    Due.objects.all().delete()
    now = timezone.now()
    for kind, seconds in (("outbox", 70), ("outbox-prune", -50), ("recrawl~sent", 500), ("waiting", 40), ("zz", 900)):
        Due.objects.create(schema="t_health", kind=kind, at=now - timedelta(seconds=seconds))
    Heartbeat.objects.filter(name="chat").update(at=now - timedelta(seconds=25))
    told = condition()
    ages = {name: round(age / 5) * 5 for name, age in told["queue_age_seconds"].items()}
    assert ages == {"chat": 20, "index": 0, "outside": 70, "watch": 40}
    assert told["degraded"] == ["outside queue"]
    assert 'builtabot_queue_age_seconds{queue="outside"} 7' in metrics.exposition().decode()


def test_silent_workers_and_a_layer_that_is_away_degrade_and_take_nobody_out_of_traffic(
    workers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise ConnectionError("away")

    Due.objects.all().delete()
    Heartbeat.objects.filter(name="index").update(at=timezone.now() - timedelta(seconds=90))
    monkeypatch.setattr(get_channel_layer(), "group_send", gone, raising=False)
    assert condition()["degraded"] == ["channel layer", "index worker", "index queue"]


def test_tables_that_lag_behind_are_named(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.migrations.executor import MigrationExecutor

    monkeypatch.setattr(health._Migrations, "_applied", False)
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [("one", False)])
    assert missing() == ["migrations"]
    monkeypatch.undo()
    assert missing() == []


def test_a_broker_that_does_not_answer_is_named(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import current_app
    from kombu import Connection

    monkeypatch.setattr(current_app, "connection_for_write", lambda: Connection("redis://127.0.0.1:1/0"))
    assert missing() == ["broker"]


def test_the_demos_content_is_named_with_its_progress(tenants: Tenants, workers: None, settings: Any) -> None:
    settings.DEMO = True
    assert missing() == ["demo content (not seeded)"]
    a = tenants.a
    Domain.objects.create(domain="acme.localhost", tenant=a.tenant)
    assert missing() == []

    def reading(**facts: Any) -> list[str]:
        a.run(CrawlRun.objects.filter(pk=a.run_id).update, **facts)
        return missing()

    assert reading(state="running", found=42, indexed=14) == ["demo content (14 of 42 pages)"]
    assert reading(found=0) == ["demo content (waiting for the crawl)"]
    assert reading(state="failed", error="No page.") == ["demo content (crawl failed: No page.)"]
    assert reading(state="done") == []
    a.run(Chunk.objects.update, is_live=False)
    assert missing() == ["demo content (nothing indexed)"]
    a.run(CrawlRun.objects.all().delete)
    assert missing() == ["demo content (no crawl yet)"]
