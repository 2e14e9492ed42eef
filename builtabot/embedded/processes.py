"""Child processes that cannot outlive us: spawn, watch, stop, and what the last run left behind."""

import contextlib
import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True)
class Identity:
    """The operating-system user of a child; None where it is our own."""

    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """The further groups of the child: none for another user, ours for ourselves."""
        return None if self.uid is None else []


@dataclass
class Child:
    """A running child in a session of its own, so that a terminal's Ctrl-C reaches only the supervisor."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    limit_seconds: float = 10.0

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        if self.alive:
            self.process.send_signal(self.stop_signal)

    def wait_or_kill(self, limit_seconds: float | None = None) -> None:
        """Wait for the end, kill after the limit, and take the rest of the child's process group with it."""
        try:
            self.process.wait(self.limit_seconds if limit_seconds is None else limit_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # What the child started and left (a crawl, say) is still in the group that the child led.
        _kill_group(self.process.pid)

    def stop(self) -> None:
        self.ask_to_stop()
        self.wait_or_kill()


@dataclass
class Spawning:
    """How to start a child, apart from its command."""

    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path = Path("/")
    identity: Identity = field(default_factory=Identity)
    stop_signal: signal.Signals = signal.SIGTERM
    limit_seconds: float = 10.0


def spawn(name: str, command: Sequence[str | Path], how: Spawning) -> Child:
    """Start a child that gets `stop_signal` when the calling *thread* ends: call from the main thread only.

    The death signal exists on Linux; elsewhere the next start sweeps (`Register`).
    """
    how.log.parent.mkdir(parents=True, exist_ok=True)
    rotate(how.log)
    with how.log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if how.env is None else dict(how.env),
            cwd=how.cwd,
            start_new_session=True,
            preexec_fn=tied_to_parent(how.stop_signal),
            user=how.identity.uid,
            group=how.identity.gid,
            extra_groups=how.identity.groups,
        )
    return Child(name, process, how.log, how.stop_signal, how.limit_seconds)


def tied_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Make a `preexec_fn` that asks the kernel to signal the child when its parent dies; None off Linux."""
    if _LIBC is None:
        return None
    return functools.partial(_tie, death_signal, os.getpid())


def _tie(death_signal: signal.Signals, parent: int) -> None:
    # Runs after the switch of user, which would clear the setting.
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def rotate(log: Path) -> None:
    """Keep one earlier log beside the new one."""
    if log.exists():
        log.replace(log.with_name(log.name + ".old"))


def tail(log: Path, lines: int = 25) -> str:
    """Return the last lines of a log, or a word that there are none."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 16_384))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        text = ""
    kept = text.rstrip().splitlines()[-lines:]
    return "\n".join(kept) if kept else "(the log is empty)"


def birth_mark(pid: int) -> str | None:
    """Return what tells a process from a later one with the same pid; None if there is no such process."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # Fields after the command, which may hold spaces: state is the first, start time the 20th.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    ps = shutil.which("ps") or "/bin/ps"
    run = subprocess.run([ps, "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return run.stdout.strip() or None


def wait_until_gone(pid: int, limit_seconds: float) -> bool:
    """Wait for a process that is not our child."""
    deadline = time.monotonic() + limit_seconds
    while birth_mark(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@dataclass(frozen=True)
class _Left:
    """A child as the register holds it; `mark` is its `birth_mark`."""

    name: str
    pid: int
    mark: str | None
    signal: int


class Register:
    """The list of running children on disk, so that the next start can end what a killed one left."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, children: Sequence[Child]) -> None:
        rows = [
            _Left(child.name, child.process.pid, birth_mark(child.process.pid), int(child.stop_signal))
            for child in children
        ]
        scratch = self._path.with_suffix(".new")
        scratch.write_text(json.dumps([asdict(row) for row in rows]))
        scratch.replace(self._path)

    def sweep(self) -> list[str]:
        """End every listed process that still runs, the last started first; return their names."""
        ended: list[str] = []
        for row in reversed(self._read()):
            if row.mark is None or birth_mark(row.pid) != row.mark:
                continue
            _end(row.pid, row.signal)
            ended.append(row.name)
        self._path.unlink(missing_ok=True)
        return ended

    def _read(self) -> list[_Left]:
        try:
            return [_Left(**row) for row in json.loads(self._path.read_text())]
        except (OSError, ValueError, TypeError):
            return []


def _end(pid: int, number: int) -> None:
    for each, limit_seconds in ((number, 10), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, each)
        if wait_until_gone(pid, limit_seconds):
            break
    _kill_group(pid)
