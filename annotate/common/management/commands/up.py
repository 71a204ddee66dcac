"""`manage.py up`: all of Touchstone on this machine, in one terminal, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import environ
import psutil
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from annotate.common import local_servers, processes
from annotate.common.probe import answers
from annotate.common.supervisor import Child, Janitor, stop_all

# Every process that `up` starts, and all they start, carry this: whatever becomes of their parents, they are found.
MARK = "TOUCHSTONE_UP"
_READY_TIMEOUT_S = 180.0
_N_DEATHS_BEFORE_READY = 3


class Command(BaseCommand):
    help = "Run everything on this machine until Ctrl-C: servers, web, workers, beat and the scorer."
    requires_system_checks = []  # the workers check as they start; here it would only cost time

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT, help="of the web server (PORT)")
        parser.add_argument("--host", default="127.0.0.1", help="address the web server listens on")
        parser.add_argument("--reload", action="store_true", help="reload changed code, and serve frontend/ by Vite")
        parser.add_argument("--no-demo", action="store_true", help="make no demo project on the first run (DEMO=0)")

    def handle(self, *args: Any, **options: Any) -> None:
        self.env = environ.Env()
        self.var: Path = settings.VAR_DIR.absolute()
        self.started = time.monotonic()
        self.children: list[Child] = []
        self.retry_at: dict[str, float] = {}
        self.reloads: bool = options["reload"]
        self.host: str = options["host"]
        self.port: int = options["port"]
        self.public_url = self.env.str("PUBLIC_URL", "").rstrip("/") or f"http://127.0.0.1:{self.port}"
        self.owns_postgres = not self.env.str("DATABASE_URL", "")
        self.owns_redis = not self.env.str("REDIS_URL", "")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            with self._only_one():
                janitor = Janitor(self._sweep)
                try:
                    self._run(wants_demo=self.env.bool("DEMO", True) and not options["no_demo"])
                finally:
                    self._stop()
                    janitor.dismiss()
        except KeyboardInterrupt:
            pass
        except local_servers.LocalServerError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CommandError(f"The disk that holds {self.var} is full: free some space, run it again.") from None
            raise

    def _run(self, *, wants_demo: bool) -> None:
        processes.end_all(processes.with_environment(MARK, str(self.var)))  # of an `up` killed with its janitor
        self._check_ports()
        self._start_servers()
        self._migrate()
        if wants_demo:
            self._seed()
        self._collect_static()
        connection.close()
        self.children = self._describe_children()
        for child in self.children:
            child.start()
        self._wait_until_ready()
        self._say_ready()
        self._watch()

    # --- before -----------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        """Hold the lock of VAR_DIR. The kernel drops it with us and our janitor, so there is no stale lock."""
        self.var.mkdir(parents=True, exist_ok=True)
        try:
            lock: IO[str] = open(self.var / "up.lock", "a+")  # noqa: SIM115  # held until the end
        except PermissionError:
            raise CommandError(f"{self.var} belongs to another user: run it as that user, or set VAR_DIR.") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                who = lock.read().strip() or "another process"
                pid = re.match(r"pid (\d+)", who)
                if pid is None or processes.started_at(int(pid[1])) is not None:
                    raise CommandError(
                        f"Touchstone is already up here ({who}): use that one, stop it first, or set another VAR_DIR."
                    ) from None
                with self._step("The last `up` was killed, waiting for its processes to end"):
                    fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write(f"pid {os.getpid()}, {self.public_url}")
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    def _check_ports(self) -> None:
        _check_port(self.host, self.port, f"make up PORT={self.port + 1}")
        if self._scorer_port is not None:
            _check_port("127.0.0.1", self._scorer_port, f"make up SCORER_PORT={self._scorer_port + 1}")

    @property
    def _scorer_port(self) -> int | None:
        """Port of the scorer that we start, or None when SCORER_URL names one that others run."""
        port = self.env.int("SCORER_PORT", 8100)
        url = self.env.str("SCORER_URL", "").rstrip("/")
        return port if url in ("", f"http://127.0.0.1:{port}", f"http://localhost:{port}") else None

    def _start_servers(self) -> None:
        if self.owns_postgres:
            with self._step("Starting PostgreSQL"):
                local_servers.start_postgres(self.var)
        if self.owns_redis:
            with self._step("Starting Redis"):
                local_servers.start_redis(self.var)
        else:
            self._check_redis()

    def _check_redis(self) -> None:
        import redis

        try:
            redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5).ping()
        except redis.RedisError as error:
            where = _without_password(settings.REDIS_URL)
            raise CommandError(f"Redis at {where} (REDIS_URL) does not answer: {error}") from None

    def _migrate(self) -> None:
        try:
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except OperationalError as error:
            where = _without_password(self.env.str("DATABASE_URL", "")) or "our own PostgreSQL"
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"{where} (DATABASE_URL) does not answer: {reason}") from None
        if plan:
            with self._step(f"Applying {len(plan)} migrations"):
                call_command("migrate", interactive=False, verbosity=0)

    def _seed(self) -> None:
        """Make the demo on the first run, that is in a database without anybody; an interrupted one is taken up."""
        unfinished = self.var / "demo.unfinished"
        if not unfinished.exists() and get_user_model()._default_manager.exists():
            return
        unfinished.touch()
        self.stdout.write("Making the demo project (once; `DEMO=0` leaves it out):")
        self.stdout.flush()
        result = subprocess.run(
            [sys.executable, "manage.py", "demo", "seed"], cwd=settings.BASE_DIR, env=self._child_env()
        )
        if result.returncode == 0:
            unfinished.unlink()
        else:
            self.stderr.write("The demo could not be made; going on without it. `manage.py demo seed` tries again.")

    def _collect_static(self) -> None:
        """Copy and compress what changed since the last time; to see that nothing did takes a tenth of the time."""
        sources = hashlib.sha256()
        for finder in get_finders():
            for name, storage in finder.list([]):
                status = os.stat(storage.path(name))
                sources.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
        stamp = settings.STATIC_ROOT / ".collected"
        if stamp.exists() and stamp.read_text() == sources.hexdigest():
            return
        with self._step("Collecting static files"):
            call_command("collectstatic", interactive=False, clear=True, verbosity=0)
            stamp.write_text(sources.hexdigest())

    # --- children ---------------------------------------------------------------------------------------------------
    def _child_env(self) -> dict[str, str]:
        own = {MARK: str(self.var), "PORT": str(self.port), "PUBLIC_URL": self.public_url, "PYTHONUNBUFFERED": "1"}
        if self._scorer_port is not None:
            own |= {"SCORER_PORT": str(self._scorer_port), "SCORER_URL": f"http://127.0.0.1:{self._scorer_port}"}
        return {**os.environ, **own}

    def _describe_children(self) -> list[Child]:
        python, logs, env = sys.executable, self.var / "log", self._child_env()
        celery = [python, "-m", "celery", "-A", "annotate"]

        def child(name: str, command: list[str], **options: Any) -> Child:
            path = logs / f"{name.replace(' ', '-')}.log"
            return Child(name=name, command=command, log=path, env=env, cwd=settings.BASE_DIR, **options)

        def worker(queue: str, n_processes: int, patience_s: float) -> Child:
            command = [*celery, "worker", "-Q", queue, "-n", self._node(queue), "-c", str(n_processes)]
            command += ["--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", settings.LOG_LEVEL]
            # SIGTERM lets short tasks finish; SIGQUIT has a long one write its checkpoint and give its job back.
            steps = ((signal.SIGTERM, patience_s), (signal.SIGQUIT, 25.0))
            return child(f"worker {queue}", command, steps=steps, death_signal=signal.SIGQUIT)

        web = [python, "-m", "gunicorn", "annotate.wsgi", "--bind", f"{self.host}:{self.port}"]
        web += ["--reload" if self.reloads else "--preload"]
        web += ["--worker-class", "gthread", "--workers", str(self.env.int("WEB_WORKERS", 2))]
        web += ["--threads", str(self.env.int("WEB_THREADS", 8)), "--graceful-timeout", "8", "--no-control-socket"]
        beat = [*celery, "beat", "--pidfile=", "--loglevel", settings.LOG_LEVEL]
        children = [
            child("web", web),
            worker("default", min(2, os.cpu_count() or 1), 5.0),
            worker("gpu", 1, 2.0),
            child("beat", beat),
        ]
        if self._scorer_port is not None:
            scorer = [python, "-m", "training.engine.scoring", "serve", "--registry", _registry()]
            children.append(child("scorer", [*scorer, "--port", str(self._scorer_port)]))
        if self.reloads:
            children.append(child("vite", ["npm", "--prefix", "frontend", "run", "dev"]))
        return children

    def _node(self, queue: str) -> str:
        return f"{queue}@{socket.gethostname()}-{self.port}"

    def _wait_until_ready(self) -> None:
        """Wait until each child really answers; a child that keeps dying ends `up` with the end of its log."""
        own_url = f"http://{self._own_host}:{self.port}"
        as_host = urlsplit(self.public_url).netloc
        waiting: dict[str, Callable[[], bool]] = {
            "web": lambda: answers(f"{own_url}/readyz", as_host=as_host),
            "worker default": lambda: _pongs(self._node("default")),
            "worker gpu": lambda: _pongs(self._node("gpu")),
            "scorer": lambda: answers(f"http://127.0.0.1:{self._scorer_port}/healthz"),
            "beat": lambda: any("beat: Starting" in line for line in processes.last_lines(self._child("beat").log, 50)),
        }
        names = [child.name for child in self.children]
        waiting = {name: is_ready for name, is_ready in waiting.items() if name in names}
        deadline = time.monotonic() + _READY_TIMEOUT_S
        with self._step(f"Starting {', '.join(names)}"):
            while waiting:
                self._revive(give_up=True)
                waiting = {name: is_ready for name, is_ready in waiting.items() if not is_ready()}
                if time.monotonic() > deadline:
                    raise self._does_not_start(self._child(next(iter(waiting))))
                time.sleep(0.1)

    @property
    def _own_host(self) -> str:
        return "127.0.0.1" if self.host in ("0.0.0.0", "") else self.host  # noqa: S104  # compared, not bound

    def _child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    def _revive(self, *, give_up: bool = False) -> None:
        for child in self.children:
            if line := child.revive():
                if give_up and child.n_deaths >= _N_DEATHS_BEFORE_READY:
                    raise self._does_not_start(child)
                if not give_up:
                    self._say(line)

    @staticmethod
    def _does_not_start(child: Child) -> CommandError:
        lines = "\n".join(f"    {line}" for line in processes.last_lines(child.log))
        return CommandError(f"{child.name} does not start. The last lines of {child.log} say why:\n{lines}")

    def _watch(self) -> None:
        """Until a signal comes: start again what died, keep the logs small."""
        last_look = 0.0
        while True:
            self._revive()
            if time.monotonic() - last_look > 2.0:
                last_look = time.monotonic()
                self._look_after_servers()
                for child in self.children:
                    child.keep_log_small()
            time.sleep(0.3)

    def _look_after_servers(self) -> None:
        """Start again our servers that ended; one that does not start is tried every ten seconds, and said once."""
        for name, is_ours, pid, start in (
            ("PostgreSQL", self.owns_postgres, local_servers.postgres_pid, local_servers.start_postgres),
            ("Redis", self.owns_redis, local_servers.redis_pid, local_servers.start_redis),
        ):
            if not is_ours or time.monotonic() < self.retry_at.get(name, 0.0) or pid(self.var) is not None:
                continue
            try:
                start(self.var)
                self.retry_at.pop(name, None)
                self._say(f"{name} had ended and runs again; see {self.var / 'log'}")
            except local_servers.LocalServerError as error:
                if name not in self.retry_at:
                    self._say(str(error).splitlines()[0])
                self.retry_at[name] = time.monotonic() + 10.0

    # --- after ------------------------------------------------------------------------------------------------------
    def _stop(self) -> None:
        """Stop the children side by side, then the servers they use. A second Ctrl-C does not wait."""
        if self.children:
            self._say("stopping …")
        try:
            stop_all(self.children)
        except KeyboardInterrupt:
            stop_all(self.children, at_once=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # what follows takes a second and must be done
        connection.close()
        self._sweep()
        if self.children:
            self._say("stopped.")

    def _sweep(self) -> None:
        """End whatever carries our mark, then our servers. The janitor does it in our place if we are killed."""
        # A worker that gives its job back first waits for the checkpoint.
        processes.end_all(processes.with_environment(MARK, str(self.var)), grace_s=25.0)
        if self.owns_redis:
            local_servers.stop_redis(self.var)
        if self.owns_postgres:
            local_servers.stop_postgres(self.var)

    # --- what people read -------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self.stdout.write(f"{title} … ", ending="")
        self.stdout.flush()
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self.stdout.write("")
            raise
        self.stdout.write(f"{time.monotonic() - start:.1f} s")
        self.stdout.flush()

    def _say(self, line: str) -> None:
        self.stdout.write(f"{time.strftime('%H:%M:%S')} {line}")
        self.stdout.flush()

    def _say_ready(self) -> None:
        seconds = time.monotonic() - self.started
        lines = ["", f"Touchstone is up: {self.public_url}  (after {seconds:.1f} s)", ""]
        accounts = self._demo_accounts()
        if accounts:
            width = max(len(account["role"]) for account in accounts)
            lines += ["Sign in to the demo as"]
            lines += [f"  {a['role']:{width}}  {a['email']}  {a['password']}" for a in accounts]
            lines += [""]
        elif not get_user_model()._default_manager.exists():
            lines += ["Nobody can sign in yet: `manage.py createsuperuser` makes the first account.", ""]
        connection.close()
        lines += [f"Logs are in {self.var / 'log'}. Ctrl-C stops everything."]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    def _demo_accounts(self) -> list[dict[str, str]]:
        """Read the sign-ins that the demo wrote, as far as these accounts are still there."""
        try:
            accounts = json.loads((self.var / "demo.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return []
        emails = {account["email"] for account in accounts}
        there = set(get_user_model()._default_manager.filter(email__in=emails).values_list("email", flat=True))
        return [account for account in accounts if account["email"] in there]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check_port(host: str, port: int, instead: str) -> None:
    """Refuse a port that somebody listens on, by name where the system tells it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"Port {port} is in use{_listener(port)}: stop that, or choose another by `{instead}`."
                ) from None
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None


def _listener(port: int) -> str:
    try:
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid:
                return f" by {psutil.Process(found.pid).name()} (pid {found.pid})"
    except psutil.Error:
        pass
    return ""


def _pongs(node: str) -> bool:
    from kombu.exceptions import OperationalError as BrokerError

    from annotate.celery import app

    try:
        return bool(app.control.inspect(destination=[node], timeout=0.5, limit=1).ping())
    except (BrokerError, OSError):
        return False


def _registry() -> str:
    """Where promotion writes what the scorer serves: a path for artifacts on this machine, else their URL."""
    parts = urlsplit(settings.ARTIFACTS_URL)
    root = unquote(parts.path) if parts.scheme == "file" else settings.ARTIFACTS_URL
    return f"{root.rstrip('/')}/scorer/registry.json"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":…@") if parts.password else url
