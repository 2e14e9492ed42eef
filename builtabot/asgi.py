"""ASGI entry: HTTP through Django, sockets by host and path."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "builtabot.settings")
http = get_asgi_application()

from chat.consumers import DeskConsumer, VisitorConsumer  # noqa: E402  (models need the apps ready)
from tenants.asgi import TenantHostRouter  # noqa: E402

websocket_urlpatterns = [
    path("ws/visitor/", VisitorConsumer.as_asgi()),
    path("ws/desk/", DeskConsumer.as_asgi()),
]
application = ProtocolTypeRouter({"http": http, "websocket": TenantHostRouter(URLRouter(websocket_urlpatterns))})
