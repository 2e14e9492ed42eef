"""`python -m builtabot.embedded.supervisor`: the whole product on this machine, until Ctrl-C."""

import argparse
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

from builtabot.embedded import runfile
from builtabot.embedded.errors import EmbeddedError, RefusedError
from builtabot.embedded.postgres import Postgres
from builtabot.embedded.processes import Child, Register, Spawning, spawn, tail
from builtabot.embedded.readiness import ask, check_ports
from builtabot.embedded.revival import MOST_DEATHS, WITHIN_SECONDS, Revival
from builtabot.embedded.terminal import Progress
from builtabot.embedded.valkey import Valkey

STALL_LIMIT_SECONDS = 240.0
# For sockets to be sent away and turns to be given back. If it is too short nothing is lost: work is leased rows.
APP_STOP_SECONDS = 6.0
FRAME_BYTES = 64 * 1024
# Each worker's queues, and how many tasks it runs at once. What is slow never shares a worker with answers.
WORKERS = {"chat": ("chat,watch", 4), "outside": ("outside,watch", 4), "index": ("index", 1)}
METRICS = "metrics"
# Settings that come from run.json here; in the environment they would win over it.
OWN_SETTINGS = (
    *("DATABASE_URL", "REDIS_URL", "BROKER_URL", "CHANNEL_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS"),
    *("BASE_DOMAIN", "SITE_SCHEME", "CRAWL_ALLOW_PRIVATE", "PORT", "BIND", "DEMO", "DEMO_PASSWORD", "METRICS_TOKEN"),
)


class StoppedError(Exception):
    """Someone asked us to stop while we were starting."""


class Signals:
    """Turns signals into a flag and wakes whoever waits; the second Ctrl-C changes nothing."""

    def __init__(self) -> None:
        self.asked = False
        self._reader, writer = os.pipe()
        for end in (self._reader, writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._ask)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else it is nohup's wish
            signal.signal(signal.SIGHUP, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake `wait`

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        """Sleep until a signal comes or a child ends, at most so long; raise StoppedError once asked to."""
        if not self.asked and select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 512)
        if self.asked:
            raise StoppedError


