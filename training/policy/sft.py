"""SFT runs: previewing, starting and running them. The only writer of their rows."""

import math
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import JobState
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.engine.common.atomic import atomic_directory, write_json, write_rows
from training.exports.models import ComparisonSet
from training.policy.corpus import FEW
from training.policy.examples import Examples, examples_of
from training.policy.models import Checkpoint, CheckpointKind, SftRun
from training.policy.options import SftOptions
from training.policy.services import BUILTIN, BaseModel, BaseSettings, find_checkpoint, resolve_base_model

# The engine bounds its time by tokens; a run is bounded by its epochs.
_NO_BOUND = 2**50


@dataclass(frozen=True)
class _Named:
    """What the options of a run name, as it is found now. `label` names the base model for people."""

    label: str
    checkpoint: Checkpoint | None
    comparison_set: ComparisonSet | None


# --- starting --------------------------------------------------------------------------------------------------------
def preview(*, project: Project, options: SftOptions) -> dict[str, Any]:
    """What a run would learn from, before it is started. Raises ValidationError as `start_sft_run`.

    `examples.Examples.counts`, and n_long: examples longer than max_length, about; n_updates, about; warnings: {"code",
    "message"} of what makes a run of little use.
    """
    named = _named(project, options)
    examples = examples_of(project.pool, named.comparison_set)
    counts = examples.counts
    n_rows = math.ceil(counts["n_tokens"] / options.max_length)
    return {
        **counts,
        "n_long": examples.n_long(options.max_length),
        "n_updates": math.ceil(options.epochs * n_rows / options.rows_per_step),
        "warnings": _warnings(counts),
    }


def _warnings(counts: dict[str, Any]) -> list[dict[str, str]]:
    told = []
    n, n_heldout = counts["n_examples"], counts["n_heldout"]
    if n == 0:
        told.append(
            (
                "no_examples",
                "There is nothing to learn from: no example is on the training split. Make a comparison set and learn "
                "from what was chosen, or import completions that people wrote.",
            )
        )
    elif n < FEW:
        told.append(("few_examples", f"Fewer than {FEW} examples do not teach a model much."))
    if n and n_heldout == 0:
        told.append(("no_heldout", "No example is held out, so it cannot be seen whether the model learnt."))
    elif n and n_heldout < FEW:
        told.append(("few_heldout", f"Only {n_heldout} held out: a small change of the loss on so few may be chance."))
    return [{"code": code, "message": message} for code, message in told]


def start_sft_run(*, project: Project, options: SftOptions, created_by: User | None = None) -> SftRun:
    """Make a run and queue its job. Locks the project's row, so that numbers do not collide.

    Raises ValidationError by field where the options name what there is not, and DomainError "no_examples". Whether a
    path holds a model is seen on the worker.
    """
    named = _named(project, options)
    counts = examples_of(project.pool, named.comparison_set).counts
    if not counts["n_examples"]:
        raise DomainError("no_examples", _warnings(counts)[0]["message"])
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        made = SftRun(
            project=project,
            number=next_number(project.sft_runs),
            options=options.to_dict(),
            base_name=named.label,
            base_checkpoint=named.checkpoint,
            comparison_set=named.comparison_set,
            counts=counts,
            created_by=created_by,
        )
        made.full_clean()
        made.save()
        made.job = enqueue(
            kind="sft",
            title=f"SFT run {made.number} of {named.label}"[:200],
            project=project,
            params={"sft_run": made.pk},
            created_by=created_by,
        )
        made.save(update_fields=["job"])
        audit.record(
            project=project,
            actor=created_by,
            action="sft_run.started",
            summary=f"{made} is started: {named.label} on {learns_from(made)}",
            target=made,
            options=made.options,
        )
    return made


def _named(project: Project, options: SftOptions) -> _Named:
    problems: dict[str, str] = {}
    name = options.base_model
    checkpoint = find_checkpoint(project.pool, name)
    if name.startswith("checkpoint:") and checkpoint is None:
        problems["base_model"] = f"There is no {name.replace(':', ' ')} in this pool."
    comparison_set = None
    if options.comparison_set is not None:
        sets = ComparisonSet.objects.filter(project=project, number=options.comparison_set)
        comparison_set = sets.filter(frozen_at__isnull=False).first()
        if comparison_set is None:
            problems["comparison_set"] = f"There is no finished comparison set {options.comparison_set}."
    if problems:
        raise ValidationError(problems)
    label = checkpoint.name if checkpoint else "built-in" if name == BUILTIN else name
    return _Named(label, checkpoint, comparison_set)


def learns_from(run: SftRun) -> str:
    """In words, for people."""
    number = run.options.get("comparison_set")
    return "what people wrote" if number is None else f"the chosen completions of comparison set {number}"


def state_of(run: SftRun) -> str:
    """The job's; of a run whose job is gone, how it ended."""
    if run.job is not None:
        return str(run.job.state)
    return str(JobState.CANCELLED if run.finished_at is None else JobState.SUCCEEDED)


