"""Running the reward engine's verbs for a job."""

import sys
from pathlib import Path
from typing import Any

from annotate.jobs.context import JobContext
from training.engine.common.atomic import write_json


def run_engine(context: JobContext, run: Path, verb: str, config: dict[str, Any], *, what: str) -> dict[str, Any]:
    """Start `python -m training.engine.reward VERB` with `config` in the run's directory; its result."""
    path = run / f"{verb}.json"
    write_json(path, config)
    return context.run_process([sys.executable, "-m", "training.engine.reward", verb, "--config", str(path)], what=what)
