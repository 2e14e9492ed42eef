"""E-mail: the one way to the mail server.

Letters wait in the outbox as entries of kind `email`. Their payload holds who and what about, never words: a
letter is composed when it leaves, so that it tells how things are then, and no transcript or secret lies in a
table. Composers are bound by name in the composition root.
"""

from __future__ import annotations

import hashlib
import smtplib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import mail
from django.template.loader import render_to_string

from tenants.schema import current_schema
from tenants.workspace.models import OutboxEntry
from tenants.workspace.outbox import DeliveryFailed, NotNeeded

KIND = "email"
LONGEST_SUBJECT = 150
LONGEST_ANSWER = 200
_CONFIGURATION = (smtplib.SMTPConnectError, smtplib.SMTPHeloError, smtplib.SMTPAuthenticationError)


@dataclass(frozen=True)
class Letter:
    """What is mailed to one address. Letters of one `thread` are shown together by the reader's program."""

    to: str
    subject: str
    text: str
    html: str
    thread: str = ""


Composer = Callable[[dict[str, Any]], Letter | None]
_composers: dict[str, Composer] = {}


def bind(table: Mapping[str, Composer]) -> None:
    """Fill the table: name of a letter -> who composes it from its payload, in the tenant's schema. None
    means that it is no longer needed."""
    _composers.clear()
    _composers.update(table)


def render(template: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """The plain text and the HTML of a letter: `template` without its ending."""
    shared = {"product": "BuiltABot", **context}
    return render_to_string(f"{template}.txt", shared), render_to_string(f"{template}.html", shared)


def deliver(entry: OutboxEntry) -> None:
    """Hand one letter to the mail server. Bound to the outbox's kind `email`.

    Raises NotNeeded, and DeliveryFailed with what the server's code says about trying again. A letter that is
    tried again, because nobody knows whether it arrived, carries the same Message-ID.
    """
    composer = _composers.get(str(entry.payload.get("letter", "")))
    if composer is None:
        raise DeliveryFailed(f"Nobody writes {entry.payload.get('letter')}.", retryable=False)
    letter = composer(entry.payload)
    if letter is None:
        raise NotNeeded
    _send(letter, _message_id(entry.idempotency_key))


def _message_id(key: str) -> str:
    digest = hashlib.sha256(f"{current_schema()}:{key}".encode()).hexdigest()[:40]
    return f"<{digest}@{settings.BASE_DOMAIN}>"


def _send(letter: Letter, message_id: str) -> None:
    # No Reply-To: an absent colleague's automatic answer must reach nobody whose address a stranger typed.
    headers = {"Message-ID": message_id, "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if letter.thread:
        headers["References"] = _message_id(letter.thread)
    subject = " ".join(letter.subject.split())[:LONGEST_SUBJECT]
    message = mail.EmailMultiAlternatives(subject, letter.text, to=[letter.to], headers=headers)
    message.attach_alternative(letter.html, "text/html")
    connection = mail.get_connection()
    try:
        connection.open()
        connection.send_messages([message])
    except smtplib.SMTPException as error:
        raise _refused(error) from error
    except OSError as error:
        raise DeliveryFailed("The mail server could not be reached.", retryable=True) from error
    except ValueError as error:
        raise DeliveryFailed("This address or subject cannot be mailed.", retryable=False) from error
    finally:
        # Once the server has the letter, a farewell that fails is no reason to send it again.
        with suppress(OSError):
            connection.close()


def _refused(error: smtplib.SMTPException) -> DeliveryFailed:
    """By the server's code: 4xx may pass, 5xx will not. Trouble with the server itself, or with our account
    there, is no fault of the letter and may pass too."""
    code, answer = _code_of(error)
    if not code:
        return DeliveryFailed("The mail server hung up, or does not do what we need of it.", retryable=True)
    words = " ".join(answer.decode("utf-8", "replace").split())[:LONGEST_ANSWER]
    retryable = code < 500 or isinstance(error, _CONFIGURATION)
    return DeliveryFailed(f"The mail server said {code}: {words}", retryable=retryable)


def _code_of(error: smtplib.SMTPException) -> tuple[int, bytes]:
    found: tuple[int, bytes | str]
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        found = next(iter(error.recipients.values()), (0, b""))
    elif isinstance(error, smtplib.SMTPResponseException):
        found = (error.smtp_code, error.smtp_error)
    else:
        return 0, b""
    code, answer = found
    return int(code), answer if isinstance(answer, bytes) else str(answer).encode()