# --- the job ---------------------------------------------------------------------------------------------------------
def run_sft(*, run: SftRun, context: JobContext, base: BaseSettings | None = None) -> SftRun:
    """Fine-tune, and keep the model as a checkpoint of the pool. A finished run is left as it is.

    Examples are written once, and the engine goes on from its own checkpoint; so a run that was cut short, cancelled or
    has failed goes on where it was. Raises JobFailed.
    """
    run.refresh_from_db()
    if run.finished_at is not None:
        return run
    options = SftOptions.parse(run.options)
    directory = artifacts.run_directory(context.job.pk, f"sft-{run.number}")
    start = _base(run, options, context, base)
    _write_examples(run, options, directory, context)
    config = {
        "base_model": start.path,
        "data": str(directory / "train.jsonl"),
        "heldout": str(directory / "validation.jsonl") if run.counts["n_heldout"] else None,
        "out_dir": str(directory / "out"),
        "context_length": options.max_length,
        "epochs": options.epochs,
        "max_tokens": _NO_BOUND,
        "rows_per_step": options.rows_per_step,
        "learning_rate": options.learning_rate,
        "lora_rank": options.lora_rank or None,
        "seed": options.seed,
        "n_threads": settings.ENGINE_THREADS,
    }
    write_json(directory / "sft.json", config)
    command = [sys.executable, "-m", "training.engine.lm", "sft", "--config", str(directory / "sft.json")]
    result = context.run_process(command, what=f"Fine-tuning {start.name}")
    return _finish(run, result, context)


def _base(run: SftRun, options: SftOptions, context: JobContext, overrides: BaseSettings | None) -> BaseModel:
    """Where the base model lies. The built-in one is written down as it is now: a pool that grows would make
    another."""
    name = options.base_model if run.base_checkpoint_id is None else f"checkpoint:{run.base_checkpoint_id}"
    found = resolve_base_model(pool=run.project.pool, name=name, context=context, overrides=overrides)
    if run.base_checkpoint_id is None and found.checkpoint is not None:
        run.base_checkpoint = found.checkpoint
        run.save(update_fields=["base_checkpoint"])
    return found


def _write_examples(run: SftRun, options: SftOptions, directory: Path, context: JobContext) -> None:
    """train.jsonl and validation.jsonl; `counts` says what is in them."""
    paths = {split: directory / f"{split}.jsonl" for split in ("train", "validation")}
    if all(path.exists() for path in paths.values()):
        return
    if options.comparison_set is not None and run.comparison_set is None:
        raise JobFailed("source_gone", f"Comparison set {options.comparison_set} is gone: start another run.")
    context.progress(message="reading the examples")
    examples: Examples = examples_of(run.project.pool, run.comparison_set)
    run.counts = examples.counts
    if not run.counts["n_examples"]:
        raise JobFailed("no_examples", _warnings(run.counts)[0]["message"])
    for split, path in paths.items():
        write_rows(path, examples.rows(split))
    run.save(update_fields=["counts"])
    context.log(f"{run.counts['n_examples']} examples, {run.counts['n_heldout']} held out.")


def _finish(run: SftRun, result: dict[str, Any], context: JobContext) -> SftRun:
    path = kept_model(run.pk)
    with atomic_directory(path) as draft:
        shutil.copytree(result["model"], draft, dirs_exist_ok=True)
    report = {name: value for name, value in result.items() if name not in ("event", "model")}
    with transaction.atomic():
        locked = (
            SftRun.objects.select_for_update(of=("self",)).select_related("project", "comparison_set").get(pk=run.pk)
        )
        if locked.finished_at is None:
            locked.report = report
            locked.checkpoint = _checkpoint(locked, path, context)
            locked.finished_at = timezone.now()
            locked.save()
    context.log(f"{locked} is kept as {locked.checkpoint}.")
    return locked


def _checkpoint(run: SftRun, path: Path, context: JobContext) -> Checkpoint:
    comparison_set = run.comparison_set
    trained_on = {
        "sft_run": run.pk,
        "comparison_set": None if comparison_set is None else comparison_set.pk,
        "digest": "" if comparison_set is None else comparison_set.digest,
    }
    return Checkpoint.objects.update_or_create(
        pool=run.project.pool,
        name=f"sft-{run.project.slug}"[:100] + f"-{run.number}",
        defaults={
            "kind": CheckpointKind.SFT,
            "path": str(path),
            "parent": run.base_checkpoint,
            "metrics": {**trained_on, **run.counts, **run.report},
            "job": context.job,
        },
    )[0]


# --- files -----------------------------------------------------------------------------------------------------------
def kept_model(run_id: int) -> Path:
    """Where the model of a run lies, beside the other models of this machine."""
    return Path(settings.VAR_DIR) / "models" / f"sft-run-{run_id}"


def forget_sft_models(run_ids: Iterable[int]) -> None:
    """Remove the models of runs from this machine, once their rows are gone."""
    for pk in run_ids:
        shutil.rmtree(kept_model(pk), ignore_errors=True)
