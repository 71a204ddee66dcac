"""Training, evaluating, promoting and retiring reward models: the only writers of `RewardModel.state`."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.exports.models import ComparisonSet
from training.policy.services import BUILTIN, BaseModel, validate_base_model
from training.reward import registry
from training.reward.engine import run_engine
from training.reward.models import RewardModel, RewardModelState
from training.reward.opinions import request_opinions
from training.reward.options import TrainingOptions
from training.reward.rules import Decision, decide

# What was not chosen. A pretrained base is only bent a little; the small built-in one has most still to learn, and on
# the demo's ratings more and larger updates took it from the coin toss to two in three.
PRETRAINED_DEFAULTS = {"learning_rate": 5e-5}
BUILTIN_DEFAULTS = {"learning_rate": 1e-3, "batch_size": 16, "epochs": 2}


# --- making ---------------------------------------------------------------------------------------------------------
@transaction.atomic
def register(
    *,
    project: Project,
    comparison_set: ComparisonSet,
    base_model: str,
    options: TrainingOptions,
    job: Job | None,
    created_by: User | None,
) -> RewardModel:
    """Make the row of a model that is to be trained. Locks the project's row, so that versions do not collide."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    latest = project.reward_models.aggregate(latest=Max("version"))["latest"] or 0
    model = RewardModel(
        project=project,
        version=latest + 1,
        comparison_set=comparison_set,
        base_model=base_model,
        config={"options": options.to_dict()},
        job=job,
        created_by=created_by,
    )
    model.full_clean()
    model.save()
    return model


@transaction.atomic
def request_training(
    *,
    project: Project,
    comparison_set: ComparisonSet,
    base_model: str = BUILTIN,
    options: TrainingOptions,
    created_by: User | None,
) -> RewardModel:
    """Register a model and queue the job that trains and evaluates it. It becomes a candidate, not promoted."""
    validate_base_model(base_model)
    if comparison_set.frozen_at is None:
        raise DomainError("not_frozen", f"Comparison set {comparison_set.number} is still being written.")
    model = register(
        project=project,
        comparison_set=comparison_set,
        base_model=base_model,
        options=options,
        job=None,
        created_by=created_by,
    )
    model.job = enqueue(
        kind="train",
        title=f"Train reward model v{model.version}",
        project=project,
        params={"reward_model": model.pk, "base_model": base_model},
        created_by=created_by,
    )
    model.save(update_fields=["job"])
    return model


def train_reward_model(*, model: RewardModel, base: BaseModel, context: JobContext) -> RewardModel:
    """Train in the engine and publish the artifact. One that is published already is left as it is.

    The run's directory belongs to the job, so that after a lost worker the engine goes on from its checkpoint.
    """
    model.refresh_from_db()
    if model.artifact_uri:
        return model
    RewardModel.objects.filter(pk=model.pk).update(state=RewardModelState.TRAINING, state_reason="")
    run = artifacts.run_directory(context.job.pk, f"reward-v{model.version}")
    options = TrainingOptions.parse(model.config.get("options", {})).to_dict()
    options = (PRETRAINED_DEFAULTS if base.checkpoint is None else BUILTIN_DEFAULTS) | options
    config = {
        "n_threads": settings.ENGINE_THREADS,
        **options,
        "base_model": base.path,
        "comparison_set": str(artifacts.local_directory(model.comparison_set.uri)),
        "out_dir": str(run / "out"),
        "project": model.project.slug,
        "axis": model.project.axis,
        "version": model.version,
    }
    result = run_engine(context, run, "train", config, what=f"Training reward model v{model.version}")
    # Unique for ever, also when a project is removed and made again: the scorer tells models apart by their place.
    name = f"v{model.version}-{str(context.job.pk)[:8]}"
    uri = artifacts.publish_directory(
        Path(result["model"]), artifacts.artifact_url("reward-models", model.project.slug, name)
    )
    summary = {key: value for key, value in result.items() if key not in ("event", "model", "evaluations")}
    RewardModel.objects.filter(pk=model.pk).update(
        artifact_uri=uri,
        base_model=base.name,
        config={**model.config, "engine": config, "checkpoint": base.checkpoint.pk if base.checkpoint else None},
        report={"training": summary},
    )
    model.refresh_from_db()
    return model


def evaluate_reward_model(*, model: RewardModel, context: JobContext) -> RewardModel:
    """Store the engine's report on the held-out comparisons, beside the promoted model's on the same ones.

    Afterwards the model is a candidate. Safe to repeat: the report is made again.
    """
    model.refresh_from_db()
    if model.state not in (RewardModelState.TRAINING, RewardModelState.FAILED):
        return model
    directory = artifacts.local_directory(model.artifact_uri)
    report_path = directory / "report.json"
    report: dict[str, Any] = json.loads(report_path.read_text()) if report_path.is_file() else {}
    report["training"] = {**report.get("training", {}), **model.report.get("training", {})}
    incumbent = promoted_model(model.project)
    if incumbent is not None and (report.get("accuracy") or {}).get("n"):
        report["incumbent"] = _evaluate_incumbent(model, incumbent, context)
    RewardModel.objects.filter(pk=model.pk).update(
        report=report, state=RewardModelState.CANDIDATE, state_reason="Trained and evaluated."
    )
    model.refresh_from_db()
    return model


