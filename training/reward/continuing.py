"""From which model a continued training starts, and what has to fit for that."""

from typing import Any

from annotate.common.errors import DomainError
from annotate.projects.models import Project
from training import artifacts
from training.exports.models import ComparisonSet
from training.policy.models import Checkpoint
from training.policy.services import BUILTIN, BaseModel
from training.reward.models import RewardModel, RewardModelState
from training.reward.options import TrainingOptions


def model_to_continue(
    *,
    project: Project,
    comparison_set: ComparisonSet,
    base_model: str,
    options: TrainingOptions,
    n_members: int,
) -> RewardModel:
    """The promoted model, from which a continued training with these choices starts.

    `base_model` may be the built-in one, which stands for "not chosen", or the promoted model's own. Raises DomainError
    "nothing_to_continue" where there is none or where it does not fit, and "nothing_new".
    """
    start = (
        RewardModel.objects.filter(project=project, state=RewardModelState.PROMOTED)
        .select_related("comparison_set", "project")
        .first()
    )
    if start is None:
        raise _refusal("No reward model is promoted yet: train one afresh and promote it first.")
    if problem := _misfit(start, base_model, options, n_members):
        raise _refusal(problem)
    if start.comparison_set_id == comparison_set.pk:
        raise DomainError(
            "nothing_new",
            f"v{start.version} has learnt from comparison set {comparison_set.number} already: make a set with new "
            "ratings first, or train afresh.",
        )
    return start


def _refusal(message: str) -> DomainError:
    return DomainError("nothing_to_continue", message)


def _misfit(start: RewardModel, base_model: str, options: TrainingOptions, n_members: int) -> str:
    """Why a training with these choices cannot start from the model; empty where it can."""
    engine = start.config.get("engine")
    if not engine:
        return f"v{start.version} does not say from what it was made, so nothing can go on from it: train afresh."
    if base_model not in (BUILTIN, start.base_model, engine["base_model"]):
        return (
            f"v{start.version} was made from {start.base_model}, not from {base_model}: leave the base model at "
            f"{BUILTIN}, which keeps that one, or train afresh."
        )
    n_heads = engine.get("n_heads") or 1
    if options.n_heads not in (None, n_heads):
        return f"v{start.version} has {n_heads} heads, not {options.n_heads}: leave the number out, or train afresh."
    if n_members > max(1, start.n_members):
        return (
            f"v{start.version} has {start.n_members} of the {n_members} members that are to go on: ask for no more "
            "than it has, or train afresh."
        )
    return ""


def base_of(start: RewardModel) -> BaseModel:
    """What the model was made from."""
    checkpoint = Checkpoint.objects.filter(pk=start.config.get("checkpoint")).first()
    return BaseModel(start.config["engine"]["base_model"], start.base_model, checkpoint)


def engine_start(start: RewardModel) -> dict[str, Any]:
    """Fields of the engine's config: where the model and its comparisons lie, and what must be as it was."""
    engine = start.config["engine"]
    kept = {name: engine[name] for name in ("n_heads", "max_length") if engine.get(name) is not None}
    return kept | {
        "start_from": str(artifacts.local_directory(start.artifact_uri)),
        "earlier_set": str(artifacts.local_directory(start.comparison_set.uri)),
    }
