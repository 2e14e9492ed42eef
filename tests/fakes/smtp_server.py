"""A mail server on a free loopback port, which Django's own SMTP backend talks to."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from types import TracebackType
from typing import Self, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

CUT = "cut"  # instead of an answer: the line goes dead after the letter was taken


@dataclass
class FakeSmtp:
    """Takes letters into `letters`. What stands in `recipient_answers` and `data_answers` is said first, one a try;
    `CUT` takes the letter and hangs up without a word."""

    letters: list[EmailMessage] = field(default_factory=list)
    recipient_answers: list[str] = field(default_factory=list)
    data_answers: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.data_answers.pop(0) if self.data_answers else ""
        if answer and answer != CUT:
            return answer
        raw = cast(bytes, envelope.content)
        self.letters.append(cast(EmailMessage, email.message_from_bytes(raw, policy=email.policy.default)))
        if answer == CUT:
            assert server.transport is not None
            server.transport.close()
            await asyncio.sleep(0)
        return "250 Message accepted for delivery"

    def __enter__(self) -> Self:
        # aiosmtpd's own controller knocks at the port it was told, and 0 is none: the server is started by hand.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-smtp", daemon=True)
        self._thread.start()
        made = asyncio.run_coroutine_threadsafe(
            self._loop.create_server(lambda: SMTP(self, loop=self._loop), "127.0.0.1", 0), self._loop
        )
        self._server = made.result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
