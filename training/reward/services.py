"""Training, evaluating, promoting and retiring reward models: the only writers of `RewardModel.state`."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.exports.models import ComparisonSet
from training.policy.services import BUILTIN, BaseModel, validate_base_model
from training.reward import registry
from training.reward.comparing import compare_on, read_report
from training.reward.defaults import engine_options
from training.reward.engine import run_engine
from training.reward.models import Promotion, PromotionRules, RewardModel, RewardModelState
from training.reward.noise import require_strengths, strengths_path
from training.reward.opinions import request_opinions
from training.reward.options import TrainingOptions
from training.reward.rules import Decision, decide
from training.reward.sources import sources_of
from training.reward.standing import Standing, beside, blocks_as_json


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
    n_members: int = 1,
) -> RewardModel:
    """Make the row of a model that is to be trained. Locks the project's row, so that versions do not collide."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    version = next_number(project.reward_models, "version")
    model = RewardModel(
        project=project,
        version=version,
        comparison_set=comparison_set,
        base_model=base_model,
        config={"options": options.to_dict()},
        n_members=n_members,
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
    n_members: int = 1,
    created_by: User | None,
) -> RewardModel:
    """Register a model and queue the job that trains and evaluates it. It becomes a candidate, not promoted.

    Raises ValidationError for the base model, DomainError "not_frozen", and "no_strengths" for a noise treatment of a
    set whose label noise has not been estimated.
    """
    validate_base_model(base_model)
    if comparison_set.frozen_at is None:
        raise DomainError("not_frozen", f"Comparison set {comparison_set.number} is still being written.")
    if options.needs_strengths:
        require_strengths(comparison_set)
    model = register(
        project=project,
        comparison_set=comparison_set,
        base_model=base_model,
        options=options,
        n_members=n_members,
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
    options = TrainingOptions.parse(model.config.get("options", {}))
    config = _engine_config(model, options, base, run)
    if model.n_members == 1:
        result = run_engine(context, run, "train", config, what=f"Training reward model v{model.version}")
    else:
        result = _train_members(model, config, run, context)
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
        sources=sources_of(model.comparison_set),
    )
    model.refresh_from_db()
    return model


def _engine_config(model: RewardModel, options: TrainingOptions, base: BaseModel, run: Path) -> dict[str, Any]:
    """The engine's config of one model. Raises JobFailed "no_strengths"."""
    config: dict[str, Any] = {
        "n_threads": settings.ENGINE_THREADS,
        **engine_options(options, base),
        "base_model": base.path,
        "comparison_set": str(artifacts.local_directory(model.comparison_set.uri)),
        "out_dir": str(run / "out"),
        "project": model.project.slug,
        "axis": model.project.axis,
        "version": model.version,
    }
    if options.needs_strengths:
        try:
            config["strengths"] = str(strengths_path(require_strengths(model.comparison_set)))
        except DomainError as error:
            raise JobFailed(error.code, error.message) from error
    return config


def _train_members(model: RewardModel, config: dict[str, Any], run: Path, context: JobContext) -> dict[str, Any]:
    """An ensemble: member 0 is the standard model, the others lie beside it."""
    what = f"Training the {model.n_members} members of reward model v{model.version}"
    members = {
        "train": {
            name: value for name, value in config.items() if name not in ("base_model", "comparison_set", "out_dir")
        },
        "base_model": config["base_model"],
        "comparison_set": config["comparison_set"],
        "out_dir": config["out_dir"],
        "n_members": model.n_members,
    }
    return run_engine(context, run, "members", members, what=what)


def evaluate_reward_model(*, model: RewardModel, context: JobContext) -> RewardModel:
    """Store the engine's report on the held-out comparisons, beside the promoted model's on the same ones.

    Afterwards the model is a candidate. Safe to repeat: the report is made again.
    """
    model.refresh_from_db()
    if model.state not in (RewardModelState.TRAINING, RewardModelState.FAILED):
        return model
    directory = artifacts.local_directory(model.artifact_uri)
    report_path = directory / "report.json"
    report: dict[str, Any] = read_report(report_path) if report_path.is_file() else {}
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
    """The promoted model beside the new one on the new one's held-out comparisons, paired (`standing.beside`)."""
    try:
        report = compare_on(model, incumbent, model.comparison_set, context)
    except JobFailed as failure:
        context.log(f"v{incumbent.version} could not be judged on the same comparisons: {failure.message}", "warning")
        return {"id": incumbent.pk, "version": incumbent.version, "accuracy": None, "error": failure.message}
    return beside(report, incumbent, is_a=False)


def leave_unevaluated(*, model: RewardModel, reason: str) -> None:
    """A trained model whose evaluation a person left out is a candidate all the same, without a report to be judged
    by."""
    trained = RewardModel.objects.filter(pk=model.pk, state__in=[RewardModelState.TRAINING, RewardModelState.FAILED])
    trained.exclude(artifact_uri="").update(
        state=RewardModelState.CANDIDATE, state_reason=f"Not evaluated: {reason}"[:500]
    )


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


@transaction.atomic
def promote_by_rule(*, model: RewardModel) -> Decision:
    """Promote a candidate if the project's rules allow it; otherwise write down why not.

    Locks the project's row first, so that what is in use is what the rules looked at. What a person has retired or
    rolled back stays as they left it.
    """
    Project.objects.select_for_update(no_key=True).get(pk=model.project_id)
    model.refresh_from_db()
    if model.state == RewardModelState.PROMOTED:
        registry.sync()  # an earlier run may have been cut short between its commit and the file
        return Decision(True, model.state_reason)
    if model.state != RewardModelState.CANDIDATE:
        return Decision(False, f"v{model.version} is {model.state}: {model.state_reason}")
    standing = Standing(model.project)
    decision = decide(standing.evidence(model), standing.limits)
    if decision.promote:
        promote(model=model, reason=decision.reason, actor=None)
    else:
        RewardModel.objects.filter(pk=model.pk, state=RewardModelState.CANDIDATE).update(
            state_reason=decision.reason[:500]
        )
    model.refresh_from_db()
    return decision


