"""Processes around a test: Celery workers, the web server, the scorer and a browser, each the real one."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.conf import settings
from django.core.management import call_command

from annotate.common import processes
from annotate.common.probe import answers
from annotate.common.supervisor import Child, stop_all
from tests import environment

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def test_database_environment() -> dict[str, str]:
    """Return the variables with which another process sees the rows of this test."""
    database = settings.DATABASES["default"]
    host = database["OPTIONS"]["host"]
    return {"DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={quote(host)}"}


test_database_environment.__test__ = False  # type: ignore[attr-defined]  # pytest takes the name for a test's


class _Processes:
    """Children that start once, live through many tests, and start again if a test has killed them."""

    def __init__(self, *children: Child) -> None:
        self.children = children

    def _start(self, what: str, is_ready: Callable[[], bool]) -> None:
        """Start what does not run and wait until `is_ready`; fail the test with the logs if it does not get there."""
        for child in self.children:
            if not child.is_running:
                child.start()

        def is_dead() -> bool:
            return not all(child.is_running for child in self.children)

        if not processes.wait_until(lambda: is_dead() or is_ready(), 90.0, 0.1) or is_dead():
            ends = ["\n".join([f"--- {child.log}", *processes.last_lines(child.log, 30)]) for child in self.children]
            pytest.fail(f"{' and '.join(child.name for child in self.children)} did not {what}.\n" + "\n".join(ends))

    def logs(self) -> list[Callable[[], tuple[str, str]]]:
        """Return readers of what each child writes to its log from now on."""

        def reader(child: Child) -> Callable[[], tuple[str, str]]:
            start = child.log.stat().st_size if child.log.exists() else 0

            def read() -> tuple[str, str]:
                with child.log.open("rb") as file:
                    file.seek(start)
                    return child.name, file.read()[-20_000:].decode("utf-8", "replace")

            return read

        return [reader(child) for child in self.children]

    def stop(self) -> None:
        stop_all(self.children)


class CeleryWorkers(_Processes):
    """A worker for each queue, started as in production (prefork), one process each."""

    QUEUES = ("default", "gpu")

    def __init__(self) -> None:
        logs = Path(os.environ["VAR_DIR"]) / "log"
        super().__init__(
            *(
                Child(
                    name=f"worker {queue}",
                    command=[
                        *(sys.executable, "-m", "celery", "-A", "annotate", "worker", "--pool", "prefork"),
                        *("-Q", queue, "-c", "1", "-n", self._node(queue), "--without-gossip", "--without-mingle"),
                        *("--loglevel", "INFO"),
                    ],
                    log=logs / f"worker-{queue}.log",
                    env=test_database_environment(),
                    cwd=environment.REPOSITORY,
                    steps=((signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0)),
                    death_signal=signal.SIGQUIT,
                )
                for queue in self.QUEUES
            )
        )

    @staticmethod
    def _node(queue: str) -> str:
        return f"{queue}@touchstone-test"

    def ensure_ready(self) -> None:
        """Have both workers answer a ping, with nothing in the queues that an earlier test has left."""
        self.purge()
        self._start("answer a ping", lambda: len(self.ping()) == len(self.QUEUES))
        self._listen(True)

    def _listen(self, is_on: bool) -> None:
        """Have the workers take messages, or leave them: a test without workers must not find its jobs taken."""
        from annotate.celery import app

        change = app.control.add_consumer if is_on else app.control.cancel_consumer
        for queue in self.QUEUES:
            if self.child(queue).is_running:
                change(queue, destination=[self._node(queue)], reply=True, timeout=2.0, limit=1)

    def ping(self) -> list[str]:
        """Return the node names of the workers that answer."""
        from annotate.celery import app

        nodes = [self._node(queue) for queue in self.QUEUES]
        replies = app.control.inspect(destination=nodes, timeout=1.0, limit=len(nodes)).ping() or {}
        return sorted(replies)

    def child(self, queue: str) -> Child:
        """Return the worker of a queue: `.pid`, `.is_running`, `.start()`, `.stop()`, `.log`."""
        return self.children[self.QUEUES.index(queue)]

    def kill(self, queue: str) -> None:
        """`kill -9` the worker of a queue with its pool, as the out-of-memory killer or a lost machine would."""
        child = self.child(queue)
        assert child.pid is not None
        processes.signal_group(child.pid, signal.SIGKILL)
        assert processes.wait_until(lambda: not child.is_running, 10.0)

    def purge(self) -> None:
        """Empty the queues, with what was delivered and not acknowledged."""
        environment.redis_client().delete(*self.QUEUES, "unacked", "unacked_index", "unacked_mutex")

    def active(self) -> int | None:
        """Return how many tasks run or are reserved now; None if a living worker does not answer."""
        from annotate.celery import app

        alive = [self._node(queue) for queue in self.QUEUES if self.child(queue).is_running]
        if not alive:
            return 0
        inspect = app.control.inspect(destination=alive, timeout=2.0, limit=len(alive))
        replies = [inspect.active() or {}, inspect.reserved() or {}]
        if any(len(reply) < len(alive) for reply in replies):
            return None
        return sum(len(tasks) for reply in replies for tasks in reply.values())

    def settle(self, patience_s: float = 20.0) -> None:
        """Empty the queues and wait for running tasks, so that none of them meets the removal of the test's rows."""
        self.purge()
        if processes.wait_until(lambda: self.active() == 0, patience_s, 0.1):
            self._listen(False)
        else:
            stop_all(self.children, at_once=True)


