"""ASGI entry: HTTP through Django, sockets by host and path."""

from __future__ import annotations

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "builtabot.settings")
django: Any = get_asgi_application()

from chat import polling  # noqa: E402  (models need the apps ready)
from chat.consumers import DeskConsumer, VisitorConsumer  # noqa: E402
from chat.draining import drain  # noqa: E402
from tenants.asgi import App, LimitedBody, Receive, Scope, Send, TenantHostRouter  # noqa: E402


class Attended:
    """Counts requests, and turns new sockets away in the handshake, for a server that is asked to end."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if not drain.begun:
                await self.app(scope, receive, send)
                return
            await receive()
            await send({"type": "websocket.close", "code": 1012})
            return
        drain.request_began()
        try:
            await self.app(scope, receive, send)
        finally:
            drain.request_ended()


# Django's `path` is typed for views alone; Channels routes applications with it.
visitor: Any = VisitorConsumer.as_asgi()
desk: Any = DeskConsumer.as_asgi()
websocket_urlpatterns: list[Any] = [path("ws/visitor/", visitor), path("ws/desk/", desk)]
sockets: Any = URLRouter(websocket_urlpatterns)
poll: Any = TenantHostRouter(polling.poll)
send: Any = TenantHostRouter(polling.send)
pages: Any = LimitedBody(django, largest_bytes=32 * 1024 * 1024)
# Held requests go beside Django: it would keep a thread and a database connection for each.
http_urlpatterns: list[Any] = [path("widget/poll", poll), path("widget/send", send), re_path("", pages)]
http: Any = URLRouter(http_urlpatterns)
router: Any = ProtocolTypeRouter({"http": http, "websocket": TenantHostRouter(sockets)})
application = Attended(router)
