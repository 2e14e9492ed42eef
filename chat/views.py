"""What a business's page loads: the script, the project's look, a visitor's session, and the frame.

None of these reads or sets a cookie: in a frame on another site there are none. They are therefore open to
every origin (`*`), and what an origin may do is decided from its Origin header and the project's list of sites.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from csp.constants import NONCE, NONE, SELF
from csp.decorators import csp_replace
from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_http_methods, require_safe

from chat import actions, limits, policies, transfer, wording
from chat.attachments import ENDINGS, LARGEST_BYTES
from chat.brand import palette
from chat.embedding import frame_ancestors, may_embed
from chat.errors import BadFrame, NotSignedIn, TooFast, UnknownProject
from chat.log import LONGEST_TEXT
from tenants.errors import ProductError
from tenants.workspace.models import Project

PROTOCOL_VERSION = 1
MOST_BODY_BYTES = 8 * 1024
LONGEST_TOKEN = 200
SHORT_CACHE = "public, max-age=300"
LOADER_WORDS = ("chat_with", "open_chat", "close_chat", "new_messages", "hide_preview")
# Asked for together with the page: else each module's own imports are one more round trip.
FRAME_MODULES = (
    "cards", "composer", "connection", "dom", "entries", "files", "head",
    "host", "log", "outbox", "polling", "prose", "strings", "tail", "uploads",
)  # fmt: skip
_SESSION_FIELDS = {"project", "token", "language", "rehearsal"}


class SiteNotAllowed(ProductError):
    """The page's origin is not on the project's list."""

    code = "site_not_allowed"
    sentence = "This site is not on the project's list of sites."


class TooLarge(ProductError):
    """The body is over 8 KiB."""

    code = "too_large"
    sentence = "That is more than 8 KiB."


_STATUS = {
    "unknown_project": 404,
    "site_not_allowed": 403,
    "too_large": 413,
    "bad_frame": 400,
    "too_fast": 429,
    **transfer.STATUS,
}


def _loader_file() -> Path:
    found = finders.find("widget/loader.js")
    if not isinstance(found, str):
        raise ImproperlyConfigured("static/widget/loader.js is missing.")
    return Path(found)


def _loader_tag(request: HttpRequest) -> str:
    facts = _loader_file().stat()
    return f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'


@require_safe
@condition(etag_func=_loader_tag)
def widget_loader(request: HttpRequest) -> HttpResponse:
    """The one script that a business pastes into its pages."""
    response = HttpResponse(_loader_file().read_bytes(), content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = SHORT_CACHE
    return _open_to_all(response)


@require_safe
def widget_project(request: HttpRequest) -> HttpResponse:
    """What the script needs to draw the launcher, in the visitor's language: no visitor is made yet."""
    try:
        project = _project(request.GET.get("project", ""))
        _check_site(request, project)
    except ProductError as error:
        return _refusal(error)
    language = wording.pick(request.GET.get("language", ""), project.language)
    words, colours = wording.words(language), palette(project.brand_color)
    response = JsonResponse(
        {
            "name": project.name,
            "brand": colours.brand,
            "on_brand": colours.on_brand,
            "language": language,
            "direction": wording.direction(language),
            "words": {key: words[key] for key in LOADER_WORDS},
        }
    )
    response["Cache-Control"] = SHORT_CACHE
    response["Vary"] = "Origin"
    return _open_to_all(response)


@csrf_exempt  # no cookie is read: the bearer token in the body is the whole proof
@require_http_methods(["POST", "OPTIONS"])
def widget_session(request: HttpRequest) -> HttpResponse:
    """A visitor's token, as docs/protocol.md says; also answers the browser's preflight."""
    if request.method == "OPTIONS":
        return _preflight("POST")
    try:
        asked = _session_request(request)
        if not _comes_back(asked["project"], asked["token"]):
            limits.check_session(limits.whose(request.headers.get("X-Forwarded-For", ""), request.META["REMOTE_ADDR"]))
        _check_site(request, _project(asked["project"]))
        opened = actions.open_session(**asked)
    except ProductError as error:
        return _refusal(error)
    response = JsonResponse(
        {"token": opened.token, "visitor": opened.visitor_id, "conversation": opened.conversation_id}
    )
    response["Cache-Control"] = "no-store"
    return _open_to_all(response)


@csrf_exempt  # no cookie is read: the bearer token is the whole proof
@require_http_methods(["POST", "OPTIONS"])
def widget_attachments(request: HttpRequest) -> HttpResponse:
    """A visitor sends a file; answered as the socket answers a text, by its place in the log."""
    if request.method == "OPTIONS":
        return _preflight("POST", "authorization, content-type")
    try:
        conversation = policies.get_conversation_of(_bearer(request))
        upload = transfer.uploaded(request)
        ack = actions.send_file_as_visitor(conversation_id=conversation.pk, upload=upload)
    except ProductError as error:
        return _refusal(error)
    response = JsonResponse({"client_id": ack.client_id, "seq": ack.seq, "at": ack.at})
    response["Cache-Control"] = "no-store"
    return _open_to_all(response)


