"""The stages of a refresh, one function each: (cycle, its config, context) -> what came of it, in a sentence.

Each may be called again after a lost worker. It first looks at what is there (a row it made, a file that is whole) and
does only what is missing, so nothing is made twice.
"""

from collections.abc import Callable
from pathlib import Path

from django.db import transaction

from annotate.jobs.context import JobContext
from training.exports.services import create_comparison_set, write_comparison_set
from training.policy.models import Checkpoint
from training.policy.services import BaseModel, resolve_base_model
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, StageName
from training.reward import services as reward
from training.reward.models import RewardModel
from training.sampling import services as sampling

Stage = Callable[[RefreshCycle, RefreshConfig, JobContext], str]


def export(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> str:
    if cycle.comparison_set is None:
        with transaction.atomic():
            cycle.comparison_set = create_comparison_set(
                project=cycle.project,
                spec=config.spec,
                name=f"Refresh {cycle.number}",
                job=cycle.job,
                created_by=cycle.created_by,
            )
            cycle.save(update_fields=["comparison_set"])
    written = write_comparison_set(comparison_set=cycle.comparison_set, context=context)
    counts = written.counts
    return (
        f"{counts['comparisons']} comparisons with {counts['ratings']} ratings of {counts['labellers']} labellers: "
        f"{counts['train']} train, {counts['validation']} validation, {counts['test']} test."
    )


def base(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> str:
    found = resolve_base_model(pool=cycle.project.pool, name=config.base_model, context=context, overrides=config.base)
    checkpoint = found.checkpoint.pk if found.checkpoint else None
    context.save_checkpoint(base={"path": found.path, "name": found.name, "checkpoint": checkpoint})
    if found.checkpoint is None:
        return f"{found.name}, a model made elsewhere."
    size = found.checkpoint.metrics.get("n_parameters") or (
        found.checkpoint.parent.metrics.get("n_parameters") if found.checkpoint.parent else None
    )
    return f"{found.name}, made from this project's own texts" + (f" ({size:,} parameters)." if size else ".")


def train(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> str:
    assert cycle.comparison_set is not None
    if cycle.reward_model is None:
        with transaction.atomic():
            cycle.reward_model = reward.register(
                project=cycle.project,
                comparison_set=cycle.comparison_set,
                base_model=config.base_model,
                options=config.training,
                job=cycle.job,
                created_by=cycle.created_by,
            )
            cycle.save(update_fields=["reward_model"])
    found = _base(cycle, config, context)
    model = reward.train_reward_model(model=cycle.reward_model, base=found, context=context)
    summary = model.report["training"]
    return (
        f"v{model.version} trained on {summary['n_train']} comparisons in {summary['n_steps']} updates, "
        f"{summary['seconds']:.0f} s; best validation loss at update {summary['best_step']}."
    )


def _base(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> BaseModel:
    """What the stage before found; made again where this job goes on on another machine."""
    if context.checkpoint["base"]["checkpoint"] and not Path(context.checkpoint["base"]["path"]).is_dir():
        base(cycle, config, context)
    found = context.checkpoint["base"]
    checkpoint = Checkpoint.objects.get(pk=found["checkpoint"]) if found["checkpoint"] else None
    return BaseModel(found["path"], found["name"], checkpoint)


def evaluate(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> str:
    model = reward.evaluate_reward_model(model=_model(cycle), context=context)
    accuracy = model.report.get("accuracy") or {}
    if accuracy.get("value") is None:
        return "There are no held-out comparisons."
    baselines = model.report["baselines"]
    return (
        f"Held-out accuracy {accuracy['value']:.1%} over {accuracy['n']} comparisons; "
        f"longer is better {baselines['longer']['value']:.1%}, always a {baselines['always_a']['value']:.1%}."
    )


def promote(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> str:
    return reward.promote_by_rule(model=_model(cycle)).reason


def sample(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> str:
    chooser, why = _chooser(cycle)
    if cycle.sampling_round is None:
        with transaction.atomic():
            cycle.sampling_round = sampling.create_round(
                project=cycle.project,
                model=chooser,
                options=config.sampling,
                job=cycle.job,
                created_by=cycle.created_by,
            )
            cycle.save(update_fields=["sampling_round"])
    finished = sampling.run_round(sampling_round=cycle.sampling_round, context=context)
    n_chosen = finished.sampled_comparisons.count()
    if n_chosen == 0:
        return "Nothing to ask for: every pair of completions in the pool has ratings, is flagged or is gold."
    n_random = finished.sampled_comparisons.filter(is_random=True).count()
    return (
        f"{n_chosen} comparisons of {finished.n_candidates} candidates put on top of the queue, {n_random} of them "
        f"drawn at random; chosen by v{finished.reward_model.version}{why}."
    )


def _chooser(cycle: RefreshCycle) -> tuple[RewardModel, str]:
    """The model in use; before there is one, the new candidate, which is said."""
    promoted = reward.promoted_model(cycle.project)
    if promoted is not None:
        return promoted, ""
    return _model(cycle), ", which is not promoted"


def _model(cycle: RefreshCycle) -> RewardModel:
    assert cycle.reward_model is not None
    return cycle.reward_model


STAGES: dict[str, Stage] = {
    StageName.EXPORT: export,
    StageName.BASE: base,
    StageName.TRAIN: train,
    StageName.EVALUATE: evaluate,
    StageName.PROMOTE: promote,
    StageName.SAMPLE: sample,
}
