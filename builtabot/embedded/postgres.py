"""The embedded Postgres: made once, tuned for many schemas, run in the foreground as our child."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from builtabot.embedded.binaries import PostgresBinaries, find_postgres
from builtabot.embedded.errors import EmbeddedError
from builtabot.embedded.privileges import Household, settle
from builtabot.embedded.processes import Child, Spawning, birth_mark, spawn, tail, wait_until_gone

DATABASE = "builtabot"
START_LIMIT_SECONDS = 60.0  # crash recovery of a large log comes before the first connection

# A schema a tenant: a dump or a migration over all of them holds one lock a table. Plans are short, so
# compiling them costs more than it saves. Nobody replicates from here.
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "max_locks_per_transaction": "1024",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
THROWAWAY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One cluster below a data folder.

    With `throwaway` it gives up crash safety for speed. The socket folder is closed to other users, so
    the connection needs no password.
    """

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self._household: Household = settle(folder, find_postgres())
        self._log = folder / "logs" / "postgres.log"
        self._throwaway = throwaway

    @property
    def socket_folder(self) -> Path:
        return self._household.sockets

    def url(self, database: str = DATABASE) -> str:
        """Return the URL that psycopg and our settings read."""
        return f"postgresql:///{database}?host={quote(str(self.socket_folder), safe='/')}&user=postgres"

    def start(self, *, given_up: Callable[[], bool] = lambda: False) -> Child:
        """Start the server and make the product's database; end a server that an earlier run left.

        Call from the main thread: the server stops when the calling thread ends. `given_up` is asked
        while waiting; once it says yes, the child is returned as it is.
        """
        self._retire_previous()
        if not (self._household.data / "PG_VERSION").exists():
            self._make_cluster()
        self._check_version()
        self._own(self._household.sockets)
        deadline = time.monotonic() + START_LIMIT_SECONDS
        child = self._launch()
        while not given_up():
            if child.alive and self._answers():
                self._make_database()
                break
            if not child.alive and "still in use" in tail(self._log):
                # The last server's workers are seconds from noticing that it died.
                time.sleep(0.5)
                child = self._launch()
            elif not child.alive or time.monotonic() > deadline:
                child.stop()
                raise EmbeddedError(f"Postgres did not start. The end of {self._log}:\n{tail(self._log)}")
            time.sleep(0.02)
        return child

    def _launch(self) -> Child:
        home = self._household
        command: list[str | Path] = [*home.prefix, home.binaries.server, "-D", home.data, "-k", home.sockets]
        # SIGINT is Postgres's fast shutdown: it cuts the sessions off and writes a checkpoint.
        how = Spawning(self._log, _clean_environment(), identity=home.identity, stop_signal=signal.SIGINT)
        return spawn("postgres", command, how)

    def _make_cluster(self) -> None:
        home = self._household
        # Made aside and renamed when whole: an interrupted initdb must not look like a database.
        scratch = home.data.with_name(home.data.name + ".new")
        shutil.rmtree(scratch, ignore_errors=True)
        self._own(scratch)
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        made = home.run([home.binaries.initdb, "-D", scratch, *options, *_locale_options(home.binaries)])
        if made.returncode != 0:
            raise EmbeddedError(f"The database could not be made: {made.stderr.strip() or made.stdout.strip()}")
        settings = SETTINGS | (THROWAWAY_SETTINGS if self._throwaway else {})
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (scratch / "postgresql.auto.conf").write_text(lines)
        scratch.rename(home.data)

    def _check_version(self) -> None:
        made_by = (self._household.data / "PG_VERSION").read_text().strip()
        if made_by != str(self._household.binaries.major):
            raise EmbeddedError(
                f"The data in {self._household.data} were made by Postgres {made_by}, and the one here is "
                f"{self._household.binaries.major}. Dump and restore them with both versions, or move the "
                "folder away to start anew."
            )

    def _own(self, folder: Path) -> None:
        """Create one of our folders, closed to others, and see that everything in it is the server's."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.getuid() != 0:
            return
        owner = folder.stat()
        if (owner.st_uid, owner.st_gid) == self._household.owner:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *self._household.owner, follow_symlinks=False)

    def _retire_previous(self) -> None:
        """End the server that `postmaster.pid` names, or unmask the file if its pid is another's by now."""
        data = self._household.data
        if not data.exists():
            return
        self._own(data)
        notes = data / "postmaster.pid"
        try:
            first, _, rest = notes.read_text().partition("\n")
            pid = int(first)
        except (OSError, ValueError):
            return
        if _serves(pid, data):
            for how in (signal.SIGINT, signal.SIGQUIT):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
                if wait_until_gone(pid, 10):
                    return
            raise EmbeddedError(f"A Postgres of an earlier run (process {pid}) does not stop.")
        # Postgres takes any live process with that pid for a server. Its own parent is the exception, so
        # our pid gets us past that check, and keeps the one for workers that still use shared memory.
        if notes.exists():
            notes.write_text(f"{os.getpid()}\n{rest}")

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def _make_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _locale_options(binaries: PostgresBinaries) -> list[str]:
    # The built-in provider sorts and folds the same on every system; older servers have the C library's.
    if binaries.major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]


def _clean_environment() -> dict[str, str]:
    """Return an environment without PG* and locale variables, which would change the server."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _serves(pid: int, data: Path) -> bool:
    """Whether a live process is the server of this data folder."""
    if birth_mark(pid) is None:
        return False
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
        return False
    ps = shutil.which("ps") or "/bin/ps"
    shown = subprocess.run([ps, "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "postgres" in shown.stdout and str(data) in shown.stdout
