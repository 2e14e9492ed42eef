"""A tenant whose project is answered by the operator's model, with an agent who is there and one page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from livesupport.models import Availability
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.chat.test_judgement_turns import REFUND_PAGE, know, without_content
from tests.fakes.openai_server import MODEL, FakeOpenAI


@contextmanager
def answered_by(fake: FakeOpenAI, cast: Cast, settings: Any) -> Iterator[Cast]:
    """Inside the tenant's schema."""
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "sk-op", fake.base_url, MODEL
    with cast.inside():
        Availability.objects.update_or_create(
            seat_id=cast.agent.seat_id, defaults={"state": "online", "capacity": 50, "seen_at": timezone.now()}
        )
        Project.objects.filter(pk=cast.project_id).update(answerer="openai", model_name="", model_key="")
        without_content(cast)
        know(cast, *REFUND_PAGE)
        yield cast
