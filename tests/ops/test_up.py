"""`manage.py up` as a stranger meets it: everything starts, answers, is looked after, and leaves nothing behind."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from annotate.common import local_servers, processes
from tests.environment import REPOSITORY, free_port

CHILDREN = {"web", "worker default", "worker gpu", "beat", "scorer"}
START_S = 150.0  # on two cores that other tests keep busy; a machine of its own needs a tenth


class Up:
    """One installation in a VAR_DIR of its own, and the `up` that runs it."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port, self.scorer_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = var / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        given = {"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "CSRF_TRUSTED_ORIGINS", "SCORER_URL", "ARTIFACTS_URL"}
        kept = {name: value for name, value in os.environ.items() if name not in given | {"SECRET_KEY"}}
        own = {"VAR_DIR": str(self.var), "SCORER_PORT": str(self.scorer_port), "DEMO": "0", "WEB_WORKERS": "1"}
        return {**kept, **own}

    @property
    def command(self) -> list[str]:
        return [sys.executable, "manage.py", "up", "--port", str(self.port)]

    def launch(self) -> None:
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                self.command, cwd=REPOSITORY, env=self.environment, stdout=file, stderr=subprocess.STDOUT
            )

    def start(self) -> float:
        """Launch it and wait until it says that it is up; return the seconds."""
        began = time.monotonic()
        self.launch()
        assert self.process is not None
        processes.wait_until(lambda: "Ctrl-C stops" in self.said or self.process.poll() is not None, START_S, 0.1)
        assert "Ctrl-C stops" in self.said, self.said
        return time.monotonic() - began

    @property
    def said(self) -> str:
        return self.output.read_text()

    def send(self, number: int, patience_s: float = 60.0) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(patience_s)

    def run_once(self) -> subprocess.CompletedProcess[str]:
        """Run another `up` that is expected to end by itself."""
        return subprocess.run(
            self.command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=60
        )

    def left_over(self) -> list[str]:
        """Command lines of all processes that belong to this installation, servers among them."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "environ"]):
            about = process.info
            mark = (about["environ"] or {}).get("TOUCHSTONE_UP") == str(self.var)
            line = " ".join(about["cmdline"] or [])
            is_server = str(self.var) in line and "touchstone-test" not in line
            if (mark or is_server) and processes.started_at(about["pid"]):
                found.append(line)
        return found

    def pids(self) -> dict[str, int]:
        """Pid of each child of `up`, by its part of the command line."""
        parts = {
            "web": "gunicorn annotate.wsgi",
            "worker default": "-Q default",
            "worker gpu": "-Q gpu",
            "beat": "annotate beat",
            "scorer": "training.engine.scoring",
        }
        assert self.process is not None
        lines = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # a zombie that waits to be reaped is one
                lines[child.pid] = " ".join(child.cmdline())
        return {name: pid for name, part in parts.items() for pid, line in lines.items() if part in line}

    def sql(self, statement: str) -> list[tuple]:
        with psycopg.connect(local_servers.database_url(self.var), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGTERM)
        processes.end_all(processes.with_environment("TOUCHSTONE_UP", str(self.var)))
        local_servers.stop_redis(self.var)
        local_servers.stop_postgres(self.var)
        shutil.rmtree(self.var)


@contextlib.contextmanager
def installation() -> Iterator[Up]:
    var = Path(tempfile.mkdtemp(prefix="touchstone-up-"))
    var.chmod(0o755)
    up = Up(var)
    try:
        yield up
    finally:
        up.remove()


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    with installation() as up:
        up.start()
        yield up


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def test_it_starts_stops_and_starts_again_without_losing_anything() -> None:
    with installation() as up:
        up.start()
        assert f"Touchstone is up: {up.url}" in up.said
        assert set(up.pids()) == CHILDREN
        assert get(f"{up.url}/readyz")["checks"] == {"database": "ok", "redis": "ok", "migrations": "ok"}
        up.sql("CREATE TABLE kept AS SELECT 7 AS n")
        key = (up.var / "secret_key").read_text()

        assert up.send(signal.SIGINT) == 0
        assert up.said.rstrip().endswith("stopped.")
        assert up.left_over() == []

        up.start()
        assert "migrations" not in up.said
        assert up.sql("SELECT n FROM kept") == [(7,)]
        assert (up.var / "secret_key").read_text() == key
        assert up.send(signal.SIGTERM) == 0
        assert up.left_over() == []


def test_a_second_up_says_where_the_first_one_is(running: Up) -> None:
    result = running.run_once()
    assert result.returncode == 1
    assert running.process is not None
    assert result.stderr.strip() == (
        f"CommandError: Touchstone is already up here (pid {running.process.pid}, {running.url}): "
        "use that one, stop it first, or set another VAR_DIR."
    )
    assert get(f"{running.url}/readyz")["status"] == "ok"


def test_a_port_in_use_is_said_in_one_line(running: Up) -> None:
    with installation() as other:
        other.port = running.port
        result = other.run_once()
        assert result.returncode == 1
        line = result.stderr.strip()
        assert re.fullmatch(
            rf"CommandError: Port {running.port} is in use( by .*)?: stop that, or choose another by "
            rf"`make up PORT={running.port + 1}`\.",
            line,
        )
        assert other.left_over() == []


def test_a_dead_child_is_started_again_and_said_in_one_line(running: Up) -> None:
    before = running.pids()
    os.kill(before["beat"], signal.SIGKILL)
    assert processes.wait_until(lambda: running.pids().get("beat", before["beat"]) != before["beat"], 30, 0.1)
    lines = [line for line in running.said.splitlines() if "beat was ended by SIGKILL" in line]
    assert len(lines) == 1
    assert lines[0].endswith(f"starting again in 1 s; see {running.var / 'log' / 'beat.log'}")
    after = running.pids()
    assert {name: pid for name, pid in after.items() if name != "beat"} == {
        name: pid for name, pid in before.items() if name != "beat"
    }


def test_a_killed_worker_takes_its_pool_with_it(running: Up) -> None:
    before = running.pids()["worker gpu"]
    pool = psutil.Process(before).children(recursive=True)
    assert pool
    os.kill(before, signal.SIGKILL)
    assert processes.wait_until(lambda: running.pids().get("worker gpu", before) != before, 30, 0.1)
    assert [process for process in pool if processes.started_at(process.pid)] == []


def test_killed_servers_come_back(running: Up) -> None:
    running.sql("CREATE TABLE IF NOT EXISTS survives AS SELECT 7 AS n")
    pids = local_servers.postgres_pid(running.var), local_servers.redis_pid(running.var)
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def are_back() -> bool:
        now = local_servers.postgres_pid(running.var), local_servers.redis_pid(running.var)
        return None not in now and set(now).isdisjoint(pids)

    assert processes.wait_until(are_back, 60, 0.1)

    def is_ready() -> bool:
        with contextlib.suppress(OSError):
            return get(f"{running.url}/readyz")["status"] == "ok"
        return False

    assert processes.wait_until(is_ready, 60, 0.2)
    assert running.sql("SELECT n FROM survives") == [(7,)]
    assert {"PostgreSQL had ended and runs again", "Redis had ended and runs again"} <= {
        " ".join(line.split()[1:]).split(";")[0] for line in running.said.splitlines()
    }


def stubborn_process(up: Up) -> subprocess.Popen[bytes]:
    """A process of this installation that does not end when asked to."""
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "TOUCHSTONE_UP": str(up.var)},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()  # now it ignores SIGTERM
    return process


def test_nothing_survives_a_killed_up_for_long() -> None:
    with installation() as up:
        up.start()
        up.send(signal.SIGKILL)
        # The next `up` does not get in the way of those who clean up; it waits for them.
        up.launch()
        assert processes.wait_until(lambda: "Starting web" in up.said, START_S, 0.1), up.said
        assert "The last `up` was killed, waiting for its processes to end" in up.said
        assert up.send(signal.SIGINT) == 0  # in the middle of a start, too
        assert up.left_over() == []


def test_an_up_that_is_killed_and_not_followed_leaves_nothing_either() -> None:
    with installation() as up:
        up.start()
        up.send(signal.SIGKILL)
        assert processes.wait_until(lambda: up.left_over() == [], 60, 0.2), up.left_over()
        assert "database system is shut down" in (up.var / "log" / "postgres.log").read_text()


def test_leftovers_nobody_cleaned_are_ended_by_the_next_up() -> None:
    with installation() as up:
        left = stubborn_process(up)
        try:
            up.launch()
            assert left.wait(60) == -signal.SIGKILL
            assert up.send(signal.SIGINT) == 0
            assert up.left_over() == []
        finally:
            left.kill()
            left.wait()


def test_the_scorers_port_is_looked_at_too() -> None:
    with installation() as up, socket.socket() as squatter:
        up.scorer_port = free_port()
        squatter.bind(("127.0.0.1", up.scorer_port))
        squatter.listen()
        result = up.run_once()
        assert result.returncode == 1
        assert f"Port {up.scorer_port} is in use" in result.stderr
        assert f"`make up SCORER_PORT={up.scorer_port + 1}`" in result.stderr
        assert up.left_over() == []
