"""What operators see: /metrics for those with the token, and log lines that know their place and keep words out."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from prometheus_client import REGISTRY
from structlog.contextvars import bound_contextvars

from builtabot import logs, metrics
from chat import actions
from chat.models import Message
from tests.cast import browser
from tests.conftest import Tenants

OnCommit = Callable[[], AbstractContextManager[list[Callable[[], object]]]]
HOSTS = ("localhost:8000", "team1.localhost:8000", "evil.example")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "let-me-in"])
def test_metrics_are_for_whoever_has_the_token(db: None, settings: Any, host: str, given: str) -> None:
    for token in ("", "let-me-in-please"):
        settings.METRICS_TOKEN = token
        answer = browser(host).get("/metrics", headers={"Authorization": given})
        assert answer.status_code == 404
        assert b"builtabot" not in answer.content


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_metrics_count_what_people_do_and_name_nobody(tenants: Tenants, on_commit: OnCommit, settings: Any) -> None:
    settings.METRICS_TOKEN = "let-me-in-please"
    cast = tenants.a
    before = value("builtabot_messages_total"), value("builtabot_handoffs_total", reachable="no")
    with on_commit():
        opened = cast.run(actions.open_session, project=cast.project_key, token=None)
        draft = actions.Draft("Can I talk to a human?", uuid4())
        cast.run(actions.post_as_visitor, conversation_id=opened.conversation_id, draft=draft)
    assert value("builtabot_messages_total") == before[0] + 2  # the text, and that people were called
    assert value("builtabot_handoffs_total", reachable="no") == before[1] + 1
    cast.client(cast.owner).get("/live/")
    text = browser("localhost").get("/metrics", headers={"Authorization": "Bearer let-me-in-please"}).content.decode()
    queues = [f'builtabot_queue_tasks{{queue="{name}"}}' for name in ("chat", "index", "outside", "watch")]
    for name in ("builtabot_messages_total", 'route="live/"', *queues):
        assert name in text, name
    for other in tenants:
        for word in (other.schema, other.marker, other.host, opened.conversation_id):
            assert word not in text


def test_work_that_is_late_is_told_by_its_kind(tenants: Tenants) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO public.tenants_due (schema, kind, at) VALUES ('t_x', 'zz', now() - interval '90 s')"
        )
    text = metrics.exposition().decode()
    (line,) = [line for line in text.splitlines() if line.startswith('builtabot_due_late_seconds{kind="zz"}')]
    assert 90 <= float(line.split()[1]) < 100


@pytest.fixture
def written() -> Any:
    """A logger as the product configures it, and what it has written, in JSON or in lines."""
    stream = io.StringIO()

    def configured(form: str) -> tuple[logging.Logger, io.StringIO]:
        given = logs.configuration("INFO", form)["formatters"]["placed"]
        handler = logging.StreamHandler(stream)
        maker = given.pop("()")
        handler.setFormatter(maker(**given))
        logger = logging.getLogger("tests.written")
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel("INFO")
        return logger, stream

    return configured


def test_a_line_knows_its_tenant_its_conversation_and_its_request(tenants: Tenants, written: Any) -> None:
    logger, stream = written("json")
    with bound_contextvars(request="abc", conversation="c-1"):
        tenants.a.run(logger.warning, "turn %s failed", 7)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("turn 7 failed", "warning", "tests.written")
    assert (line["tenant"], line["conversation"], line["request"]) == (tenants.a.schema, "c-1", "abc")
    logger.info("after")
    assert "tenant" not in json.loads(stream.getvalue().splitlines()[-1])


def test_a_line_for_people_holds_the_same(tenants: Tenants, written: Any) -> None:
    logger, stream = written("line")
    with bound_contextvars(request="abc"):
        tenants.a.run(logger.warning, "turn %s failed", 7)
    assert stream.getvalue().endswith(f" WARNING tests.written turn 7 failed tenant={tenants.a.schema} request=abc\n")


@pytest.mark.parametrize("form", ["json", "line"])
def test_a_database_error_does_not_quote_the_row(tenants: Tenants, written: Any, form: str) -> None:
    logger, stream = written(form)
    secret = "my card is\n4111 1111"

    def break_a_rule() -> None:
        message = Message.objects.filter(sender="visitor").first()
        assert message is not None
        message.pk, message.seq, message.text = None, None, secret
        try:
            message.save(force_insert=True)
        except IntegrityError:
            logger.exception("could not store")

    tenants.a.run(break_a_rule)
    assert "NotNullViolation" in stream.getvalue()
    assert "4111" not in stream.getvalue()
    assert "my card" not in stream.getvalue()


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_Z", True), ("", False), ("a b", False), ("x" * 65, False)])
def test_a_request_keeps_a_well_formed_name(db: None, given: str, kept: bool) -> None:
    answer = browser("localhost").get("/healthz", headers={"X-Request-ID": given})
    assert (answer["X-Request-ID"] == given) is kept
    assert logs._WELL_FORMED.fullmatch(answer["X-Request-ID"])
