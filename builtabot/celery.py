"""The Celery application. Tasks carry ids; rows carry the work."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "builtabot.settings")
app = Celery("builtabot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.set_default()


@worker_shutting_down.connect(weak=False)
def _give_turns_back(**_: Any) -> None:
    """Celery waits for what runs, however long it takes; a visitor should not."""
    from chat.running import running

    running.end_soon()
