"""Reads of reward models: figures for lists, lineage and promotions for one."""

from typing import Any

from django.db.models import QuerySet

from annotate.accounts.models import User
from annotate.projects.access import Seat
from annotate.projects.models import Project
from training.policy.models import Checkpoint, CheckpointKind
from training.reward.models import BulkScoring, ExternalEvaluation, ModelComparison, Promotion, RewardModel
from training.reward.standing import figures, with_figures

UNKNOWN = {"value": None, "low": None, "high": None, "n": 0, "too_few": True}


def reward_models(project: Project) -> QuerySet[RewardModel]:
    """For lists: without the reports, which are large."""
    return with_figures(RewardModel.objects.filter(project=project)).select_related("comparison_set")


def comparisons(project: Project) -> QuerySet[ModelComparison]:
    rows = ModelComparison.objects.filter(project=project).select_related("a", "b", "comparison_set", "job")
    unread = ("report", "config", "sources")
    return rows.defer(*(f"{side}__{name}" for side in ("a", "b") for name in unread))


def bulk_scorings(project: Project) -> QuerySet[BulkScoring]:
    rows = BulkScoring.objects.filter(project=project).select_related("reward_model", "job", "project")
    return rows.defer(*(f"reward_model__{name}" for name in ("report", "config", "sources")))


def external_evaluations(model: RewardModel) -> QuerySet[ExternalEvaluation]:
    return ExternalEvaluation.objects.filter(reward_model=model).select_related("job").order_by("-pk")


def promotions(model: RewardModel) -> QuerySet[Promotion]:
    return model.promotions.select_related("replaced__reward_model", "actor").order_by("-pk")


def metrics(model: RewardModel) -> dict[str, Any]:
    """Held-out accuracy with its interval beside the two baselines on the same comparisons."""
    found = figures(model)
    baselines = found["baselines"] or {}
    accuracy = _stat(found["accuracy"])
    return {
        "accuracy": accuracy,
        "baselines": {name: _stat(baselines.get(name)) for name in ("longer", "always_a")},
        "n_test": accuracy["n"],
    }


def _stat(raw: dict[str, Any] | None) -> dict[str, Any]:
    return {name: (raw or UNKNOWN).get(name, missing) for name, missing in UNKNOWN.items()}


def lineage(seat: Seat, model: RewardModel) -> dict[str, Any]:
    """What the model came from, down to ratings, labellers and guideline versions, and what was made by it.

    Labellers are named to those who may know them, to the others by their pseudonyms.
    """
    comparison_set = model.comparison_set
    checkpoint = Checkpoint.objects.filter(pk=model.config.get("checkpoint")).select_related("parent").first()
    counts = comparison_set.counts
    by_version = model.sources.get("guideline_versions", {})
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
        "labellers": _labellers(seat, model.sources.get("labellers", {})),
        "guideline_versions": counts.get("guideline_versions", []),
        "guidelines": [{"number": int(number), "n_comparisons": n} for number, n in by_version.items()],
        "base_models": [
            {"name": one.name, "kind": one.kind, "metrics": one.metrics}
            for one in (checkpoint, checkpoint.parent if checkpoint else None)
            if one is not None
        ],
        "refresh": model.refresh_cycles.values("id", "number").first(),
        "sampling_rounds": list(model.sampling_rounds.order_by("number").values("id", "number")),
        "policies": list(
            Checkpoint.objects.filter(
                pool=seat.project.pool_id, kind=CheckpointKind.POLICY, metrics__reward_model=model.pk
            )
            .order_by("pk")
            .values("id", "name", "created_at")
        ),
    }


def _labellers(seat: Seat, n_ratings: dict[str, int]) -> list[dict[str, Any]]:
    """By their number of ratings. Whose account is gone is left with the pseudonym and no id."""
    known = {
        user.pseudonym: user
        for user in User.objects.filter(pseudonym__in=n_ratings).only("id", "name", "pseudonym", "kind")
    }
    return [
        {
            "id": known[pseudonym].pk if pseudonym in known else None,
            "name": known[pseudonym].public_name if pseudonym in known and seat.may_see_names else pseudonym,
            "n_ratings": n,
        }
        for pseudonym, n in sorted(n_ratings.items(), key=lambda item: (-item[1], item[0]))
    ]
