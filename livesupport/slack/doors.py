"""Slack's ways in, on the public host: events, presses of buttons, and the way back from an installation."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from livesupport.slack import inbound, signature
from livesupport.slack.errors import ConnectRefused
from livesupport.slack.state import host_of, read
from tenants.hosts import tenant_url

LONGEST_CHALLENGE = 200


@csrf_exempt
@require_POST
def events(request: HttpRequest) -> HttpResponse:
    """Messages in threads, and the app's removal. Kept and answered at once; the work is a task's."""
    raw, refusal = _genuine_body(request)
    if refusal is not None:
        return refusal
    body = _object(raw.decode("utf-8", "replace"))
    if body is None:
        return _plain("Not a JSON object.", 400)
    if body.get("type") == "url_verification":
        return _plain(str(body.get("challenge", ""))[:LONGEST_CHALLENGE], 200)
    inbound.keep(inbound.from_event(body))
    return _plain("", 200)


@csrf_exempt
@require_POST
def interactivity(request: HttpRequest) -> HttpResponse:
    """Buttons in a handoff's first message."""
    raw, refusal = _genuine_body(request)
    if refusal is not None:
        return refusal
    body = _object(QueryDict(raw).get("payload") or "")
    if body is None:
        return _plain("Not a payload.", 400)
    inbound.keep(inbound.from_press(body))
    return _plain("", 200)


@require_GET
@never_cache
def oauth(request: HttpRequest) -> HttpResponse:
    """The way back from Slack. The signed state names the tenant; the code is exchanged at its own host, where
    the browser shows by its session that it began this (docs/adr)."""
    try:
        state = read(request.GET.get("state", ""))
        host = host_of(state)
    except ConnectRefused as refusal:
        return render(request, "livesupport/slack_refused.html", {"sentence": refusal.sentence}, status=400)
    carried = {name: request.GET[name] for name in ("code", "error", "state") if name in request.GET}
    return HttpResponseRedirect(tenant_url(host, "/live/slack/finish/?" + urlencode(carried)))


def _genuine_body(request: HttpRequest) -> tuple[bytes, HttpResponse | None]:
    """The raw body of a call that Slack signed, or the refusal. Without a secret this door does not exist."""
    if not settings.SLACK_SIGNING_SECRET:
        return b"", _plain("", 404)
    try:
        raw = request.body
    except RequestDataTooBig:
        return b"", _plain("Too large.", 413)
    genuine = signature.is_genuine(
        settings.SLACK_SIGNING_SECRET,
        timestamp=request.headers.get("X-Slack-Request-Timestamp", ""),
        signature=request.headers.get("X-Slack-Signature", ""),
        body=raw,
        now=time.time(),
    )
    return raw, None if genuine else _plain("The signature does not fit.", 401)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _plain(text: str, status: int) -> HttpResponse:
    shown = text.encode("utf-8", "replace")
    return HttpResponse(shown, status=status, content_type="text/plain; charset=utf-8")
