"""Where the Unix sockets go: beside the data, or in a short folder when that path cannot hold one."""

import hashlib
import os
import re
import stat
from pathlib import Path

from builtabot.embedded.errors import EmbeddedError

# A socket's path must fit 108 bytes on Linux and 104 on macOS, its end included; the longest name below
# the folder is "/pg/.s.PGSQL.5432.lock" (the lock is no socket, but Postgres builds both from one string).
LONGEST_FOLDER_BYTES = 78


def socket_folder(data: Path) -> Path:
    """Return the data folder's socket folder and create it with mode 0700.

    It is `<data>/sockets` unless that is too long, or holds characters that the clients' URL parsers
    read differently; then it is a folder in /tmp named after the data folder.
    """
    beside = data / "sockets"
    plain = re.fullmatch(r"[A-Za-z0-9/._-]+", str(beside)) is not None
    if plain and len(os.fsencode(beside)) <= LONGEST_FOLDER_BYTES:
        beside.mkdir(mode=0o700, exist_ok=True)
        return beside
    short = Path("/tmp", f"builtabot-{os.getuid()}-{fingerprint(data)}")  # noqa: S108  # checked below
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o007:
        raise EmbeddedError(f"{short} belongs to someone else; remove it, or choose a shorter DATA_DIR.")
    return short


def fingerprint(data: Path) -> str:
    """Return a short name for a data folder, the same at every start."""
    return hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
