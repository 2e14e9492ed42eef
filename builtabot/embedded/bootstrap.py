"""Makes the virtual environment: `python3 builtabot/embedded/bootstrap.py [--dev] [--browser]`.

Runs before anything is installed, and under whatever Python the machine has: standard library only, and
no syntax that an old Python 3 cannot even read, so that it can say which one is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST, NEWEST = (3, 11), (3, 13)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class BootstrapError(Exception):
    """A step that only the person at the terminal can take; its text says which."""


def fit_python() -> str:
    """Return a Python that can run the product: the one we run under, else one on the PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        # A shim may stand there for a Python that is not installed: ask it.
        if found and version_of(found) == (3, minor):
            return found
    raise BootstrapError(
        f"BuiltABot needs Python 3.11, 3.12 or 3.13, and {sys.executable} is {sys.version.split()[0]}. "
        "Install one of them, or name it: make demo PYTHON=/path/to/python3.12"
    )


def version_of(python: str | Path) -> tuple[int, ...] | None:
    """Ask a Python for its version, major and minor; None if it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        run = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    if run.returncode != 0:
        return None
    return tuple(int(part) for part in run.stdout.split())


def make_venv() -> None:
    """Make the virtual environment unless a working one is there."""
    version = version_of(PYTHON)
    if version and OLDEST <= version <= NEWEST and succeeds([PYTHON, "-c", "import pip"]):
        return
    python = fit_python()
    if not succeeds([python, "-c", "import ensurepip, venv"]):
        install_venv_module(python)
    say("Making the virtual environment .venv ...")
    run([python, "-m", "venv", "--clear", VENV])


def install_venv_module(python: str) -> None:
    """Debian keeps `ensurepip` in a package of its own; root gets it, others are told."""
    version = version_of(python) or OLDEST
    package = "python{}.{}-venv".format(*version)
    advice = f"Python's venv module is missing. On Debian and Ubuntu: sudo apt-get install -y {package}"
    if not may_use_apt():
        raise BootstrapError(advice)
    try:
        apt_install([package])
    except BootstrapError:
        raise BootstrapError(advice) from None


def install(requirements: str) -> None:
    """Install a requirements file unless the stamp says that just these lines are installed."""
    wanted = fingerprint(requirements)
    stamp = VENV / (".installed-" + Path(requirements).stem)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say(f"Installing {requirements} (about half a minute) ...")
    quietly = ["-qq", "--disable-pip-version-check", "--no-input", "--root-user-action=ignore"]
    run([PYTHON, "-m", "pip", "install", *quietly, "-r", ROOT / requirements])
    stamp.write_text(wanted)


def fingerprint(requirements: str) -> str:
    """Return a checksum of a requirements file and of those it includes with `-r`."""
    digest = hashlib.sha256(repr(version_of(PYTHON)).encode())
    pending = [requirements]
    while pending:
        text = (ROOT / pending.pop()).read_text(encoding="utf-8")
        digest.update(text.encode())
        pending += [line.split(None, 1)[1].strip() for line in text.splitlines() if line.startswith("-r ")]
    return digest.hexdigest()


def install_browser() -> None:
    """See that there is a browser for the tests: the system's, else Debian's as root, else Playwright's."""
    if any(shutil.which(name) for name in BROWSERS):
        return
    if may_use_apt():
        say("Installing chromium for the browser tests (about 130 MB) ...")
        try:
            apt_install(["chromium", "fonts-noto-core"])
        except BootstrapError:
            say("apt-get could not; Playwright brings its own.")
        else:
            return
    run([PYTHON, "-m", "playwright", "install", "chromium"])


def may_use_apt() -> bool:
    """Whether we are root on a system with apt."""
    return os.getuid() == 0 and shutil.which("apt-get") is not None


def apt_install(packages: list[str]) -> None:
    """Install Debian packages, with a fresh list of them if the machine's is too old or missing."""
    apt = shutil.which("apt-get") or "apt-get"
    command: list[str | Path] = [apt, "install", "-y", "--quiet", "--no-install-recommends", *packages]
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    if not succeeds(command):
        run([apt, "update", "--quiet"])
        run(command)


def succeeds(command: list[str | Path]) -> bool:
    """Whether a command exits with 0; what it prints is nobody's concern."""
    return subprocess.run(list(map(str, command)), capture_output=True).returncode == 0


def run(command: list[str | Path]) -> None:
    """Run a command to its end; it ends with us if we are told to stop."""
    child = subprocess.Popen(list(map(str, command)))

    def stop(number: int, _frame: object) -> None:
        child.terminate()
        child.wait()
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        if child.wait() != 0:
            raise BootstrapError("This failed: " + " ".join(map(str, command)))
    finally:
        signal.signal(signal.SIGTERM, before)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Make or refresh the environment; quick when nothing changed."""
    parser = argparse.ArgumentParser(description="Make BuiltABot's virtual environment.")
    parser.add_argument("--dev", action="store_true", help="with what tests and checks need")
    parser.add_argument("--browser", action="store_true", help="and a browser for the tests")
    options = parser.parse_args()
    try:
        make_venv()
        install("requirements-dev.txt" if options.dev else "requirements.txt")
        if options.browser:
            install_browser()
    except BootstrapError as error:
        sys.stderr.write(str(error) + "\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
