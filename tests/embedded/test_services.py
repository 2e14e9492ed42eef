"""The embedded Postgres and Valkey: what survives, what is taken over, where the sockets go."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from builtabot.embedded import sockets
from builtabot.embedded.errors import EmbeddedError
from builtabot.embedded.postgres import Postgres
from builtabot.embedded.processes import birth_mark, wait_until_gone
from builtabot.embedded.valkey import Valkey
from tests.embedded.conftest import Owner


def test_a_second_start_finds_the_rows_of_the_first(folder: Path) -> None:
    for found_before in (0, 1):
        postgres = Postgres(folder, throwaway=True)
        child = postgres.start()
        try:
            with psycopg.connect(postgres.url(), autocommit=True) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
                row = connection.execute("SELECT count(*) FROM kept").fetchone()
                connection.execute("INSERT INTO kept VALUES (1)")
        finally:
            child.stop()
        assert row == (found_before,)
        assert child.process.returncode == 0


def test_the_server_has_pgvector_and_room_for_many_schemas(folder: Path) -> None:
    postgres = Postgres(folder, throwaway=True)
    child = postgres.start()
    try:
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
            names = ("max_connections", "max_locks_per_transaction", "jit", "listen_addresses", "fsync")
            shown = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in names}
            folded = connection.execute("SELECT lower('ÄÉ')").fetchone()
    finally:
        child.stop()
    assert shown == {
        "max_connections": "200",
        "max_locks_per_transaction": "1024",
        "jit": "off",
        "listen_addresses": "",
        "fsync": "off",
    }
    assert folded == ("äé",)


def test_what_valkey_was_told_survives_a_restart(folder: Path) -> None:
    for found_before in (None, b"kept"):
        valkey = Valkey(folder)
        child = valkey.start()
        try:
            with redis.Redis.from_url(valkey.channel_url) as client:
                found = client.get("name")
                client.set("name", "kept")
        finally:
            child.stop()
        assert found == found_before


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_services_end_when_their_owner_is_killed(owner: Owner, folder: Path) -> None:
    assert all(birth_mark(pid) for pid in owner.pids)
    owner.kill()
    assert all(wait_until_gone(pid, 10) for pid in owner.pids)
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_a_server_that_still_runs_is_taken_over(owner: Owner, folder: Path) -> None:
    postgres = Postgres(folder, throwaway=True)
    child = postgres.start()
    try:
        assert birth_mark(owner.pids[0]) is None
        assert child.alive
        with psycopg.connect(postgres.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        child.stop()


def test_a_stale_pid_that_is_now_somebody_elses_does_not_stop_the_start(folder: Path) -> None:
    first = Postgres(folder, throwaway=True).start()
    notes = folder / "postgres" / "postmaster.pid"
    stale = notes.read_text().splitlines()
    first.process.send_signal(signal.SIGKILL)
    first.wait_or_kill()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        notes.write_text("\n".join([str(bystander.pid), *stale[1:], ""]))
        again = Postgres(folder, throwaway=True).start()
        again.stop()
        assert bystander.poll() is None
        bystander.kill()
    assert again.process.returncode == 0


def test_an_interrupted_initdb_is_begun_anew(folder: Path) -> None:
    (folder / "postgres.new").mkdir()
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    child = Postgres(folder, throwaway=True).start()
    child.stop()
    assert child.process.returncode == 0


def test_data_of_another_major_version_are_refused_and_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir(mode=0o700)
    (folder / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match="made by Postgres 12"):
        Postgres(folder, throwaway=True).start()
    assert [path.name for path in (folder / "postgres").iterdir()] == ["PG_VERSION"]


@pytest.mark.parametrize("below", ["x" * 120, "with a space"])
def test_a_path_that_no_socket_url_can_hold_gets_a_short_one(folder: Path, below: str) -> None:
    deep = folder / below
    deep.mkdir(mode=0o700)
    short = sockets.socket_folder(deep)
    try:
        assert len(os.fsencode(short)) < 60
        assert short.stat().st_mode & 0o077 == 0
        assert sockets.socket_folder(deep) == short
        postgres = Postgres(deep, throwaway=True)
        child = postgres.start()
        with psycopg.connect(postgres.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        child.stop()
    finally:
        subprocess.run(["rm", "-rf", short], check=True)


def test_a_short_folder_of_somebody_else_is_refused(folder: Path) -> None:
    deep = folder / ("y" * 120)
    deep.mkdir()
    short = Path("/tmp", f"builtabot-{os.getuid()}-{sockets.fingerprint(deep)}")
    short.mkdir()
    short.chmod(0o777)
    try:
        with pytest.raises(EmbeddedError, match="belongs to someone else"):
            sockets.socket_folder(deep)
    finally:
        short.rmdir()


def test_valkey_listens_on_its_socket_only(folder: Path) -> None:
    valkey = Valkey(folder)
    child = valkey.start()
    try:
        with redis.Redis.from_url(valkey.channel_url) as client:
            assert client.config_get("port") == {"port": "0"}
        mode = (folder / "sockets" / "valkey.sock").stat().st_mode & 0o777
        assert mode == 0o700
    finally:
        began = time.monotonic()
        child.stop()
    assert time.monotonic() - began < 3
