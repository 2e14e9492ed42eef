"""`run.json`: what the processes and `manage.py` must know about the embedded stack."""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import IO, Any

from builtabot.embedded.errors import EmbeddedError, RefusedError

ROOT = Path(__file__).resolve().parents[2]
NAME = "run.json"
LOCK = "supervisor.lock"


def _secret() -> str:
    return secrets.token_urlsafe(48)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class RunFile:
    """The run file's content; the secrets are made once and kept over every later start."""

    database_url: str
    broker_url: str
    channel_url: str
    port: int = 8000
    bind: str = "127.0.0.1"
    base_domain: str = "localhost"
    demo: bool = True
    crawl_allow_private: list[str] = field(default_factory=list)
    secret_key: str = field(default_factory=_secret)
    field_encryption_keys: list[str] = field(default_factory=lambda: [_fernet_key()])
    demo_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    metrics_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def moved_to(self, port: int, *, demo: bool, allow_private: Iterable[str]) -> "RunFile":
        """Return the file for a start on `port`.

        Private hosts given at earlier starts stay. The demo's own static server is on the list while there
        is a demo; its entry at the port of the last start goes.
        """
        stale = _static_host(self.port) if self.demo else ""
        kept = [host for host in self.crawl_allow_private if host != stale]
        own = [_static_host(port)] if demo else []
        hosts = list(dict.fromkeys([*own, *kept, *allow_private]))
        return replace(self, port=port, demo=demo, crawl_allow_private=hosts)


def _static_host(port: int) -> str:
    return f"127.0.0.1:{port + 1}"


def data_folder(given: str | None = None) -> Path:
    """Return the data folder as an absolute path: `given`, else DATA_DIR, else `.data` in the project."""
    chosen = given or os.environ.get("DATA_DIR") or str(ROOT / ".data")
    return Path(chosen).expanduser().resolve()


def make_folder(folder: Path) -> None:
    """Create the data folder for our eyes only; refuse one that holds other things than ours."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        inside = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be used: {error.strerror}.") from error
    # As root its group and mode are changed to let the database's account through.
    if inside and not inside & {NAME, LOCK}:
        raise RefusedError(f"{folder} holds other things than BuiltABot's data; name an empty or a new folder.")


def read(folder: Path) -> RunFile | None:
    """Read the run file; None if there is none. Unknown keys, of a later version, are left out."""
    try:
        stored: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
        known = {item.name for item in fields(RunFile)}
        return RunFile(**{key: value for key, value in stored.items() if key in known})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        # Replacing it would make new keys, and what the old ones encrypted could never be read again.
        raise EmbeddedError(f"{folder / NAME} is damaged ({error}); repair it, or move {folder} away.") from error


def write(folder: Path, run: RunFile) -> None:
    """Write the run file in one step, readable by its owner only."""
    scratch = folder / f".{NAME}.{os.getpid()}"
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(asdict(run), stream, indent=2)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(folder / NAME)


class FolderLock:
    """One supervisor a data folder; the kernel frees the lock however its holder ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._stream: IO[str] | None = None

    def take(self, url: str) -> None:
        """Take the lock and note who holds it; raise RefusedError naming the holder if it is taken."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        stream = os.fdopen(descriptor, "r+", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = stream.read().strip() or "another process"
            stream.close()
            raise RefusedError(
                f"BuiltABot already runs with this data folder: {holder}. Stop that one first, or give this "
                "one a folder of its own (DATA_DIR=...) and another port (PORT=...)."
            ) from error
        stream.truncate(0)
        stream.write(f"process {os.getpid()} at {url}")
        stream.flush()
        self._stream = stream

    def free(self) -> None:
        if self._stream is not None:
            self._stream.truncate(0)
            self._stream.close()
            self._stream = None
