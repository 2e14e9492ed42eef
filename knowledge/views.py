"""What visitors may open of a tenant's content: the files that its answers cite."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from knowledge import files
from knowledge.errors import ExtractFailed
from knowledge.extract import decode
from knowledge.models import SourceFile
from knowledge.policies import get_published_file

# A PDF opens in the browser's own viewer, which runs apart from the page's origin; markup is only ever saved.
_SHOWN = (SourceFile.Type.PDF, SourceFile.Type.TEXT, SourceFile.Type.MARKDOWN)


@require_safe
def content_file(request: HttpRequest, file_id: UUID, file_name: str) -> HttpResponse:
    """An uploaded file, open to everybody for as long as answers come from it."""
    file = get_published_file(file_id)
    if file is None or file.path != request.path:
        raise Http404
    try:
        body = files.content_of(file)
    except ExtractFailed:
        raise Http404 from None
    is_text = file.media_type in (SourceFile.Type.TEXT, SourceFile.Type.MARKDOWN)
    if is_text:
        body = decode(body).encode("utf-8")
    response = HttpResponse(body, content_type="text/plain; charset=utf-8" if is_text else file.media_type)
    shown = file.media_type in _SHOWN
    response["Content-Disposition"] = content_disposition_header(not shown, file_name) or "attachment"
    response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-cache"  # what is removed stops opening at once
    return response
