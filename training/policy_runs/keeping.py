"""Which policy of a run is kept, and the models of those that may be kept in its place."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.projects import audit
from training.engine.common.atomic import atomic_directory
from training.engine.policy.stopping import StopRule, decide
from training.policy.models import Checkpoint, CheckpointKind
from training.policy_runs.judging import gold_points
from training.policy_runs.models import PolicyEvaluation, PolicyRun


def worth_keeping(evaluations: Sequence[PolicyEvaluation], rule: StopRule) -> set[int]:
    """Steps whose policy may yet turn out to be the best: those that people are asked about, and the best by the reward
    model and by the second one. Never 0, the start, which stays where it is."""
    asked = {one.step for one in evaluations if one.n_comparisons}
    gains = {one.step: one.metrics.get("reward_gain") for one in evaluations if one.step}
    known = {step: gain for step, gain in gains.items() if gain is not None}
    liked = {max(known, key=lambda step: (known[step], -step))} if known else set()
    gold = gold_points(list(evaluations))
    best = {decide(gold, rule).best_step} if gold else set()
    return (asked | liked | best) - {0}


@transaction.atomic
def keep_instead(*, evaluation: PolicyEvaluation, actor: User | None) -> PolicyRun:
    """Make an evaluation's policy the one that its finished run keeps; of step 0, keep none.

    The checkpoint of the one kept before stays, for what was made with it, and is no current policy any more. Locks the
    run's row. Raises DomainError "not_finished", "kept_already" and "model_gone".
    """
    locked = PolicyRun.objects.select_for_update(of=("self",)).select_related("project__pool").get(pk=evaluation.run_id)
    if locked.finished_at is None:
        raise DomainError("not_finished", f"{locked} has not ended: it keeps its best policy by itself when it does.")
    before, step = locked.report.get("best_step"), evaluation.step
    if step == before:
        raise DomainError("kept_already", f"{evaluation} is the policy that is kept.")
    if step and not evaluation.model_path:
        raise DomainError("model_gone", f"The model of {evaluation} was not kept when the run ended.")
    if locked.checkpoint_id is not None:
        Checkpoint.objects.filter(pk=locked.checkpoint_id).update(is_current=False)
    locked.checkpoint = checkpoint_of(locked, step, evaluation.model_path) if step else None
    locked.report = {**locked.report, "best_step": step}
    locked.save(update_fields=["checkpoint", "report"])
    told = f"keeps step {step}" if step else "keeps nothing of it: the start is the best"
    audit.record(
        project=locked.project,
        actor=actor,
        action="policy_run.kept",
        summary=f"{locked} {told}; it had kept step {before}",
        target=locked,
        step=step,
        before=before,
    )
    return locked


def checkpoint_of(run: PolicyRun, step: int, path: str | Path) -> Checkpoint:
    """The pool's checkpoint of a step, made where there is none yet. After the run's end it is dated back to that: what
    a later run keeps stays the current policy."""
    pool = run.project.pool
    mine = Checkpoint.objects.filter(pool=pool, metrics__policy_run=run.pk, metrics__step=step).first()
    if mine is not None:
        mine.is_current = True
        mine.save(update_fields=["is_current"])
        return mine
    metrics = run.evaluations.filter(step=step).values_list("metrics", flat=True).first() or {}
    names = ("kl", "d", "reward_gain", "gold_gain", "length", "reference_length")
    told = {name: metrics.get(name) for name in names}
    made, _ = Checkpoint.objects.update_or_create(
        pool=pool,
        name=f"policy-{run.project.slug}"[:100] + f"-{run.number}-step-{step}",
        defaults={
            "kind": CheckpointKind.POLICY,
            "path": str(path),
            "parent": run.start_checkpoint,
            "metrics": {"reward_model": run.reward_model_id, "policy_run": run.pk, "step": step, **told},
            "job": run.job,
            "is_current": True,
        },
    )
    if run.finished_at is not None:
        made.created_at = run.finished_at
        made.save(update_fields=["created_at"])
    return made


# --- what is not kept ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Spare:
    """Policies of a finished run that could be kept and are no checkpoint, by where they lie."""

    paths: tuple[Path, ...]

    @property
    def n(self) -> int:
        return len(self.paths)

    @property
    def n_bytes(self) -> int:
        """The disk they take."""
        return sum(_size(path) for path in self.paths)


def spare(run: PolicyRun) -> Spare:
    """None of a run that goes on, which removes what it does not need by itself."""
    paths = _spare(run).values_list("model_path", flat=True) if run.finished_at is not None else ()
    return Spare(tuple(Path(path) for path in paths))


@transaction.atomic
def remove_spare(*, run: PolicyRun, actor: User | None) -> None:
    """Remove the models that a finished run could keep and does not, for good.

    What is a checkpoint stays, kept by the run or formerly so: others may have been made with it. Locks the run's row.
    Raises DomainError "not_finished" and "no_models".
    """
    locked = PolicyRun.objects.select_for_update(of=("self",)).select_related("project").get(pk=run.pk)
    if locked.finished_at is None:
        raise DomainError("not_finished", f"{locked} has not ended: it removes what it does not need by itself.")
    found = spare(locked)
    if not found.paths:
        raise DomainError("no_models", f"{locked} has no models but what it keeps.")
    _spare(locked).update(model_path="")
    audit.record(
        project=locked.project,
        actor=actor,
        action="policy_run.models_removed",
        summary=f"Models of {locked} that it does not keep removed: {found.n}",
        target=locked,
        n=found.n,
        n_bytes=found.n_bytes,
    )
    for path in found.paths:
        transaction.on_commit(partial(shutil.rmtree, path, ignore_errors=True), robust=True)


def _spare(run: PolicyRun) -> QuerySet[PolicyEvaluation]:
    checkpoints = Checkpoint.objects.filter(pool=run.project.pool_id).values("path")
    return PolicyEvaluation.objects.filter(run=run).exclude(model_path="").exclude(model_path__in=checkpoints)


def _size(directory: Path) -> int:
    """In bytes; 0 of one that is being removed."""
    try:
        return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    except FileNotFoundError:
        return 0


# --- files -----------------------------------------------------------------------------------------------------------
def kept_models(run_id: int) -> Path:
    """Where the policies that a run keeps, or may keep, lie, beside the other models of this machine."""
    return Path(settings.VAR_DIR) / "models" / f"policy-run-{run_id}"


def keep_files(run: PolicyRun, step: int, model: Path) -> Path:
    """The run's own files go once it has ended."""
    target = kept_models(run.pk) / f"step-{step:05d}"
    same_files(model, target)
    return target


def same_files(source: Path, target: Path) -> None:
    """`target` whole, with the files of `source`: linked where both are on one disk, so that they take no more of it,
    else copied. A model's files are never changed in place."""
    with atomic_directory(target) as draft:
        shutil.copytree(source, draft, dirs_exist_ok=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)


def forget_models(run_ids: Iterable[int]) -> None:
    """Remove what runs have kept on this machine, once their rows are gone."""
    for pk in run_ids:
        shutil.rmtree(kept_models(pk), ignore_errors=True)
