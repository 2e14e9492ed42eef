"""Asking the running product whether it is ready, and free ports before it runs."""

import http.client
import json
import socket
from dataclasses import dataclass

from builtabot.embedded.errors import RefusedError


@dataclass(frozen=True)
class Readiness:
    """What `/readyz` said; `missing` holds the product's own words for what it still waits for."""

    ready: bool
    missing: tuple[str, ...] = ()


def ask(port: int) -> Readiness:
    """Ask once, with short timeouts; a server that does not answer yet is a reason like any other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(65_536)
        if answer.status == 200:
            return Readiness(ready=True)
        missing = json.loads(body).get("missing", [])
        return Readiness(ready=False, missing=tuple(map(str, missing)))
    except (OSError, http.client.HTTPException):
        return Readiness(ready=False, missing=("web server",))
    except (ValueError, AttributeError):
        return Readiness(ready=False, missing=("an answer of /readyz that can be read",))
    finally:
        connection.close()


def check_ports(port: int, *, demo: bool) -> None:
    """Raise RefusedError unless the web server's port, and the one after it for the demo's shop, are free."""
    if not 1 <= port <= 65_534:
        raise RefusedError(f"{port} is no port that can be used; choose one, like this: make demo PORT=8100")
    for wanted in (port, port + 1) if demo else (port,):
        reason = _why_not(wanted)
        if reason:
            raise RefusedError(
                f"Port {wanted} {reason}. Choose another pair of ports, like this: make demo PORT={_proposal(port)}"
            )


def _why_not(port: int) -> str:
    with socket.socket() as probe:
        # As the web server binds: what a closed connection left in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except PermissionError:
            return "may only be used by root"
        except OSError:
            return "is taken by another program"
    try:
        # A browser may try ::1 first for *.localhost, and would meet whoever listens there.
        socket.create_connection(("::1", port), timeout=0.2).close()
    except OSError:
        return ""
    return "is taken on ::1 by another program"


def _proposal(port: int) -> int:
    candidates: tuple[int, ...] = (*range(8100, 9000, 100), *range(18000, 19000, 100))
    for candidate in candidates:
        if candidate != port and not _why_not(candidate) and not _why_not(candidate + 1):
            return candidate
    return 28000
