"""The supervisor's refusals, and what it does about what an earlier run left."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from builtabot.embedded.processes import Register, Spawning, birth_mark, spawn, tail
from builtabot.embedded.runfile import ROOT, FolderLock
from builtabot.embedded.supervisor import WORKERS

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def supervisor(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "builtabot.embedded.supervisor", "--data", str(folder)]
    return subprocess.run(
        [*command, "--port", str(port)], capture_output=True, text=True, timeout=30, cwd=ROOT, check=False
    )


def test_a_taken_port_is_one_sentence_with_the_way_out(folder: Path, free_port: int) -> None:
    for taken in (free_port, free_port + 1):
        with socket.socket() as other:
            other.bind(("127.0.0.1", taken))
            other.listen()
            ended = supervisor(folder, free_port)
        assert ended.returncode == 2
        assert ended.stdout.startswith(f"Port {taken} is taken by another program.")
        assert "make demo PORT=" in ended.stdout
        assert len(ended.stdout.splitlines()) == 1
    assert not (folder / "postgres").exists()
    assert not (folder / "run.json").exists()


def test_a_second_supervisor_is_refused_and_told_where_the_first_is(folder: Path, free_port: int) -> None:
    lock = FolderLock(folder)
    lock.take("http://localhost:8000/")
    try:
        ended = supervisor(folder, free_port)
    finally:
        lock.free()
    assert ended.returncode == 2
    assert f"process {os.getpid()} at http://localhost:8000/" in ended.stdout
    assert not (folder / "postgres").exists()


def test_what_a_killed_run_left_is_swept_and_a_reused_pid_is_not(folder: Path) -> None:
    left = spawn("left", SLEEP, Spawning(folder / "left.log"))
    bystander = spawn("bystander", SLEEP, Spawning(folder / "bystander.log"))
    register = Register(folder / "children.json")
    register.write([left, bystander])
    rows = json.loads((folder / "children.json").read_text())
    rows[1]["mark"] = "another birth"
    (folder / "children.json").write_text(json.dumps(rows))
    try:
        assert register.sweep() == ["left"]
        assert not left.alive
        assert bystander.alive
    finally:
        bystander.stop()
        left.stop()


def test_stopping_takes_what_the_child_started_with_it(folder: Path) -> None:
    code = f"import subprocess, time; print(subprocess.Popen({SLEEP!r}).pid, flush=True); time.sleep(60)"
    child = spawn("parent", [sys.executable, "-c", code], Spawning(folder / "parent.log"))
    deadline = time.monotonic() + 10
    while "empty" in (text := tail(folder / "parent.log")) and time.monotonic() < deadline:
        time.sleep(0.02)
    grandchild = int(text)
    assert birth_mark(grandchild) is not None
    child.stop()
    time.sleep(0.05)
    assert birth_mark(grandchild) is None


def test_a_child_that_will_not_stop_is_killed_after_its_limit(folder: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    child = spawn("deaf", [sys.executable, "-c", code], Spawning(folder / "deaf.log", limit_seconds=0.3))
    while "deaf" not in tail(folder / "deaf.log"):
        time.sleep(0.02)
    child.stop()
    assert child.process.returncode == -signal.SIGKILL


def test_the_log_of_the_run_before_is_kept_once(folder: Path) -> None:
    for word in ("first", "second", "third"):
        child = spawn("echo", ["/bin/echo", word], Spawning(folder / "echo.log"))
        child.process.wait()
    assert tail(folder / "echo.log") == "third"
    assert tail(folder / "echo.log.old") == "second"


def test_every_task_has_a_worker_and_answers_share_theirs_with_nothing_slow() -> None:
    from builtabot.celery import app
    from builtabot.health import QUEUES

    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    assert len(ours) > 10
    routed: dict[str, set[str]] = {}
    for name in ours:
        routed.setdefault(app.amqp.router.route({}, name)["queue"].name, set()).add(name)
    served = {name: set(queues.split(",")) for name, (queues, _) in WORKERS.items()}
    assert set(routed) == set.union(*served.values())
    assert set(QUEUES) == set(served)  # each gives signs of life of its own
    assert routed["chat"] <= {"chat.run_turn", "chat.note_moods", "tenants.beat"}
    slow = {"workspace.deliver_outbox", "tenants.handle_external", "livesupport.rehearse", "insights.check_gaps"}
    assert slow <= routed["outside"]
    assert served["chat"] & served["outside"] == {"watch"}
    assert {"tenants.sweep_due", "tenants.settle_due", "livesupport.watch_waiting"} <= routed["watch"]


def test_beat_sends_the_sweep_to_its_queue_and_each_worker_a_sign_of_life() -> None:
    from builtabot.celery import app

    sent = {
        name: app.amqp.router.route(dict(entry["options"]), entry["task"])["queue"].name
        for name, entry in app.conf.beat_schedule.items()
    }
    assert sent == {"sweep": "watch", **{f"beat-{worker}": worker for worker in WORKERS}}