class Web(_Processes):
    """gunicorn, as in production, with one worker process."""

    def __init__(self) -> None:
        self.url = os.environ["PUBLIC_URL"]
        super().__init__(
            Child(
                name="web",
                command=[
                    *(sys.executable, "-m", "gunicorn", "annotate.wsgi", "--bind", f"127.0.0.1:{os.environ['PORT']}"),
                    *("--worker-class", "gthread", "--workers", "1", "--threads", "4", "--graceful-timeout", "5"),
                    "--no-control-socket",
                ],
                log=Path(os.environ["VAR_DIR"]) / "log" / "web.log",
                env=test_database_environment(),
                cwd=environment.REPOSITORY,
            )
        )

    def ensure_ready(self) -> None:
        if not Path(settings.STATIC_ROOT).exists():  # read once, as the server starts
            call_command("collectstatic", interactive=False, verbosity=0)
        self._start("answer /readyz", lambda: answers(f"{self.url}/readyz"))


class Scorer(_Processes):
    """The scorer on CPU, following the registry in the artifacts of this run."""

    def __init__(self) -> None:
        self.url = os.environ["SCORER_URL"]
        self.registry = Path(os.environ["VAR_DIR"]) / "artifacts" / "scorer" / "registry.json"
        super().__init__(
            Child(
                name="scorer",
                command=[
                    *(sys.executable, "-m", "training.engine.scoring", "serve", "--registry", str(self.registry)),
                    *("--port", os.environ["SCORER_PORT"]),
                ],
                log=Path(os.environ["VAR_DIR"]) / "log" / "scorer.log",
                cwd=environment.REPOSITORY,
            )
        )

    def ensure_ready(self) -> None:
        """It answers, and serves nothing: a test before this one may have left a list, or a model that goes on."""
        self.registry.parent.mkdir(parents=True, exist_ok=True)
        self.registry.write_text('{"models": []}')
        self._start("answer /healthz", lambda: answers(f"{self.url}/healthz"))
        if not processes.wait_until(lambda: self._served() == [], 30.0, 0.1):
            pytest.fail(f"The scorer still serves {self._served()}.")

    def _served(self) -> list[str] | None:
        """name@version of what it serves; None where it does not say."""
        try:
            found: list[str] = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).json()["models"]
        except (httpx.HTTPError, ValueError, KeyError):
            return None
        return found


@contextlib.contextmanager
def open_page() -> Iterator[Any]:
    """Yield a page of a new, empty browser; what the page's console says goes to the test's captured output."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing: `apt-get install chromium`, then run the tests again.")
    from playwright.sync_api import expect, sync_playwright

    # What a busy machine needs; what comes sooner is not waited for.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_FLAGS, headless=True)
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
        context.set_default_timeout(30_000)
        page = context.new_page()
        started = time.monotonic()
        page.on("console", lambda message: print(f"[{time.monotonic() - started:6.2f}] {message.type}: {message.text}"))
        page.on("pageerror", lambda error: print(f"[{time.monotonic() - started:6.2f}] uncaught: {error}"))
        try:
            yield page
        finally:
            context.close()
            browser.close()
