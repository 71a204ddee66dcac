"""Child processes that can be found again, stopped for certain, and that do not outlive the process that wants them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may take a lock, and importing or dlopen would.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signal_number: int) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send `signal_number` to the child when the starting thread ends.

    Linux only; elsewhere it does nothing and a leftover is found by its record. Start the child from a thread that
    lives as long as the process, as the kernel counts threads, not processes.
    """
    parent = os.getpid()

    def set_death_signal() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
            if os.getppid() != parent:  # it ended between fork and here
                os._exit(1)

    return set_death_signal


def started_at(pid: int) -> float | None:
    """Return when process `pid` started (seconds since 1970), or None if there is none or only its zombie.

    A pid together with this time names one process for good: pids are given again, pairs are not.
    """
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def is_same_process(pid: int, recorded_start: float) -> bool:
    """Whether `pid` is still the process that started at `recorded_start` (within clock rounding, 2 s)."""
    start = started_at(pid)
    return start is not None and abs(start - recorded_start) < 2.0


def wait_until(condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.02) -> bool:
    """Ask `condition` until it holds (True) or `timeout_s` have passed (False)."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)
    return True


def group_members(group: int) -> list[int]:
    """Return the pids of the living processes in process group `group`."""
    members = []
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == group and started_at(pid) is not None:
                members.append(pid)
        except (ProcessLookupError, PermissionError):
            continue
    return members


def signal_group(group: int, signal_number: int) -> None:
    """Send a signal to every process of a group; a group that is gone is no error."""
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):
        pass


def end_group(group: int, grace_s: float = 3.0) -> None:
    """End every process of a group: SIGTERM, then SIGKILL for what is left after `grace_s`."""
    if not group_members(group):
        return
    signal_group(group, signal.SIGTERM)
    if not wait_until(lambda: not group_members(group), grace_s, 0.05):
        signal_group(group, signal.SIGKILL)
        wait_until(lambda: not group_members(group), 5.0, 0.05)


def with_environment(name: str, value: str) -> list[int]:
    """Return the pids of processes that were started with `name`=`value`, as far as we may look; never our own."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(name) == value and started_at(process.pid):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def end_all(pids: list[int], grace_s: float = 5.0) -> None:
    """End these processes: SIGTERM, then SIGKILL for what is left after `grace_s`."""
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    for process in left:
        _quietly(process.terminate)
    for process in psutil.wait_procs(left, timeout=grace_s)[1]:
        _quietly(process.kill)
    psutil.wait_procs(left, timeout=grace_s)


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except psutil.Error:
        pass


def last_lines(path: Path, n: int = 8) -> list[str]:
    """Return the last `n` lines that are not blank of a log that may be large, or none if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-n:]