@transaction.atomic
def promote_by_hand(*, model: RewardModel, reason: str, actor: User, is_forced: bool = False) -> RewardModel:
    """`promote`, where the rules do not block it or a person says so all the same.

    Locks the project's row first, so that what is in use is what the rules looked at. Raises DomainError
    "promotion_blocked" with the blocks.
    """
    Project.objects.select_for_update(no_key=True).get(pk=model.project_id)
    model.refresh_from_db()
    blocks = blocks_as_json(Standing(model.project).blocks(model))
    if blocks and not is_forced:
        raise DomainError(
            "promotion_blocked",
            f"v{model.version} does not meet this project's rules. {' '.join(one['message'] for one in blocks)}",
            blocks=blocks,
        )
    return promote(model=model, reason=reason, actor=actor, blocks=blocks)


@transaction.atomic
def promote(
    *, model: RewardModel, reason: str, actor: User | None, blocks: list[dict[str, str]] | None = None
) -> RewardModel:
    """Put a candidate, or a retired model again, into use; the one in use retires. No rule is asked.

    Locks the project's row: two promotions follow one another. The scorer hears of it after the commit. `actor` is None
    where the rules promote; `blocks` is what a person overrode. Then the model is asked about what people have rated,
    for the reviewers' queue.
    """
    Project.objects.select_for_update(no_key=True).get(pk=model.project_id)
    model = RewardModel.objects.select_for_update().get(pk=model.pk)
    if model.state == RewardModelState.PROMOTED:
        return model
    promotion = Promotion(replaced=latest_promotion(model.project), is_forced=bool(blocks), blocks=blocks or [])
    return _put_into_use(model, promotion, reason, actor)


@transaction.atomic
def roll_back(*, project: Project, reason: str, actor: User) -> RewardModel:
    """Put the model that was promoted before the latest one into use again. No rule is asked.

    Done twice it goes two back: a roll-back stands where the promotion stood that it goes back to. Locks the project's
    row. Raises DomainError "nothing_to_roll_back_to".
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    latest = latest_promotion(project)
    target = latest.replaced if latest else None
    while latest and target and target.reward_model_id == latest.reward_model_id:
        target = target.replaced  # promoted, retired and promoted again: not another model
    if latest is None or target is None:
        raise DomainError("nothing_to_roll_back_to", "No other reward model was promoted before this one.")
    model = RewardModel.objects.select_for_update().get(pk=target.reward_model_id)
    promotion = Promotion(replaced=target.replaced, is_roll_back=True)
    return _put_into_use(model, promotion, reason, actor, what="rolled_back")


def latest_promotion(project: Project) -> Promotion | None:
    """The promotion in force, also where its model has been retired since; what it replaced comes with it."""
    rows = Promotion.objects.filter(project=project).select_related("replaced__reward_model")
    return rows.order_by("-pk").first()


def _put_into_use(
    model: RewardModel, promotion: Promotion, reason: str, actor: User | None, what: str = "promoted"
) -> RewardModel:
    if model.state not in (RewardModelState.CANDIDATE, RewardModelState.RETIRED, RewardModelState.PROMOTED):
        raise DomainError("not_trained", f"v{model.version} is not trained ({model.state}), so it cannot be promoted.")
    RewardModel.objects.filter(project=model.project_id, state=RewardModelState.PROMOTED).exclude(pk=model.pk).update(
        state=RewardModelState.RETIRED, state_reason=f"Replaced by v{model.version}."
    )
    model.state, model.state_reason, model.promoted_at = RewardModelState.PROMOTED, reason[:500], timezone.now()
    model.save(update_fields=["state", "state_reason", "promoted_at"])
    promotion.project, promotion.reward_model, promotion.actor = model.project, model, actor
    promotion.promoted_at, promotion.reason = model.promoted_at, model.state_reason
    promotion.save()
    forced = {"is_forced": True, "blocks": promotion.blocks} if promotion.is_forced else {}
    _record(model, actor, what, **forced)
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


@transaction.atomic
def change_rules(*, project: Project, actor: User, **changes: Any) -> PromotionRules:
    """Set what the project asks of a model before it is promoted. Locks the project's row."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    rules = PromotionRules.objects.filter(project=project).first() or PromotionRules(project=project)
    changed: dict[str, Any] = {
        name: [getattr(rules, name), value] for name, value in changes.items() if getattr(rules, name) != value
    }
    for name, value in changes.items():
        setattr(rules, name, value)
    rules.full_clean(exclude=["project"])
    rules.save()
    if changed:
        audit.record(
            project=project,
            actor=actor,
            action="reward_model.rules_changed",
            summary="Rules of promotion changed: " + ", ".join(name.replace("_", " ") for name in changed),
            target=project,
            **changed,
        )
    return rules


_DONE = {"promoted": "promoted", "rolled_back": "in use again", "retired": "retired"}


def _record(model: RewardModel, actor: User | None, what: str, **details: Any) -> None:
    forced = " against the rules" if details.get("is_forced") else ""
    audit.record(
        project=model.project,
        actor=actor,
        action=f"reward_model.{what}",
        summary=f"Reward model v{model.version} is {_DONE[what]}{forced}: {model.state_reason}",
        target=model,
        version=model.version,
        **details,
    )
