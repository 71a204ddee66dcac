"""A long-running child process with its log: started, watched, started again when it dies, stopped with all it made."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotate.common import processes

LOG_LIMIT_BYTES = 20 * 1024 * 1024
_STEADY_AFTER_S = 60.0  # a child that has run this long has recovered: its next death waits briefly again
_LONGEST_PAUSE_S = 60.0


@dataclass
class Child:
    """A command in a session of its own, with stdout and stderr appended to `log`.

    `steps` are the signals that ask it to end, each with the seconds it is given; what is left of its process group
    is then ended by force. `death_signal` is what the kernel sends it should we end without stopping it.
    """

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    steps: tuple[tuple[int, float], ...] = ((signal.SIGTERM, 10.0),)
    death_signal: int = signal.SIGTERM
    n_deaths: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _started: float = 0.0
    _start_again: float = 0.0
    _is_asked: bool = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        """Exit status of the last run, negative for a signal; None while it runs or before its first start."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, first ending what a run before it may have left in its process group."""
        if self._process is not None:
            processes.end_group(self._process.pid)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.cwd,
                env={**os.environ, **self.env},
                start_new_session=True,
                preexec_fn=processes.die_with_parent(self.death_signal),
            )
        self._started = time.monotonic()
        self._is_asked = False

    def revive(self) -> str | None:
        """Start it again if it died and its pause is over; return one line for people when it was found dead.

        The pause doubles from 1 s to a minute while it keeps dying, so that a broken child does not eat the machine.
        """
        if self.is_running or self._process is None:
            return None
        if self._start_again:
            if time.monotonic() >= self._start_again:
                self._start_again = 0.0
                self.start()
            return None
        self.n_deaths = 1 if time.monotonic() - self._started > _STEADY_AFTER_S else self.n_deaths + 1
        pause_s = min(2.0 ** (self.n_deaths - 1), _LONGEST_PAUSE_S)
        self._start_again = time.monotonic() + pause_s
        return f"{self.name} {_ending(self._process.returncode)}, starting again in {pause_s:.0f} s; see {self.log}"

    def ask_to_stop(self) -> None:
        """Send the first of the stop signals and return at once, so that several children can end side by side."""
        if self._process is not None and self.is_running and not self._is_asked:
            self._is_asked = True
            self._process.send_signal(self.steps[0][0])

    def stop(self, *, at_once: bool = False) -> None:
        """End it and everything in its process group, by `steps` or by SIGKILL `at_once`."""
        if self._process is None:
            return
        if not at_once:
            self.ask_to_stop()
        for number, (signal_number, patience_s) in enumerate(() if at_once else self.steps):
            if number and self.is_running:
                self._process.send_signal(signal_number)
            try:
                self._process.wait(patience_s)
                break
            except subprocess.TimeoutExpired:
                continue
        if self.is_running:
            processes.signal_group(self._process.pid, signal.SIGKILL)
        processes.end_group(self._process.pid)
        self._process.wait()

    def keep_log_small(self) -> None:
        """Set a log that has grown large aside and begin again; the child goes on writing to the same, emptied file."""
        try:
            if self.log.stat().st_size > LOG_LIMIT_BYTES:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)
        except FileNotFoundError:
            pass


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def stop_all(children: Sequence[Child], *, at_once: bool = False) -> None:
    """Stop several children side by side."""
    if not at_once:
        for child in children:
            child.ask_to_stop()
    for child in children:
        child.stop(at_once=at_once)


class Janitor:
    """A forked copy of this process that runs `clean` if we end without `dismiss`, even by SIGKILL.

    Fork it early, before threads and connections. It shares what we hold by then, such as file locks, until it is done.
    """

    def __init__(self, clean: Callable[[], None]) -> None:
        reading, self._writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            os.close(reading)
            return
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.close(self._writing)
            if os.read(reading, 1) == b"":  # the pipe closed without a word: nobody is left to write one
                clean()
        finally:
            os._exit(0)

    def dismiss(self) -> None:
        """Let it go without cleaning, and wait for its end."""
        os.write(self._writing, b"x")
        os.close(self._writing)
        os.waitpid(self.pid, 0)
