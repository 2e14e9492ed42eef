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
from builtabot.embedded.revival import Revival
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


def test_a_child_that_ends_is_started_again_after_longer_and_longer_pauses_until_it_is_too_often() -> None:
    revival = Revival()
    assert [revival.died("chat", now) for now in (0, 70, 140)] == [1, 1, 1]  # each lived for a minute
    assert [revival.died("chat", now) for now in (142, 145, 150)] == [2, 4, 8]
    assert revival.died("chat", 160) is None  # the fifth within a minute
    assert revival.died("web", 160) == 1
    slow = [revival.died("beat", 0 + 25 * round_) for round_ in range(8)]
    assert slow == [1, 2, 4, 8, 16, 30, 30, 30]


def test_each_child_is_started_once_and_when_its_pause_is_over() -> None:
    revival = Revival()
    revival.died("chat", 10)
    assert revival.waits("chat")
    assert revival.seconds_to_next(10.5, most=5) == 0.5
    assert revival.seconds_to_next(10.5, most=0.25) == 0.25
    assert revival.take_due(10.9) == []
    assert revival.take_due(11.0) == ["chat"]
    assert revival.take_due(12.0) == []
    assert not revival.waits("chat")
    assert revival.seconds_to_next(12.0, most=5) == 5


# A supervisor of small children: one that stays, and one that runs a given program.
SMALL = """
import sys
from pathlib import Path
from builtabot.embedded import revival, supervisor

class Small(supervisor.Supervisor):
    def _start(self):
        self._spawn("steady", [sys.executable, "-c", "import time; time.sleep(60)"])
        self._spawn("weak", [sys.executable, "-c", sys.argv[3]])

revival.FIRST_PAUSE_SECONDS = 0.02
sys.exit(Small(Path(sys.argv[1]), int(sys.argv[2]), demo=False).run())
"""


def small(folder: Path, port: int, program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", SMALL, str(folder), str(port), program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_the_rest_goes_on_while_a_child_is_started_again(folder: Path, free_port: int) -> None:
    mark = folder / "died"
    program = (
        f"import pathlib, time; m = pathlib.Path({str(mark)!r})\nif not m.exists(): m.touch(); exit(7)\ntime.sleep(60)"
    )
    running = small(folder, free_port, program)
    assert running.stdout is not None
    try:
        first, second = running.stdout.readline(), running.stdout.readline()
        assert "The process weak ended (code 7) and is started again in" in first
        assert second == "The process weak runs again.\n"
        alive = {row["name"]: row["pid"] for row in json.loads((folder / "children.json").read_text())}
        assert set(alive) == {"steady", "weak"}
        assert all(birth_mark(pid) for pid in alive.values())
    finally:
        running.terminate()
        rest, _ = running.communicate(timeout=20)
    assert running.returncode == 0
    assert "Everything has stopped." in rest
    assert not [pid for pid in alive.values() if birth_mark(pid)]


def test_a_child_that_ends_again_and_again_ends_all_with_its_last_words(folder: Path, free_port: int) -> None:
    running = small(folder, free_port, "print('no memory left'); exit(3)")
    told, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert told.count("The process weak runs again.") == 4
    assert "The process weak ended 5 times within 60 s (now with code 3), so all stops." in told
    assert "no memory left" in told
    assert told.endswith("Everything has stopped.\n")
