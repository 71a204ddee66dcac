"""A run of a judge, for its job: questions to a file, the engine, its judgements into the database."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from annotate.jobs.context import ClaimLost, JobContext
from training import artifacts
from training.engine.common.atomic import write_json, write_rows
from training.engine.common.rows import read_rows
from training.judges.models import JudgeRun
from training.judges.selectors import questions
from training.judges.services import endpoint_of, finish_run, store_judgements, update_report


def run_judge(*, run: JudgeRun, context: JobContext) -> JudgeRun:
    """Judge in the engine and store what comes out. A finished run is left as it is.

    Questions are written once for a run, so that one that was cut short goes on with the same ones from the engine's
    parts. What was judged until a run is cancelled or fails is kept: it was paid for.
    """
    run.refresh_from_db()
    if run.finished_at is not None:
        return run
    directory = artifacts.run_directory(context.job.pk, f"judge-{run.number}")
    asked, out = directory / "comparisons.jsonl", directory / "out"
    if not asked.exists():
        n_asked = write_rows(asked, questions(run), told=lambda n: context.progress(message=f"{n} questions written"))
        context.log(f"{n_asked} judgements to make: each is asked in both orders.")
    if asked.stat().st_size == 0:
        return finish_run(run=run, counts=_counts({"n_asked": 0}))
    write_json(directory / "judge.json", _config(run) | {"comparisons": str(asked), "out_dir": str(out)})
    command = [sys.executable, "-m", "training.engine.judging", "judge", "--config", str(directory / "judge.json")]
    try:
        result = context.run_process(command, what=f"Judging by {run.judge}")
    except ClaimLost:
        raise
    except BaseException:
        store_judgements(run=run, judgements=_parts(out))
        raise
    n_stored = store_judgements(run=run, judgements=read_rows(result["judgements"]))
    if result["n_unanswered"]:
        context.log(f"{result['n_unanswered']} of {result['n_asked']} were not answered.", level="warning")
    run = finish_run(run=run, counts=_counts(result) | {"n_stored": n_stored})
    context.progress(message="comparing with people's ratings")
    update_report(judge=run.judge)
    return run


def _config(run: JudgeRun) -> dict[str, Any]:
    """The engine's config. It names the variable of the token; the token itself is written nowhere."""
    kind, _, where = run.judge.name.partition(":")
    config: dict[str, Any] = {
        "chain_of_thought": run.judge.chain_of_thought,
        "max_tokens": run.max_tokens,
        "n_threads": settings.ENGINE_THREADS,
    }
    if kind == "path":
        return config | {"model": where}
    endpoint = endpoint_of(run.judge.name)
    return config | {
        "endpoint_url": endpoint.url,
        "endpoint_model": run.judge.model,
        "endpoint_token_env": endpoint.token_env,
    }


def _parts(out: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(out.glob("parts/part-*.jsonl")):
        yield from read_rows(path)


def _counts(result: dict[str, Any]) -> dict[str, Any]:
    names = ("n_asked", "n_judged", "n_unanswered", "n_tokens")
    return {name: result.get(name, 0) for name in names} | {"stopped_by": result.get("stopped_by")}
