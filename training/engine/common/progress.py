"""Progress of an engine command as JSON lines on stdout, the only thing it prints there."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from typing import Any, TextIO


class Reporter:
    """Writes one JSON object a line: progress, log, result and error events.

    Progress is limited to one line per `every_s` seconds and stage, except for the first, the last and forced ones,
    so that a fast loop cannot flood whoever follows. Numbers that are no JSON (NaN, infinities) are written as null.
    """

    def __init__(self, stream: TextIO | None = None, *, every_s: float = 0.5) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._every_s = every_s
        self._last: dict[str, float] = {}

    def progress(
        self,
        stage: str,
        done: int,
        total: int | None,
        *,
        unit: str = "steps",
        message: str = "",
        metrics: dict[str, float] | None = None,
        force: bool = False,
    ) -> None:
        """Say how far `stage` is: `done` of `total` (None when unknown) in `unit`, with metrics for programs."""
        now = time.monotonic()
        is_edge = stage not in self._last or done == total
        if not (force or is_edge) and now - self._last[stage] < self._every_s:
            return
        self._last[stage] = now
        self._write(
            {
                "event": "progress",
                "stage": stage,
                "done": done,
                "total": total,
                "unit": unit,
                "message": message,
                "metrics": metrics or {},
            }
        )

    def log(self, message: str, *, level: str = "info") -> None:
        """A line for the job's log; `level` is debug, info, warning or error."""
        self._write({"event": "log", "level": level, "message": message})

    def event(self, name: str, **values: Any) -> None:
        """Something else that whoever follows this command knows of."""
        self._write({"event": name, **values})

    def result(self, values: dict[str, Any]) -> None:
        """The last line of a command that succeeded."""
        self._write({"event": "result", **values})

    def error(self, code: str, message: str) -> None:
        """The last line of a command that failed."""
        self._write({"event": "error", "code": code, "message": message})

    def _write(self, event: dict[str, Any]) -> None:
        self._stream.write(json.dumps(_finite(event), ensure_ascii=False, allow_nan=False) + "\n")
        self._stream.flush()


class TerminalReporter(Reporter):
    """The same for a person at a terminal: one bar that moves, and a line for everything else."""

    WIDTH = 24

    def _write(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            done, total = event["done"], event["total"]
            share = min(1.0, done / total) if total else 0.0
            filled = round(share * self.WIDTH)
            bar = "█" * filled + "░" * (self.WIDTH - filled)
            of_all = f"{done:,} of {total:,}" if total else f"{done:,}"
            self._show(f"{event['stage']:9} {bar} {share:4.0%}  {of_all} {event['unit']}  {event['message']}")
            if total and done >= total:
                self._stream.write("\n")
        elif event["event"] == "log":
            self._line(event["message"])
        elif event["event"] == "error":
            self._line(f"error: {event['message']}")
        else:
            self._line("\n".join(f"{name}: {value}" for name, value in event.items() if name != "event"))
        self._stream.flush()

    def _line(self, text: str) -> None:
        self._show("")
        self._stream.write(text + "\n")

    def _show(self, text: str) -> None:
        columns = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[2K" + text[: columns - 1])


class Pace:
    """Rate and remaining time of a loop, measured from this process's start so that a resumed run does not boast."""

    def __init__(self, *, done: int = 0) -> None:
        self._from = done
        self._started = time.monotonic()

    def rate(self, done: int) -> float:
        """Units per second since the loop (re)started; 0 before anything was done."""
        elapsed = time.monotonic() - self._started
        return (done - self._from) / elapsed if elapsed > 0 else 0.0

    def eta(self, done: int, total: int) -> str:
        """Remaining time as people write it: "41 s", "3 min", "2 h 5 min"; "unknown" before the first unit."""
        rate = self.rate(done)
        if rate <= 0:
            return "unknown"
        left = (total - done) / rate
        if left < 90:
            return f"{left:.0f} s"
        if left < 5400:
            return f"{left / 60:.0f} min"
        return f"{int(left // 3600)} h {int(left % 3600 // 60)} min"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
