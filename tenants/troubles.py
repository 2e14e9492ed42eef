"""What is answered when the database does not do its part for a moment, or when we are at fault."""

from __future__ import annotations

import sys

import psycopg.errors
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.views.decorators.csrf import requires_csrf_token
from django.views.defaults import server_error

from tenants.access import wants_json

# Deadlocks, waits for a lock or an answer that took too long, a database that restarts, no free connection.
PASSING = (OperationalError, InterfaceError)
# Said by a database that ended a transaction that did nothing for too long; Django calls it an internal error.
_ENDED = psycopg.errors.IdleInTransactionSessionTimeout
AGAIN_SECONDS = 2
SENTENCE = "That did not work just now. Try again."


def is_passing(error: BaseException | None) -> bool:
    """Whether the same again may work: the database refused, and nothing was changed."""
    return isinstance(error, PASSING) or isinstance(getattr(error, "__cause__", None), _ENDED)


@requires_csrf_token
def broken(request: HttpRequest) -> HttpResponse:
    """`handler500` of every host: for all that no view has caught, middleware's troubles included. Asks nothing of
    the database. Django has written the error down before it calls this."""
    if not is_passing(sys.exc_info()[1]):
        return server_error(request)
    answer: HttpResponse
    if wants_json(request):
        answer = JsonResponse({"code": "unavailable", "sentence": SENTENCE, "retryable": True}, status=503)
    else:
        answer = HttpResponse(loader.get_template("503.html").render(), status=503)
    answer["Retry-After"] = str(AGAIN_SECONDS)
    answer["Cache-Control"] = "no-store"
    return answer
