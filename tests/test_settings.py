"""The README's table of settings says what the code reads, and a bad setting refuses to start."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

from builtabot.embedded.supervisor import FRAME_BYTES
from builtabot.env import Environment, kind_of_process, load
from tests.house import ROOT

GOOD = {
    "DATABASE_URL": "postgresql:///nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "k" * 50,
    "FIELD_ENCRYPTION_KEYS": "M" * 43 + "=",
}
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)


def shown(default: str) -> str:
    """A default as the table writes it: paths from the project's folder."""
    return "`" + default.replace(str(ROOT) + "/", "") + "`" if default not in {"required", "empty"} else default


def test_the_readme_lists_exactly_the_settings_that_are_read() -> None:
    told = {
        name: (default, purpose)
        for name, default, purpose in ROW.findall((ROOT / "README.md").read_text().replace("\\<", "<"))
    }
    read = {one.name: (shown(one.default), one.purpose) for one in settings.ENV.known}
    wrong = {name: (told.get(name), read.get(name)) for name in told.keys() | read.keys()}
    rows = [
        f"| `{name}` | {should[0]} | {should[1]} |" for name, (has, should) in wrong.items() if should and has != should
    ]
    extra = [name for name, (_, should) in wrong.items() if not should]
    assert not rows, "README.md needs these rows:\n" + "\n".join(rows)
    assert not extra, f"README.md lists settings that nothing reads: {extra}"


@pytest.mark.parametrize("secret", ["", "short", "changeme", "django-insecure-" + "x" * 60])
def test_a_missing_or_default_secret_is_refused_by_name(secret: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        Environment({"SECRET_KEY": secret}, {}).secret("SECRET_KEY", "Signs sessions.")


def test_a_variable_wins_over_the_run_file() -> None:
    environment = Environment({"PORT": "9000"}, {"port": 8000, "crawl_allow_private": ["a:1", "b:2"]})
    assert environment.number("PORT", 1, "") == 9000
    assert environment.words("CRAWL_ALLOW_PRIVATE", "") == ("a:1", "b:2")


def test_a_number_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match="PORT must be a whole number"):
        Environment({"PORT": "eighty"}, {}).number("PORT", 80, "")


def test_database_url_sets_the_run_file_aside_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"secret_key": "from the run file", "port": 1}))
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.delenv("PORT")
    assert load(ROOT, ["manage.py"]).text("SECRET_KEY", "", "") == ""
    monkeypatch.delenv("DATABASE_URL")
    assert load(ROOT, ["manage.py"]).text("SECRET_KEY", "", "") == "from the run file"


def start(environment: dict[str, str], folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """`manage.py <command>` in a process that knows nothing but this environment and an empty data folder."""
    bare = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("missing", ["DATABASE_URL", "SECRET_KEY", "FIELD_ENCRYPTION_KEYS"])
def test_the_product_refuses_to_start_without(missing: str, tmp_path: Path) -> None:
    done = start({name: value for name, value in GOOD.items() if name != missing}, tmp_path, "check")
    assert done.returncode != 0
    assert missing in done.stderr
    assert "make demo" in done.stderr


def test_with_the_required_settings_it_starts(tmp_path: Path) -> None:
    done = start(GOOD, tmp_path, "check")
    assert done.returncode == 0, done.stderr


def test_a_command_that_needs_no_database_needs_no_secret(tmp_path: Path) -> None:
    done = start({}, tmp_path, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("/srv/venv/lib/python3.11/site-packages/celery/__main__.py", "worker"),
        ("/srv/venv/bin/celery", "worker"),
        ("manage.py", "command"),
        ("/srv/celery/manage.py", "command"),
        ("/srv/builtabot/web.py", "web"),
        ("/srv/venv/bin/daphne", "web"),
        ("", "web"),
    ],
)
def test_a_process_is_known_by_its_program(program: str, kind: str) -> None:
    assert kind_of_process([program, "worker", "migrate"]) == kind


