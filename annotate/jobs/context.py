"""What a handler holds while it works: progress, log, cancel, checkpoint, and child processes that speak JSON lines."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection

from annotate.common.processes import die_with_parent, end_group
from annotate.jobs import services
from annotate.jobs.models import Job

logger = logging.getLogger(__name__)

CHILD_GRACE_S = 20.0


class JobCancelled(Exception):
    """Somebody asked for the job to stop."""


class ClaimLost(Exception):
    """Another worker has the job now: stop without touching it."""


class ShuttingDown(Exception):
    """This worker is being stopped: give the job back."""


class JobFailed(Exception):
    """The job cannot succeed, with a stable code and a message that says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class JobContext:
    """Progress is written at most every half second; a thread keeps the heartbeat while the handler computes."""

    WRITE_EVERY_S = 0.5

    def __init__(self, job: Job) -> None:
        self.job = job
        self._pending: dict[str, Any] = {}
        self._written_at = 0.0
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._cancel = threading.Event()
        self._shutdown = threading.Event()

    # --- life of the claim --------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Keep the heartbeat from a thread of its own until the block ends."""
        thread = threading.Thread(target=self._beat, name=f"heartbeat-{self.job.pk}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=10)

    def _beat(self) -> None:
        try:
            while not self._stop.wait(settings.JOB_HEARTBEAT_S):
                try:
                    close_old_connections()
                    if not services.heartbeat(job=self.job):
                        self._lost.set()
                        return
                    if services.is_cancel_requested(job=self.job):
                        self._cancel.set()
                except Exception:  # a database that is away for a moment must not end the heartbeat
                    logger.warning("heartbeat of job %s failed", self.job.pk, exc_info=True)
        finally:
            connection.close()

    def shut_down(self) -> None:
        """The worker was told to stop (SIGTERM): the handler leaves at its next `check`."""
        self._shutdown.set()

    def check(self) -> None:
        """Raise when the handler has to stop. Call it often; it costs nothing."""
        if self._lost.is_set():
            raise ClaimLost
        if self._cancel.is_set():
            raise JobCancelled
        if self._shutdown.is_set():
            raise ShuttingDown

    # --- what people see ----------------------------------------------------------------------------------------
    def progress(self, done: int | None = None, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        """Say how far the work is: `done` of `total` `unit`s. Also the place where a cancel takes effect."""
        self.check()
        if done is not None:
            self._pending["done"] = done if total is None else min(done, total)
            self._pending["total"] = total
        if unit:
            self._pending["unit"] = unit[:20]
        if message:
            self._pending["message"] = message[:300]
        if time.monotonic() - self._written_at >= self.WRITE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        if self._pending:
            if not services.heartbeat(job=self.job, **self._pending):
                raise ClaimLost
            if services.is_cancel_requested(job=self.job):
                self._cancel.set()
            self._pending = {}
        self._written_at = time.monotonic()

    def log(self, message: str, level: str = "info") -> None:
        services.log(job=self.job, message=message, level=level)

    # --- resume -------------------------------------------------------------------------------------------------
    @property
    def checkpoint(self) -> dict[str, Any]:
        return self.job.checkpoint

    def save_checkpoint(self, **state: Any) -> None:
        """Remember where to go on. Written at once, and only while the claim holds."""
        self.job.checkpoint = {**self.job.checkpoint, **state}
        if not services.heartbeat(job=self.job, checkpoint=self.job.checkpoint):
            raise ClaimLost

    # --- child processes ----------------------------------------------------------------------------------------
    def run_process(
        self,
        command: list[str],
        *,
        what: str,
        env: dict[str, str] | None = None,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Run a command that reports as JSON lines (see `training.engine.common.progress`); return its result event.

        `on_event` is given each event too, in its order: for kinds of events that only the caller knows, and to do a
        little between two of them. What it raises ends the child.

        The child gets its own process group; a cancel sends SIGTERM, waits for its checkpoint, then SIGKILL. Raises
        JobFailed with the child's own code and message, or with the end of its stderr when it died without a word.
        """
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            start_new_session=True,
            # A worker that is killed outright takes its child along: two trainers must never write one directory.
            preexec_fn=die_with_parent(signal.SIGTERM),
            cwd=settings.BASE_DIR,
        )
        assert child.stdout is not None and child.stderr is not None
        errors: deque[str] = deque(maxlen=40)
        events: deque[dict[str, Any]] = deque()
        readers = [
            threading.Thread(target=lambda: errors.extend(child.stderr or []), daemon=True),
            threading.Thread(target=self._read_events, args=(child.stdout, events, errors), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            result, failure = self._follow(child, events, readers, on_event)
        except BaseException:
            # TERM first: the child may write a checkpoint before it goes.
            end_group(child.pid, CHILD_GRACE_S)
            child.wait()
            raise
        if failure is not None:
            raise JobFailed(failure.get("code", "engine_error"), failure.get("message", f"{what} failed."))
        if child.returncode != 0 or result is None:
            for line in errors:
                self.log(line.rstrip(), level="error")
            tail = " ".join(line.strip() for line in list(errors)[-3:]) or "it said nothing"
            raise JobFailed("engine_died", f"{what} ended with status {child.returncode}: {tail}")
        return result

    @staticmethod
    def _read_events(stream: Any, events: deque[dict[str, Any]], errors: deque[str]) -> None:
        for line in stream:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                event = None
            if isinstance(event, dict) and "event" in event:
                events.append(event)
            else:
                errors.append(line)

    def _follow(
        self,
        child: subprocess.Popen,
        events: deque[dict[str, Any]],
        readers: list[threading.Thread],
        on_event: Callable[[dict[str, Any]], None] | None,
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        result = failure = None
        while True:
            is_over = child.poll() is not None
            if is_over:
                for reader in readers:
                    reader.join(timeout=10)
            while events:
                event = events.popleft()
                if event["event"] == "progress":
                    self.progress(
                        event.get("done"),
                        event.get("total"),
                        unit=event.get("unit", ""),
                        message=event.get("message", ""),
                    )
                elif event["event"] == "log":
                    self.log(str(event.get("message", "")), level=str(event.get("level", "info")))
                elif event["event"] == "result":
                    result = event
                elif event["event"] == "error":
                    failure = event
                if on_event is not None:
                    on_event(event)
            self.check()
            if is_over:
                self.flush()
                return result, failure
            time.sleep(0.1)


class PartContext(JobContext):
    """A part's view of its job: it reports 0 to `total` of its own work, people see `start` to `end` of `whole_total`
    `unit`s of all that the job does. Everything else is the whole job's: its claim, its log, its cancel.
    """

    def __init__(self, whole: JobContext, label: str, *, start: int, end: int, whole_total: int, unit: str) -> None:
        self.whole = whole
        self.job = whole.job
        self.label = label
        self.start, self.end = start, end
        self.whole_total, self.unit = whole_total, unit
        self._reached = start

    def check(self) -> None:
        self.whole.check()

    def flush(self) -> None:
        self.whole.flush()

    def progress(self, done: int | None = None, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        """Never goes back: an engine that counts tokens, then steps, does not make the bar jump."""
        if done is not None and total:
            reached = self.start + (self.end - self.start) * min(done, total) // total
            self._reached = max(self._reached, reached)
        text = f"{self.label}: {message}" if message else ""
        self.whole.progress(self._reached, self.whole_total, unit=self.unit, message=text)

    def show(self, reached: int) -> None:
        """Say at once that the part is there, in its own name."""
        self.whole.progress(reached, self.whole_total, unit=self.unit, message=self.label)
