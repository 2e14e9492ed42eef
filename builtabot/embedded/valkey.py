"""The embedded Valkey: broker and channel layer, on a Unix socket only."""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from builtabot.embedded.binaries import find_valkey
from builtabot.embedded.errors import EmbeddedError
from builtabot.embedded.processes import Child, Spawning, spawn, tail
from builtabot.embedded.sockets import socket_folder

START_LIMIT_SECONDS = 30.0


class Valkey:
    """One server below a data folder; what it is told survives a restart (an append-only file)."""

    def __init__(self, folder: Path) -> None:
        self._binary = find_valkey()
        self._data = folder / "valkey"
        self._log = folder / "logs" / "valkey.log"
        self._socket = socket_folder(folder) / "valkey.sock"

    @property
    def broker_url(self) -> str:
        """The URL in Celery's spelling, database 0."""
        return f"redis+socket://{quote(str(self._socket), safe='/')}?virtual_host=0"

    @property
    def channel_url(self) -> str:
        """The URL in redis-py's spelling, database 1."""
        return f"unix://{quote(str(self._socket), safe='/')}?db=1"

    def start(self, *, given_up: Callable[[], bool] = lambda: False) -> Child:
        """Start the server and wait until it answers; end one that an earlier run left.

        Call from the main thread: the server stops when the calling thread ends. `given_up` is asked
        while waiting; once it says yes, the child is returned as it is.
        """
        self._retire_previous()
        self._data.mkdir(mode=0o700, exist_ok=True)
        network = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        storage = ["--appendonly", "yes", "--save", "", "--daemonize", "no"]
        child = spawn("valkey", [str(self._binary), *network, *storage], Spawning(self._log, cwd=self._data))
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not given_up() and not self._answers():
            if not child.alive or time.monotonic() > deadline:
                child.stop()
                raise EmbeddedError(f"Valkey did not start. The end of {self._log}:\n{tail(self._log)}")
            time.sleep(0.02)
        return child

    def _client(self) -> redis.Redis:
        # The library's own retries wait for seconds; here a refusal is an answer.
        once = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5, retry=once)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:  # no socket yet, or the append-only file is still being read
            return False

    def _retire_previous(self) -> None:
        if not self._answers():
            return
        with self._client() as client:
            client.shutdown()
        deadline = time.monotonic() + 10
        while self._answers():
            if time.monotonic() > deadline:
                raise EmbeddedError(f"A Valkey of an earlier run still holds {self._socket}.")
            time.sleep(0.05)