# What Postgres says of its patience with a process that was started in this way.
PATIENCE = """
import sys
sys.argv = [{program!r}, "check"]
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "work_mem"):
        cursor.execute(f"SHOW {{name}}")
        print(*cursor.fetchone())
connection.close_pool()
"""


@pytest.mark.parametrize(
    ("program", "lock", "statement"),
    [("builtabot/web.py", "3s", "7s"), ("celery/__main__.py", "3s", "2min"), ("manage.py", "0", "0")],
)
def test_postgres_waits_as_long_as_the_kind_of_process_may(program: str, lock: str, statement: str) -> None:
    joined = "&" if "?" in os.environ["DATABASE_URL"] else "?"
    url = os.environ["DATABASE_URL"] + joined + "options=-c%20work_mem%3D5MB"  # what an operator adds is kept
    environment = {**os.environ, "DATABASE_URL": url, "DATABASE_STATEMENT_SECONDS": "7"}
    done = subprocess.run(
        [sys.executable, "-c", PATIENCE.format(program=program)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == [lock, statement, "30s", "5MB"], done.stderr


# What a person behind the proxy meets: links, a form they send, whose attempts to sign in are counted, and where.
BEHIND_THE_PROXY = """
import json
import django
django.setup()
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.test import RequestFactory
from tenants.hosts import tenant_url

headers = {"Host": "bot.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6, 192.0.2.7"}
page = RequestFactory().get("/accounts/login/", headers=headers)
token = get_token(page)
sent = RequestFactory().post(
    "/accounts/login/", {"csrfmiddlewaretoken": token}, headers={**headers, "Origin": "https://bot.example"}
)
sent.COOKIES["csrftoken"] = page.META["CSRF_COOKIE"]
check = CsrfViewMiddleware(lambda _: HttpResponse())
check.process_request(sent)
refused = check.process_view(sent, lambda _: HttpResponse(), (), {})
print(json.dumps({
    "link": tenant_url("shop.bot.example", "/live/"),
    "form": getattr(refused, "status_code", 200),
    "caller": get_adapter().get_client_ip(sent),
    "cache": [type(cache._connections["default"]).__name__, cache._connections["default"]._servers],
    "files": str(settings.MEDIA_ROOT),
}))
"""


def told_for_many_machines() -> str:
    return (ROOT / "README.md").read_text().split("## Past one machine")[1].split("\n## ")[0]


def test_with_the_variables_that_the_readme_names_people_can_sign_in_behind_a_proxy(tmp_path: Path) -> None:
    lines = re.findall(r"^    ([A-Z_]+)=(.*?)(?: {2,}#.*)?$", told_for_many_machines(), re.MULTILINE)
    environment = {name: GOOD[name] if value == "..." else value for name, value in lines}
    assert environment.keys() >= GOOD.keys()
    bare = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "builtabot.settings", **environment}
    done = subprocess.run(
        [sys.executable, "-c", BEHIND_THE_PROXY], cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "link": "https://shop.bot.example/live/",
        "form": 200,
        "caller": "192.0.2.7",
        "cache": ["SoftCache", [environment["REDIS_URL"]]],
        "files": environment["DATA_DIR"] + "/media",
    }


def test_the_readmes_web_process_refuses_frames_as_large_as_the_demos_does() -> None:
    (line,) = re.findall(r"^    .*-m builtabot\.web .*$", told_for_many_machines(), re.MULTILINE)
    for part in ("message", "frame"):
        assert f"--websocket-max-{part}-size={FRAME_BYTES}" in line


def test_without_a_proxy_nobody_says_who_they_are() -> None:
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "6.6.6.6"})
    assert get_adapter().get_client_ip(request) == "127.0.0.1"


def test_what_the_cache_holds_is_data_never_code() -> None:
    cache.set("attempts", [1.5, 2.5], 5)
    assert cache.get("attempts") == [1.5, 2.5]
    with pytest.raises(TypeError):
        cache.set("attempts", object(), 5)


def test_debug_is_off() -> None:
    assert settings.DEBUG is False
