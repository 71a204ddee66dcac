"""The command line of every engine part: verbs with one `--config`, errors as events, SIGTERM as a clean stop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from training.engine.common.config import load_config
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.progress import Reporter, TerminalReporter
from training.engine.common.quiet import quiet_transformers

EXIT_STOPPED = 143  # 128 + SIGTERM, what a shell reports for a process that honoured it
# Of several processes, what one that failed leaves the first to tell why, before the launcher ends them all.
TELL_S = 5.0


class StopFlag:
    """Set by SIGTERM or SIGINT; long loops look at it between steps, write a checkpoint and raise StopRequested."""

    def __init__(self) -> None:
        self.is_set = False

    def install(self) -> None:
        """Catch SIGTERM and SIGINT from now on (main thread only)."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.is_set = True


@dataclass(frozen=True)
class Verb:
    """One verb of a part: its config class and the function (config, reporter, stop) -> result values."""

    config_class: type[Any]
    run: Callable[[Any, Reporter, StopFlag], dict[str, Any]]
    help: str


def main(part: str, verbs: Mapping[str, Verb], argv: list[str] | None = None) -> int:
    """Parse `VERB --config FILE`, run it, return the exit status: 0 done, 1 error, 143 stopped with a checkpoint."""
    parser = argparse.ArgumentParser(prog=f"python -m training.engine.{part}")
    commands = parser.add_subparsers(dest="verb", required=True)
    for name, verb in verbs.items():
        command = commands.add_parser(name, help=verb.help)
        command.add_argument("--config", required=True, type=Path, help="JSON file with the fields of the config class")
    arguments = parser.parse_args(argv)
    verb = verbs[arguments.verb]
    is_first = os.environ.get("RANK", "0") == "0"
    if not is_first:
        reporter = Reporter(sys.stderr)  # of several processes that train together, the first one tells
    else:
        reporter = TerminalReporter() if sys.stdout.isatty() else Reporter()
    stop = StopFlag()
    stop.install()
    # Tokenizers are called from one thread; their own pool only warns about forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    quiet_transformers()
    try:
        config = load_config(verb.config_class, arguments.config)
        reporter.result(verb.run(config, reporter, stop))
    except StopRequested:
        reporter.log("stopped on request; a checkpoint was written, run the same command again to continue")
        return EXIT_STOPPED
    except EngineError as error:
        reporter.error(error.code, error.message)
        if not is_first:
            time.sleep(TELL_S)
        return 1
    except Exception as error:  # the boundary of the process: the parent must always get an event
        for line in traceback.format_exc().rstrip().splitlines():
            reporter.log(line, level="error")
        reporter.error("crashed", f"{type(error).__name__}: {error}")
        return 1
    return 0


def run_main(part: str, verbs: Mapping[str, Verb]) -> None:
    """`main` for a `__main__` module."""
    sys.exit(main(part, verbs))
