"""`python -m builtabot.web`: daphne, with its options, that leaves gracefully.

Daphne cancels every request and socket the moment it is told to end. Here SIGTERM and Ctrl-C first make /readyz
say no, then let what is in flight finish and send each socket away with 1012 (`chat/draining.py`).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

from daphne.cli import CommandLineInterface
from daphne.server import Server
from twisted.internet.defer import Deferred

# A thread that waits for a database which says nothing would keep the process for as long as that lasts.
EXIT_SECONDS = 5.0


class DrainingServer(Server):
    """Daphne's server; `notice_seconds` pass between the first "not ready" and the first closed socket."""

    notice_seconds = 0.0

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """As daphne's, which may close with 1000 or an application's own code only: "come back" is neither."""
        code = message.get("code") or 0 if message["type"] == "websocket.close" else 0
        if 1000 < code < 3000 and getattr(protocol, "state", None) == protocol.STATE_OPEN:
            protocol.sendCloseFrame(code=code)
        else:
            await super().handle_reply(protocol, message)

    def kill_all_applications(self) -> Any:
        """Called before the reactor ends, which goes on serving until what is returned is done."""
        from chat.draining import LAST_SECONDS, drain

        end = threading.Timer(self.notice_seconds + LAST_SECONDS + EXIT_SECONDS, os._exit, (0,))
        end.daemon = True
        end.start()
        drained = Deferred.fromFuture(asyncio.ensure_future(drain.run(self.notice_seconds)))
        return drained.addBoth(lambda _: self._kill_the_rest())

    def _kill_the_rest(self) -> Any:
        # Daphne's own trips over connections that are idle: they have no application.
        for details in self.connections.values():
            if (left := details.get("application_instance")) is not None:
                left.cancel()


class CommandLine(CommandLineInterface):
    """Daphne's command line, and how long a proxy in front needs to see that /readyz says no."""

    server_class = DrainingServer

    def __init__(self) -> None:
        super().__init__()
        self.parser.add_argument("--drain-notice", type=float, default=0.0, metavar="SECONDS")

    def run(self, args: Sequence[str]) -> None:
        DrainingServer.notice_seconds = self.parser.parse_args(args).drain_notice
        super().run(args)


def main() -> None:
    """Run it with the process's own arguments."""
    CommandLine().run(sys.argv[1:])


if __name__ == "__main__":
    main()