def _evaluate_incumbent(model: RewardModel, incumbent: RewardModel, context: JobContext) -> dict[str, Any]:
    run = artifacts.run_directory(context.job.pk, f"incumbent-v{incumbent.version}")
    told: dict[str, Any] = {"id": incumbent.pk, "version": incumbent.version}
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model": str(artifacts.local_directory(incumbent.artifact_uri)),
        "comparison_set": str(artifacts.local_directory(model.comparison_set.uri)),
        "out": str(run / "report.json"),
    }
    try:
        result = run_engine(context, run, "evaluate", config, what=f"Evaluating reward model v{incumbent.version}")
    except JobFailed as failure:
        context.log(f"v{incumbent.version} could not be judged on the same comparisons: {failure.message}", "warning")
        return {**told, "accuracy": None, "error": failure.message}
    return {**told, "accuracy": result["accuracy"]}


def training_ended(*, job: Job) -> None:
    """After a job's end: a model that it left unfinished has failed, with the job's reason."""
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)  # what was to be kept is published
        return
    reason = job.error_message or "Its job was cancelled."
    RewardModel.objects.filter(job=job, state=RewardModelState.TRAINING).update(
        state=RewardModelState.FAILED, state_reason=reason[:500]
    )


# --- the registry ---------------------------------------------------------------------------------------------------
def promoted_model(project: Project) -> RewardModel | None:
    """The reward model in use, None before the first."""
    return RewardModel.objects.filter(project=project, state=RewardModelState.PROMOTED).first()


def promote_by_rule(*, model: RewardModel) -> Decision:
    """Promote a candidate if the rules allow it; otherwise write down why not."""
    model.refresh_from_db()
    if model.state == RewardModelState.PROMOTED:
        registry.sync()  # an earlier run may have been cut short between its commit and the file
        return Decision(True, model.state_reason)
    decision = decide(model.report)
    if decision.promote:
        promote(model=model, reason=decision.reason, actor=None)
    else:
        RewardModel.objects.filter(pk=model.pk, state=RewardModelState.CANDIDATE).update(
            state_reason=decision.reason[:500]
        )
    model.refresh_from_db()
    return decision


@transaction.atomic
def promote(*, model: RewardModel, reason: str, actor: User | None) -> RewardModel:
    """Put a candidate, or a retired model again (roll back), into use; the one in use retires.

    Locks the project's row: two promotions follow one another. The scorer hears of it after the commit. `actor` is None
    where the rules promote. Then the model is asked about what people have rated, for the reviewers' queue.
    """
    Project.objects.select_for_update(no_key=True).get(pk=model.project_id)
    model = RewardModel.objects.select_for_update().get(pk=model.pk)
    if model.state == RewardModelState.PROMOTED:
        return model
    if model.state not in (RewardModelState.CANDIDATE, RewardModelState.RETIRED):
        raise DomainError("not_trained", f"v{model.version} is not trained ({model.state}), so it cannot be promoted.")
    RewardModel.objects.filter(project=model.project_id, state=RewardModelState.PROMOTED).update(
        state=RewardModelState.RETIRED, state_reason=f"Replaced by v{model.version}."
    )
    model.state, model.state_reason, model.promoted_at = RewardModelState.PROMOTED, reason[:500], timezone.now()
    model.save(update_fields=["state", "state_reason", "promoted_at"])
    _record(model, actor, "promoted")
    request_opinions(model=model, created_by=actor)
    transaction.on_commit(registry.sync)
    return model


@transaction.atomic
def retire(*, model: RewardModel, reason: str, actor: User | None) -> RewardModel:
    """Take a model out of use. A promoted one is no longer served afterwards. Locks its row."""
    model = RewardModel.objects.select_for_update().get(pk=model.pk)
    if model.state not in (RewardModelState.CANDIDATE, RewardModelState.PROMOTED):
        raise DomainError("not_in_use", f"v{model.version} is {model.state}; only a trained model can be retired.")
    model.state, model.state_reason = RewardModelState.RETIRED, reason[:500]
    model.save(update_fields=["state", "state_reason"])
    _record(model, actor, "retired")
    transaction.on_commit(registry.sync)
    return model


def _record(model: RewardModel, actor: User | None, what: str) -> None:
    audit.record(
        project=model.project,
        actor=actor,
        action=f"reward_model.{what}",
        summary=f"Reward model v{model.version} is {what}: {model.state_reason}",
        target=model,
        version=model.version,
    )
