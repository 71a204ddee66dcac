"""Reads of reward models: figures for lists, lineage for one."""

from typing import Any

from django.db.models import QuerySet

from annotate.projects.models import Project
from training.policy.models import Checkpoint
from training.reward.models import RewardModel

UNKNOWN = {"value": None, "low": None, "high": None, "n": 0, "too_few": True}


def reward_models(project: Project) -> QuerySet[RewardModel]:
    return RewardModel.objects.filter(project=project).select_related("comparison_set", "job")


def metrics(model: RewardModel) -> dict[str, Any]:
    """Held-out accuracy with its interval beside the two baselines on the same comparisons."""
    baselines = model.report.get("baselines") or {}
    accuracy = _stat(model.report.get("accuracy"))
    return {
        "accuracy": accuracy,
        "baselines": {name: _stat(baselines.get(name)) for name in ("longer", "always_a")},
        "n_test": accuracy["n"],
    }


def _stat(raw: dict[str, Any] | None) -> dict[str, Any]:
    return {name: (raw or UNKNOWN).get(name, missing) for name, missing in UNKNOWN.items()}


def lineage(model: RewardModel) -> dict[str, Any]:
    """What the model came from, down to ratings and guideline versions, and what was chosen by it."""
    comparison_set = model.comparison_set
    checkpoint = Checkpoint.objects.filter(pk=model.config.get("checkpoint")).select_related("parent").first()
    counts = comparison_set.counts
    return {
        "comparison_set": {
            "id": comparison_set.pk,
            "number": comparison_set.number,
            "digest": comparison_set.digest,
            "spec": comparison_set.spec,
        },
        "n_comparisons": counts.get("comparisons", 0),
        "n_ratings": counts.get("ratings", 0),
        "n_labellers": counts.get("labellers", 0),
        "guideline_versions": counts.get("guideline_versions", []),
        "base_models": [
            {"name": one.name, "kind": one.kind, "metrics": one.metrics}
            for one in (checkpoint, checkpoint.parent if checkpoint else None)
            if one is not None
        ],
        "refresh": model.refresh_cycles.values("id", "number").first(),
        "sampling_rounds": list(model.sampling_rounds.order_by("number").values("id", "number")),
    }