@require_http_methods(["GET", "OPTIONS"])
def widget_attachment(request: HttpRequest, attachment_id: UUID) -> HttpResponse:
    """A file of the visitor's own conversation. The token is in a header, so that no address holds it."""
    if request.method == "OPTIONS":
        return _preflight("GET", "authorization")
    try:
        response = transfer.sent(policies.get_attachment_of(_bearer(request), attachment_id))
    except ProductError as error:
        return _refusal(error)
    return _open_to_all(response)


@require_safe
@xframe_options_exempt
def widget_frame(request: HttpRequest) -> HttpResponseBase:
    """The page inside the iframe. Who may frame it is in its policy; it holds no secret and no visitor."""
    try:
        project = _project(request.GET.get("project", ""))
    except UnknownProject:
        return HttpResponse("There is no such project here.", status=404, content_type="text/plain")
    return framed(request, project)


def framed(request: HttpRequest, project: Project) -> HttpResponseBase:
    """The frame of a project, under a policy of its own."""
    sockets = ("wss://" if request.is_secure() else "ws://") + request.get_host()
    policy: dict[str, Any] = {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],  # blob: what the script itself fetched with its token
        "connect-src": [SELF, sockets],  # 'self' does not cover ws: in every browser yet
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [NONE],
        "frame-ancestors": frame_ancestors(project.allowed_sites),
    }
    return csp_replace(policy)(lambda asked: _frame_page(asked, project))(request)


def _frame_page(request: HttpRequest, project: Project) -> HttpResponse:
    language = wording.pick(request.GET.get("language", ""), project.language)
    words = wording.words(language)
    context = {
        "project": project,
        "title": words["chat_with"].format(name=project.name),
        "words": words,
        "modules": [static(f"widget/{name}.js") for name in FRAME_MODULES],
        "colours": palette(project.brand_color),
        "language": language,
        "direction": wording.direction(language),
        "setup": {
            "v": PROTOCOL_VERSION,
            "project": {"key": project.key, "name": project.name},
            "greeting": project.greeting,
            "suggestions": [str(one) for one in project.suggestions][:4],
            "language": language,
            "words": words,
            "longest_text": LONGEST_TEXT,
            "largest_file": LARGEST_BYTES,
            "file_types": list(ENDINGS),
        },
    }
    response = render(request, "chat/frame.html", context)
    response["Cache-Control"] = "no-cache"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _project(key: str) -> Project:
    found = Project.objects.filter(key=key[:60]).first() if key.isprintable() else None
    if found is None:
        raise UnknownProject
    return found


def _check_site(request: HttpRequest, project: Project) -> None:
    own = f"{request.scheme}://{request.get_host()}"
    origin = request.headers.get("Origin")
    if origin is None and request.headers.get("Sec-Fetch-Site") == "same-origin":
        origin = own
    if not may_embed(origin, project.allowed_sites, own):
        raise SiteNotAllowed


def _session_request(request: HttpRequest) -> dict[str, Any]:
    """The body's four fields, checked. Raises BadFrame and TooLarge."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BODY_BYTES:
        raise TooLarge
    body = request.read(MOST_BODY_BYTES + 1)
    if len(body) > MOST_BODY_BYTES:
        raise TooLarge
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
        raise BadFrame("The body is not JSON.") from error
    if not isinstance(asked, dict) or set(asked) - _SESSION_FIELDS:
        raise BadFrame("The body is an object with project, token, language, rehearsal.")
    return {
        "project": _text(asked, "project", 60, needed=True),
        "token": _text(asked, "token", LONGEST_TOKEN) or None,
        "language": _text(asked, "language", 35) or "",
        "rehearsal": _text(asked, "rehearsal", 400) or None,
    }


def _comes_back(project: str, token: str | None) -> bool:
    """Whether the token is one of the project's, so that no new visitor is made."""
    try:
        return bool(token) and policies.get_conversation_of(token or "").project.key == project
    except NotSignedIn:
        return False


def _text(asked: dict[str, Any], name: str, longest: int, *, needed: bool = False) -> str | None:
    value = asked.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or len(value) > longest or not value.isprintable() or (needed and not value):
        raise BadFrame(f"{name} is missing, of the wrong kind, or too long.")
    return value


def _bearer(request: HttpRequest) -> str:
    """The visitor's token in `Authorization: Bearer ...`. Raises NotSignedIn."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
        raise NotSignedIn
    return token


def _preflight(method: str, headers: str = "content-type") -> HttpResponse:
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = f"{method}, OPTIONS"
    response["Access-Control-Allow-Headers"] = headers
    response["Access-Control-Max-Age"] = "600"
    return _open_to_all(response)


def _refusal(error: ProductError) -> HttpResponse:
    status = _STATUS.get(error.code, 503 if error.retryable else 403)
    response = JsonResponse({"code": error.code, "sentence": error.sentence}, status=status)
    response["Cache-Control"] = "no-store"
    if isinstance(error, TooFast):
        response["Retry-After"] = str(error.retry_after)
    # A page that is refused may still read why: the answer holds nothing else.
    return _open_to_all(response)


def _open_to_all(response: HttpResponse) -> HttpResponse:
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
