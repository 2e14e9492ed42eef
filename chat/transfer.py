"""Files over HTTP, the same for visitors and agents: one out of a form, one into an answer."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.http import content_disposition_header

from chat import attachments
from chat.attachments import LARGEST_BYTES, Upload
from chat.errors import BadFrame, FileTooLarge
from chat.models import Attachment

FORM_BYTES = 8 * 1024  # what a form may have around its file
STATUS = {
    "not_signed_in": 401,
    "unknown_attachment": 404,
    "file_too_large": 413,
    "picture_too_large": 413,
    "file_type": 415,
    "file_broken": 422,
    "too_many_files": 429,
    "unavailable": 503,
}


def uploaded(request: HttpRequest) -> Upload:
    """The one file of a form, in the field `file`, and its `client_id`, a UUID. Raises BadFrame, FileTooLarge."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BYTES + FORM_BYTES:
        raise FileTooLarge
    try:
        files = [one for _, group in request.FILES.lists() for one in group]
        client_id = UUID(request.POST.get("client_id", ""))
    except (MultiPartParserError, SuspiciousOperation, UnreadablePostError, ValueError) as error:
        raise BadFrame("A form with the fields client_id, a UUID, and file is wanted.") from error
    if len(files) != 1 or "file" not in request.FILES:
        raise BadFrame("Exactly one file with a name is wanted, in the field file.")
    if (files[0].size or 0) > LARGEST_BYTES:
        raise FileTooLarge
    return Upload(files[0].name or "", files[0].read(), client_id)


def client_id(request: HttpRequest) -> UUID | None:
    """The form's `client_id`, a UUID, if it has one. Raises BadFrame."""
    try:
        return UUID(given) if (given := request.POST.get("client_id", "")) else None
    except ValueError as error:
        raise BadFrame("A client_id is a UUID.") from error


def sent(attachment: Attachment) -> HttpResponse:
    """A file as an answer that no browser will ever run: a picture to be looked at, anything else to be saved.
    Raises UnknownAttachment."""
    response = HttpResponse(attachments.read(attachment), content_type=attachment.media_type)
    shown = content_disposition_header(not attachment.is_picture, attachment.name)
    response["Content-Disposition"] = shown or "attachment"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, max-age=300"
    response["Vary"] = "Authorization, Cookie"
    return response