class Supervisor:
    """One run over one data folder, from the port check to the last child's end."""

    def __init__(self, folder: Path, port: int, *, demo: bool) -> None:
        self._folder = folder
        self._port = port
        self._demo = demo
        self._signals = Signals()
        self._progress = Progress()
        self._children: list[Child] = []
        self._starts: dict[str, Callable[[], Child]] = {}
        self._revival = Revival()
        self._register = Register(folder / "children.json")
        self._lock = runfile.FolderLock(folder)

    def run(self) -> int:
        """Start everything, wait for the end, stop everything; return the exit code."""
        try:
            runfile.make_folder(self._folder)
            self._lock.take(f"http://localhost:{self._port}/")
            self._register.sweep()
            check_ports(self._port, demo=self._demo)
            self._start()
            self._watch()
        except StoppedError:
            self._progress.say("Stopping...")
            return 0
        except EmbeddedError as error:
            self._progress.say(str(error))
            return 2 if isinstance(error, RefusedError) else 1
        finally:
            self._stop()
        return 0

    def _start(self) -> None:
        self._progress.say(f"BuiltABot is starting; its data are in {_shown(self._folder)}.")
        shutil.rmtree(self._folder / METRICS, ignore_errors=True)  # counts of processes that are gone
        run = self._start_services()
        self._run_once("prepare", "the tables", [])
        if self._demo:
            shop = f"http://127.0.0.1:{self._port + 1}"
            self._run_once("seed_demo", "the demo's tenant", ["--static-url", shop])
        for name, command in self._app_commands():
            self._spawn(name, command)
        self._await_ready()
        self._greet(run)

    def _start_services(self) -> runfile.RunFile:
        began = time.monotonic()
        self._progress.update("Postgres and Valkey...")
        postgres, valkey = Postgres(self._folder), Valkey(self._folder)
        for service in (postgres, valkey):
            child = self._adopt(service.start(given_up=lambda: self._signals.asked))
            self._starts[child.name] = partial(service.start, given_up=lambda: self._signals.asked)
        self._signals.wait(0)
        self._progress.done("Postgres and Valkey", began)
        return self._write_run_file(
            runfile.RunFile(postgres.url(), valkey.broker_url, valkey.channel_url, port=self._port)
        )

    def _write_run_file(self, fresh: runfile.RunFile) -> runfile.RunFile:
        """Write the run file: the services' addresses of this start, the secrets of the first."""
        if os.environ.get("DATABASE_URL"):
            self._progress.say("DATABASE_URL is set and left aside: this command brings its own Postgres.")
        given = os.environ.get("CRAWL_ALLOW_PRIVATE", "").split(",")
        run = runfile.read(self._folder) or fresh
        allowed = [host.strip() for host in given if host.strip()]
        run = run.moved_to(self._port, demo=self._demo, allow_private=allowed)
        run = replace(run, database_url=fresh.database_url, broker_url=fresh.broker_url, channel_url=fresh.channel_url)
        runfile.write(self._folder, run)
        return run

    def _app_commands(self) -> list[tuple[str, list[str]]]:
        limits = [f"--websocket-max-{part}-size={FRAME_BYTES}" for part in ("message", "frame")]
        timeouts = ["--websocket_timeout=-1", "--application-close-timeout=5", "--http-timeout=90"]
        web = ["builtabot.web", "-b", "127.0.0.1", "-p", str(self._port), "-v", "0", "--no-server-name"]
        celery = ["celery", "-A", "builtabot"]
        worker = [*celery, "worker", "-P", "threads", "-l", "INFO", "--without-gossip", "--without-mingle"]
        commands = [
            ("web", [*web, *limits, *timeouts, "builtabot.asgi:application"]),
            *(
                (name, [*worker, "-Q", queues, "-c", str(threads), "-n", f"{name}@%h"])
                for name, (queues, threads) in WORKERS.items()
            ),
            ("beat", [*celery, "beat", "-l", "INFO", "-s", str(self._folder / "beat-schedule")]),
        ]
        if self._demo:
            site = ["builtabot.embedded.static_server", "--port", str(self._port + 1)]
            site += ["--widget-base-url", f"http://acme.localhost:{self._port}"]
            commands.insert(0, ("shop", site))
        return [(name, [sys.executable, "-m", *command]) for name, command in commands]

    def _spawn(self, name: str, command: list[str]) -> Child:
        kept = {key: value for key, value in os.environ.items() if key not in OWN_SETTINGS}
        fixed = {"DATA_DIR": str(self._folder), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        fixed |= {"DJANGO_SETTINGS_MODULE": "builtabot.settings", "METRICS_DIR": str(self._folder / METRICS)}
        log = self._folder / "logs" / f"{name}.log"
        how = Spawning(log, kept | fixed, cwd=runfile.ROOT, limit_seconds=APP_STOP_SECONDS)
        self._starts[name] = partial(spawn, name, command, how)
        return self._adopt(self._starts[name]())

    def _adopt(self, child: Child) -> Child:
        """Take a child in, in the place of an earlier one of its name: what is stopped last stays last."""
        places = [place for place, earlier in enumerate(self._children) if earlier.name == child.name]
        place = places[0] if places else len(self._children)
        self._children[place : place + 1] = [child]
        self._register.write(self._children)
        return child

    def _run_once(self, name: str, title: str, arguments: list[str]) -> None:
        began = time.monotonic()
        self._progress.update(f"{title}...")
        child = self._spawn(name, [sys.executable, str(runfile.ROOT / "manage.py"), name, *arguments])
        while child.alive:
            self._signals.wait(1)
        self._children.remove(child)
        if child.process.returncode != 0:
            raise EmbeddedError(f"`manage.py {name}` failed. The end of {child.log}:\n{tail(child.log)}")
        self._check_children()
        self._progress.done(title, began)

    def _check_children(self) -> None:
        for child in self._children:
            if not child.alive:
                code = child.process.returncode
                raise EmbeddedError(
                    f"The process {child.name} ended (code {code}), so all stops. The end of {child.log}:\n"
                    f"{tail(child.log)}"
                )

    def _await_ready(self) -> None:
        began = moved = time.monotonic()
        missing: tuple[str, ...] = ()
        while not (answer := ask(self._port)).ready:
            self._check_children()
            # A slow machine that gets on is no failure; one that stands still is.
            if answer.missing != missing:
                missing, moved = answer.missing, time.monotonic()
            self._progress.update("waiting for: " + ", ".join(answer.missing))
            if time.monotonic() - moved > STALL_LIMIT_SECONDS:
                log = self._log_for(missing)
                raise EmbeddedError(
                    f"Nothing has moved for {STALL_LIMIT_SECONDS:.0f} s, for want of: {', '.join(missing)}. "
                    f"The end of {log}:\n{tail(log)}"
                )
            self._signals.wait(0.5)
        self._progress.done("web, workers, content", began)

    def _log_for(self, missing: Sequence[str]) -> Path:
        words = " ".join(missing).lower()
        indexing = any(word in words for word in ("index", "crawl", "help", "content"))
        name = "index" if indexing else next((name for name in WORKERS if name in words), "web")
        return self._folder / "logs" / f"{name}.log"

    def _greet(self, run: runfile.RunFile) -> None:
        public = f"http://localhost:{self._port}/"
        lines = [f"\nBuiltABot is ready ({self._progress.seconds():.0f} s).\n", f"  Public site   {public}"]
        if self._demo:
            acme = f"http://acme.localhost:{self._port}"
            lines += [
                f"  Shop page     http://127.0.0.1:{self._port + 1}/   (the visitor's side, with the widget)",
                f"  Live Support  {acme}/live/",
                f"  Admin         {acme}/admin/",
                "\n  Sign in       ana@acme.example (owner) or tom@acme.example (agent)",
                f"  Password      {run.demo_password}",
                "  Rehearse      .venv/bin/python manage.py rehearse",
            ]
        self._progress.say("\n".join([*lines, "\nCtrl-C stops everything."]))

    def _watch(self) -> None:
        """Start again whatever ends: its work is rows, and a worker ends by itself when the broker refuses it."""
        while True:
            for child in [child for child in self._children if not child.alive]:
                if not self._revival.waits(child.name):
                    self._mourn(child)
            for name in self._revival.take_due(time.monotonic()):
                self._adopt(self._starts[name]())
                self._progress.say(f"The process {name} runs again.")
            self._signals.wait(self._revival.seconds_to_next(time.monotonic(), most=5))

    def _mourn(self, child: Child) -> None:
        child.wait_or_kill()  # and what it had started itself
        code = child.process.returncode
        pause = self._revival.died(child.name, time.monotonic())
        if pause is None:
            raise EmbeddedError(
                f"The process {child.name} ended {MOST_DEATHS} times within {WITHIN_SECONDS:.0f} s (now with code "
                f"{code}), so all stops. The end of {child.log}:\n{tail(child.log)}"
            )
        self._progress.say(
            f"The process {child.name} ended (code {code}) and is started again in {pause:.0f} s. "
            f"What it wrote last is in {_shown(child.log)}.old then."
        )

    def _stop(self) -> None:
        """Stop the applications together, then the broker, then the database."""
        services = [child for child in self._children if child.name in ("postgres", "valkey")]
        apps = [child for child in reversed(self._children) if child not in services]
        for child in apps:
            child.ask_to_stop()
        deadline = time.monotonic() + APP_STOP_SECONDS
        for child in apps:
            child.wait_or_kill(max(0.05, deadline - time.monotonic()))
        for child in reversed(services):
            child.stop()
        if self._children:
            self._register.write([])
            self._progress.say("Everything has stopped.")
        self._lock.free()


def _shown(path: Path) -> str:
    return str(path.relative_to(runfile.ROOT)) if path.is_relative_to(runfile.ROOT) else str(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; PORT and DATA_DIR in the environment stand in for the options."""
    parser = argparse.ArgumentParser(prog="python -m builtabot.embedded.supervisor", description=__doc__)
    parser.add_argument("--port", default=os.environ.get("PORT") or "8000")
    parser.add_argument("--data", help="data folder (default: DATA_DIR, or .data in the project)")
    parser.add_argument("--no-demo", action="store_true", help="no demo tenant, no shop page")
    options = parser.parse_args(arguments)
    if not options.port.isdigit():
        parser.error(f"PORT must be a number, not {options.port!r}")
    return Supervisor(runfile.data_folder(options.data), int(options.port), demo=not options.no_demo).run()


if __name__ == "__main__":
    sys.exit(main())
