"""Typed readers of the environment. Each name read is remembered, so that a test can hold the README's
table of settings against what the code really reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

KNOWN_DEFAULT_SECRETS = frozenset({"", "secret", "changeme", "change-me", "insecure", "django-insecure"})


@dataclass(frozen=True)
class Setting:
    """One setting: the environment variable's name, its default in words, and one sentence of purpose."""

    name: str
    default: str
    purpose: str


class Environment:
    """The process environment, backed by the embedded stack's run file when there is one.

    `run` maps the run file's lower-case keys to values; a variable in the environment wins over it.
    With `lenient`, a missing required value reads as an empty string: for commands that touch no
    database and hold no secret.
    """

    def __init__(self, environ: Mapping[str, str], run: Mapping[str, Any], *, lenient: bool = False) -> None:
        self._environ = environ
        self._run = run
        self._lenient = lenient
        self.known: list[Setting] = []

    def _raw(self, name: str, default: str, purpose: str) -> str | None:
        self.known.append(Setting(name, default, purpose))
        if name in self._environ:
            return self._environ[name]
        value = self._run.get(name.lower())
        if value is None:
            return None
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    def text(self, name: str, default: str, purpose: str) -> str:
        """The value as it stands, or `default`."""
        value = self._raw(name, default or "empty", purpose)
        return default if value is None else value

    def required(self, name: str, purpose: str) -> str:
        """The value; refuses to start when it is missing, naming it."""
        value = self._raw(name, "required", purpose)
        if not value and not self._lenient:
            raise ImproperlyConfigured(f"{name} is not set. {purpose} Run `make demo`, or set {name}.")
        return value or ""

    def secret(self, name: str, purpose: str, *, least_length: int = 32) -> str:
        """A required value that must not be short or a well-known default."""
        value = self.required(name, purpose)
        weak = len(value) < least_length or value.lower() in KNOWN_DEFAULT_SECRETS
        if not self._lenient and (weak or value.startswith("django-insecure")):
            raise ImproperlyConfigured(f"{name} is a default or too short: give it {least_length} random characters.")
        return value

    def number(self, name: str, default: int, purpose: str) -> int:
        """A whole number."""
        value = self._raw(name, str(default), purpose)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error

    def flag(self, name: str, default: bool, purpose: str) -> bool:
        """True for 1, true, yes, on."""
        value = self._raw(name, "on" if default else "off", purpose)
        return default if value is None else value.strip().lower() in {"1", "true", "yes", "on"}

    def words(self, name: str, purpose: str, *, required: bool = False) -> tuple[str, ...]:
        """A comma-separated list, without empty parts."""
        value = self.required(name, purpose) if required else self.text(name, "", purpose)
        return tuple(part.strip() for part in value.split(",") if part.strip())


def read_run_file(data_dir: Path) -> dict[str, Any]:
    """The embedded stack's run file, or {} when there is none."""
    path = data_dir / "run.json"
    if not path.is_file():
        return {}
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def touches_no_database(argv: list[str]) -> bool:
    """Whether this process is one of the commands that need neither a database nor a secret."""
    program = Path(argv[0]).name if argv else ""
    if "mypy" in (argv[0] if argv else "") or program in {"dmypy", "django-admin"}:
        return True
    offline = {"makemigrations", "check_settings", "eval_triggers", "eval_sentiment", "eval_topics", "train_head"}
    return program == "manage.py" and len(argv) > 1 and argv[1] in offline


def kind_of_process(argv: list[str]) -> str:
    """`worker` for Celery's processes, `command` for manage.py, which migrates and prepares; else `web`."""
    program = Path(argv[0]) if argv else Path()
    if program.name == "manage.py":
        return "command"
    return "worker" if "celery" in program.parts[-2:] else "web"


def load(base_dir: Path, argv: list[str]) -> Environment:
    """The environment of this process. `DATABASE_URL` in the environment makes the run file ignored whole;
    neither one refuses to start."""
    data_dir = Path(os.environ.get("DATA_DIR", base_dir / ".data"))
    run = {} if os.environ.get("DATABASE_URL") else read_run_file(data_dir)
    return Environment(os.environ, run, lenient=touches_no_database(argv))


def share_metrics(folder: str) -> None:
    """Have the Prometheus client keep this process's counts in `folder`; it asks the environment when imported."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
