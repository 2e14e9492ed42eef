"""ASGI entry: HTTP through Django, sockets by host and path."""

from __future__ import annotations

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "builtabot.settings")
django: Any = get_asgi_application()

from chat.consumers import DeskConsumer, VisitorConsumer  # noqa: E402  (models need the apps ready)
from tenants.asgi import LimitedBody, TenantHostRouter  # noqa: E402

# Django's `path` is typed for views alone; Channels routes applications with it.
visitor: Any = VisitorConsumer.as_asgi()
desk: Any = DeskConsumer.as_asgi()
websocket_urlpatterns: list[Any] = [path("ws/visitor/", visitor), path("ws/desk/", desk)]
sockets: Any = URLRouter(websocket_urlpatterns)
http: Any = LimitedBody(django, largest_bytes=32 * 1024 * 1024)
application = ProtocolTypeRouter({"http": http, "websocket": TenantHostRouter(sockets)})
