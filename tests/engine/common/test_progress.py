from __future__ import annotations

import io
import json

from training.engine.common.progress import Reporter, TerminalReporter


def _events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_it_writes_one_json_object_a_line() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream)
    reporter.progress("train", 1, 2, message="ä\nb", metrics={"loss": float("inf")})
    reporter.log("hello", level="warning")
    reporter.result({"n": 1})
    reporter.error("diverged", "lower it")
    assert _events(stream) == [
        {
            "event": "progress",
            "stage": "train",
            "done": 1,
            "total": 2,
            "unit": "steps",
            "message": "ä\nb",
            "metrics": {"loss": None},
        },
        {"event": "log", "level": "warning", "message": "hello"},
        {"event": "result", "n": 1},
        {"event": "error", "code": "diverged", "message": "lower it"},
    ]


def test_it_limits_the_rate_but_keeps_first_last_and_forced_lines() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream, every_s=60)
    for done in range(1, 101):
        reporter.progress("train", done, 100, force=done == 50)
    reporter.progress("evaluate", 0, 10)
    assert [(event["stage"], event["done"]) for event in _events(stream)] == [
        ("train", 1),
        ("train", 50),
        ("train", 100),
        ("evaluate", 0),
    ]


def test_a_terminal_shows_a_bar_that_moves_and_lines_that_stay() -> None:
    stream = io.StringIO()
    reporter = TerminalReporter(stream, every_s=0)
    reporter.progress("train", 1, 4, message="loss 0.693")
    reporter.log("resumed at step 1")
    reporter.progress("train", 4, 4, message="loss 0.6")
    reporter.error("diverged", "the loss is nan")
    shown = [part.removeprefix("\x1b[2K") for part in stream.getvalue().split("\r") if part]
    assert shown[0].startswith("train     ██████░░░░░░░░░░░░░░░░░░  25%  1 of 4 steps  loss 0.693")
    assert shown[1] == "resumed at step 1\n"
    assert "100%" in shown[2] and shown[2].endswith("\n")
    assert shown[3] == "error: the loss is nan\n"
