"""The product as child processes in a temporary folder, each link behind the fault proxy, set up by environment
variables alone, as a grown deployment is.

A `World` (Postgres, two Valkeys, the proxies, a planted template database) serves several runs; a `Stack` is one
run's web servers, workers, beat and fakes, on a database of its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import redis
from psycopg.rows import dict_row

from builtabot.embedded.postgres import DATABASE, Postgres
from builtabot.embedded.processes import Child, Spawning, spawn
from builtabot.embedded.valkey import Valkey
from tests.faults.control import Remote

ROOT = Path(__file__).resolve().parents[2]
WEBS, WORKERS = ("web1", "web2"), ("worker1", "worker2")
SERVICES = ("postgres", "layer", "broker")
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "USER")
READY_SECONDS = 90.0
WITHOUT_INDEX = ("no unique index", "no dedupe")  # the index is the second half of telling repeats


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class World:
    """The services and their proxies. `await world.start()` in the main thread; `world.stop()` ends it all."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="builtabot-faults-"))
        self.children: dict[str, Child] = {}
        self.ports = {name: free_port() for name in (*WEBS, "model", "slack")}
        self.links: dict[str, int] = {}
        self.proxy = Remote(self.folder / "proxy.sock")
        self.secret = secrets.token_urlsafe(48)
        self.key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self.tenants: list[dict[str, Any]] = []
        self._runs = 0

    async def start(self) -> None:
        for name in ("pg", "layer", "broker"):
            (self.folder / name).mkdir(mode=0o755)
        self.folder.chmod(0o755)  # Postgres runs as somebody else when we are root
        self.postgres = Postgres(self.folder / "pg")
        self.valkeys = {name: Valkey(self.folder / name) for name in ("layer", "broker")}
        self.children["postgres"] = self.postgres.start()
        # A process that dies loses nothing of what it wrote; only the machine's own death would.
        self.sql("ALTER SYSTEM SET fsync = off", database=DATABASE)
        self.sql("SELECT pg_reload_conf()", database=DATABASE)
        for name, valkey in self.valkeys.items():
            self.children[name] = valkey.start()
        await self._start_proxies()
        self._plant()

    async def _start_proxies(self) -> None:
        pg = str(self.postgres.socket_folder / ".s.PGSQL.5432")
        upstreams: dict[str, Any] = {}
        for who in ("web", "worker"):
            upstreams[f"{who}->postgres"] = pg
            upstreams[f"{who}->layer"] = self.valkey_socket("layer")
            upstreams[f"{who}->broker"] = self.valkey_socket("broker")
        upstreams["worker->model"] = ["127.0.0.1", self.ports["model"]]
        upstreams["worker->slack"] = ["127.0.0.1", self.ports["slack"]]
        for web in WEBS:
            upstreams[f"visitors->{web}"] = upstreams[f"agents->{web}"] = ["127.0.0.1", self.ports[web]]
        self.links = {name: free_port() for name in upstreams}
        config = {name: {"port": self.links[name], "upstream": to} for name, to in upstreams.items()}
        command = [sys.executable, "-m", "tests.faults.proxy", str(self.folder / "proxy.sock"), json.dumps(config)]
        self.children["proxy"] = self.spawn("proxy", command, {})
        await self.proxy.wait()

    def valkey_socket(self, name: str) -> str:
        return unquote(urlsplit(self.valkeys[name].channel_url).path)

    def valkey(self, name: str) -> redis.Redis:
        """A client past the proxies, that never waits long."""
        return redis.Redis(unix_socket_path=self.valkey_socket(name), socket_timeout=2)

    def _plant(self) -> None:
        environment = self.environment("web", self.postgres.url())
        for command in (["manage.py", "prepare"], ["-m", "tests.faults.plant"]):
            done = subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
            )
            if done.returncode:
                raise RuntimeError(f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        self.tenants = json.loads(done.stdout.splitlines()[-1])

    def environment(self, who: str, database_url: str = "", database: str = DATABASE) -> dict[str, str]:
        """The settings of a grown deployment, for a `web` or a `worker`."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}

        def at(link: str) -> str:
            return f"127.0.0.1:{self.links[link]}"

        return {
            **kept,
            "DATABASE_URL": database_url or f"postgresql://postgres@{at(f'{who}->postgres')}/{database}",
            "BROKER_URL": f"redis://{at(f'{who}->broker')}/0",
            "CHANNEL_URL": f"redis://{at(f'{who}->layer')}/0",
            "SECRET_KEY": self.secret,
            "FIELD_ENCRYPTION_KEYS": self.key,
            "BASE_DOMAIN": "localhost",
            "PORT": "8000",
            "DATA_DIR": str(self.folder / "data"),
            "OPENAI_API_KEY": "sk-fake",
            "OPENAI_BASE_URL": f"http://{at('worker->model')}/v1",
            "OPENAI_MODEL": "fake-model",
            "SLACK_API_URL": f"http://{at('worker->slack')}/api/",
            "SLACK_CLIENT_ID": "stand-in",
            "SLACK_CLIENT_SECRET": "stand-in",
            "SLACK_SIGNING_SECRET": "the-stand-ins-secret",
            "DJANGO_SETTINGS_MODULE": "builtabot.settings",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        log = self.folder / "logs" / f"{name}.log"
        before = log.read_bytes() if log.exists() else b""
        if before:
            with (self.folder / "logs" / f"{name}.all").open("ab") as kept:
                kept.write(before)
        env = {**{key: os.environ[key] for key in KEPT if key in os.environ}, **environment}
        return spawn(name, command, Spawning(log, env, cwd=ROOT, limit_seconds=2.0))

    def connect(self, database: str) -> psycopg.Connection[dict[str, Any]]:
        """A session past the proxies."""
        return psycopg.connect(self.postgres.url(database), autocommit=True, row_factory=dict_row)

    def sql(self, statement: str, *, database: str, arguments: Any = None) -> list[dict[str, Any]]:
        with self.connect(database) as connection:
            cursor = connection.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """A copy of what was planted, for one run."""
        self._runs += 1
        name = f"run{self._runs}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {DATABASE}", database="postgres")
        return name

    async def restart(self, service: str, how: signal.Signals) -> None:
        """Stop a service as `how` does, and start it again on the same data."""
        child = self.children[service]
        child.process.send_signal(how)
        await asyncio.to_thread(child.process.wait)
        await asyncio.sleep(0.3)
        self.children[service] = self.postgres.start() if service == "postgres" else self.valkeys[service].start()

    def stop(self) -> None:
        for name in reversed(list(self.children)):
            child = self.children[name]
            if child.alive:
                child.process.send_signal(signal.SIGCONT)
            child.stop()
        kept = os.environ.get("FAULTS_KEEP")
        if kept:
            shutil.copytree(self.folder / "logs", Path(kept), dirs_exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Stack:
    """One run's programs. `build` are the variables that tell tests.faults.build what to break, by program."""

    def __init__(self, world: World, build: Mapping[str, str] | None = None) -> None:
        self.world = world
        self.build = dict(build or {})
        self.database = ""
        self.children: dict[str, Child] = {}
        self.fakes = Remote(world.folder / "fakes.sock")
        self.orders = world.folder / "orders"
        self.births: Counter[str] = Counter()
        self.doomed: set[str] = set()  # whose end was arranged
        self.fell: Counter[str] = Counter()  # who ended without being told to

    async def start(self) -> None:
        await self.world.proxy.call("reset")
        self.database = self.world.new_database()
        for name in ("layer", "broker"):
            self.world.valkey(name).flushall()
        shutil.rmtree(self.orders, ignore_errors=True)
        self.orders.mkdir()
        if self.build.get("FAULTS_MUTANT") in WITHOUT_INDEX:
            self._drop_unique_index()
        for name in ("fakes", *WORKERS, "beat", *WEBS):
            self.launch(name)
        await self.fakes.wait()
        await self._ready()

    def _drop_unique_index(self) -> None:
        for tenant in self.world.tenants:
            index = f'"{tenant["schema"]}".one_message_per_client_id'
            self.world.sql(f"DROP INDEX {index}", database=self.database)

    def launch(self, name: str) -> Child:
        """Start a program, or start it again."""
        who = "web" if name in WEBS else "worker"
        environment = {
            **self.world.environment(who, database=self.database),
            **self.build,
            "FAULTS_NAME": name,
            "FAULTS_ORDERS": str(self.orders),
        }
        child = self.world.spawn(name, [sys.executable, "-m", *self._command(name)], environment)
        self.children[name] = self.world.children[name] = child
        self.births[name] += 1
        return child

    async def nurse(self) -> None:
        """What a supervisor does: a program that has ended, for whatever reason, is started again."""
        while True:
            await asyncio.sleep(0.1)
            for name in [name for name, child in self.children.items() if not child.alive]:
                if name not in self.doomed:
                    self.fell[name] += 1
                self.doomed.discard(name)
                await asyncio.sleep(0.3)
                self.launch(name)

    def _command(self, name: str) -> list[str]:
        ports, folder = self.world.ports, self.world.folder
        if name == "fakes":
            return ["tests.faults.fakes", str(folder / "fakes.sock"), str(ports["model"]), str(ports["slack"])]
        build = ["tests.faults.build"]
        if name in WEBS:
            timeouts = ["--websocket_timeout=-1", "--application-close-timeout=5", "--http-timeout=90"]
            at = ["-b", "127.0.0.1", "-p", str(ports[name]), "-v", "0", "--no-server-name"]
            return [*build, "web", *at, *timeouts, "builtabot.asgi:application"]
        if name == "beat":
            return [*build, "celery", "-A", "builtabot", "beat", "-l", "WARNING", "-s", str(folder / "beat-schedule")]
        worker = ["celery", "-A", "builtabot", "worker", "-P", "threads", "-l", "WARNING", "--without-gossip"]
        return [*build, *worker, "--without-mingle", "-Q", "chat,watch,outside", "-c", "4", "-n", f"{name}@faults"]

    async def _ready(self) -> None:
        """Both web servers answer, and a worker has beaten."""
        async with asyncio.timeout(READY_SECONDS):
            for web in WEBS:
                while not await asyncio.to_thread(self.answers, web):
                    self._check()
                    await asyncio.sleep(0.2)
            beats = "SELECT 1 FROM tenants_heartbeat WHERE name = 'chat' AND at > now() - interval '20 s'"
            while not self.world.sql(beats, database=self.database):
                self._check()
                await asyncio.sleep(0.3)

    def _check(self) -> None:
        for name, child in self.children.items():
            if not child.alive:
                raise RuntimeError(f"{name} ended: {child.log.read_text()[-3000:]}")

    def answers(self, web: str) -> bool:
        """Whether a web server is alive, asked past the proxies."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.world.ports[web]}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        for child in self.children.values():
            child.ask_to_stop()
        for child in self.children.values():
            child.wait_or_kill(2.0)
        for name in self.children:
            self.world.children.pop(name, None)
        self.world.sql(f"DROP DATABASE {self.database} WITH (FORCE)", database="postgres")
