"""PostgreSQL, Redis and the web server exactly as `manage.py up` runs them, in a directory of their own.

For what would disturb the servers that all tests share (killing them) or needs them as in production (measuring them).
Needs no Django settings of its own: the processes are driven through HTTP and SQL.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import environ
import psutil
import psycopg

from annotate.common import local_servers, processes
from annotate.common.probe import answers
from annotate.common.supervisor import Child
from tests.environment import REPOSITORY, free_port


class Stand:
    """Use as a context manager: it starts the servers, migrates and serves; afterwards nothing is left.

    `var` is the VAR_DIR to use, and to remove at the end; without one it makes its own.
    """

    def __init__(self, var: Path | None = None) -> None:
        self.var = var or Path(tempfile.mkdtemp(prefix="touchstone-stand-"))
        self.var.chmod(0o755)  # as root the servers run as somebody else, who must be able to walk here
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = local_servers.database_url(self.var)
        self.environment = {
            **os.environ,
            "VAR_DIR": str(self.var),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": local_servers.redis_url(self.var),
            "ARTIFACTS_URL": f"file://{self.var / 'artifacts'}",
            "CSRF_TRUSTED_ORIGINS": self.url,
            "PORT": str(self.port),
            "PUBLIC_URL": self.url,
        }
        self.web = self._web()

    def _web(self) -> Child:
        """The child that `up` would start under the name web: the same class, command and number of processes."""
        from annotate.common.management.commands import up

        command = up.Command()
        command.env, command.var, command.reloads = environ.Env(), self.var, False
        command.host, command.port, command.public_url = "127.0.0.1", self.port, self.url
        web = next(child for child in command._describe_children() if child.name == "web")
        web.env = {**web.env, **self.environment}
        return web

    def __enter__(self) -> "Stand":
        try:
            self.start_postgres()
            self.start_redis()
            self.manage("migrate", "--verbosity", "0")
            self.manage("collectstatic", "--no-input", "--verbosity", "0")
            self.start_web()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.web.stop(at_once=True)
        local_servers.stop_redis(self.var)
        local_servers.stop_postgres(self.var)
        shutil.rmtree(self.var, ignore_errors=True)

    # --- start ------------------------------------------------------------------------------------------------------
    def start_postgres(self) -> None:
        """Durable, as in production: what is measured or killed here has really been written."""
        local_servers.start_postgres(self.var, until_parent_ends=True)

    def start_redis(self) -> None:
        local_servers.start_redis(self.var, until_parent_ends=True)

    def start_web(self) -> None:
        self.web.start()
        host = self.url.removeprefix("http://")
        if not processes.wait_until(lambda: answers(f"{self.url}/readyz", as_host=host), 60.0, 0.1):
            raise RuntimeError("The web server does not answer.\n" + "\n".join(processes.last_lines(self.web.log, 30)))

    def manage(self, *arguments: str) -> None:
        self.run("manage.py", *arguments)

    def run(self, *arguments: str) -> str:
        """Run Python in the stand's environment and return what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments], cwd=REPOSITORY, env=self.environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout[-3000:]}{done.stderr[-5000:]}")
        return done.stdout

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.database_url, autocommit=True)

    # --- kill -------------------------------------------------------------------------------------------------------
    def web_workers(self) -> list[int]:
        """The processes that serve requests."""
        return _children(self.web.pid)

    def kill_web(self) -> list[int]:
        """`kill -9` the web server's master and its workers, at once; returns who they were."""
        return _kill([self.web.pid, *self.web_workers()])

    def kill_postgres(self) -> list[int]:
        """`kill -9` the postmaster and every process it has made, at once; returns who they were."""
        pid = local_servers.postgres_pid(self.var)
        return _kill([pid, *_children(pid)])

    def kill_redis(self) -> list[int]:
        return _kill([local_servers.redis_pid(self.var)])


def _children(pid: int | None) -> list[int]:
    assert pid is not None
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _kill(pids: list[int | None]) -> list[int]:
    killed = [pid for pid in pids if pid is not None]
    assert killed, "there is nothing to kill"
    for pid in killed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # ended with the one before it
            continue
    # A signal returns before its process is gone, and a server that is still there would be taken for one that runs.
    if not processes.wait_until(lambda: not any(map(processes.started_at, killed)), 30.0):
        raise RuntimeError("What was killed is still there.")
    return killed
