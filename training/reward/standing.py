"""How reward models stand beside the one in use: what blocks their promotion now, and which were promoted before."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Q, QuerySet

from annotate.projects.models import Project
from training.reward.models import ModelComparison, Promotion, PromotionRules, RewardModel, RewardModelState
from training.reward.rules import Block, Limits, blocks_of

# The parts of a report that rules and lists look at; the whole of it is large.
FIGURES = ("accuracy", "baselines", "length_correlation", "incumbent")


def limits_of(project: Project) -> Limits:
    """What the project asks for; the defaults where nobody has changed them."""
    names = ("max_length_correlation", "min_advantage", "must_beat_promoted", "min_batch_comparisons")
    row = PromotionRules.objects.filter(project=project).values(*names).first()
    return Limits(**row) if row else Limits()


def figures(model: RewardModel) -> dict[str, Any]:
    """The model's `FIGURES`, also of a row whose report was not read whole (`selectors.reward_models`)."""
    if "report" in model.get_deferred_fields():
        return {name: getattr(model, f"figure_{name}") for name in FIGURES}
    return {name: model.report.get(name) for name in FIGURES}


class Standing:
    """What is in force in one project, read once for all of its models: three queries, and one a promotion list."""

    def __init__(self, project: Project) -> None:
        self.limits = limits_of(project)
        self.promoted = (
            RewardModel.objects.filter(project=project, state=RewardModelState.PROMOTED)
            .only("id", "version", "state")
            .first()
        )
        self.ranks = _ranks(project)
        self._beside: dict[int, dict[str, Any]] | None = None

    def blocks(self, model: RewardModel) -> list[Block]:
        """Why the rules would not promote the model now; [] for one in use, and for one that has no report yet."""
        if model.state not in (RewardModelState.CANDIDATE, RewardModelState.RETIRED):
            return []
        return blocks_of(self.evidence(model), self.limits)

    def evidence(self, model: RewardModel) -> dict[str, Any]:
        """What the rules look at: the model's figures, beside the model that is in use now."""
        return figures(model) | {"incumbent": self._incumbent(model)}

    def _incumbent(self, model: RewardModel) -> dict[str, Any] | None:
        """The model in use as it was judged beside this one: with its report, or by a comparison of the two since."""
        promoted = self.promoted
        if promoted is None or promoted.pk == model.pk:
            return None
        told = figures(model)["incumbent"]
        if told and told.get("id") == promoted.pk and told.get("accuracy"):
            return dict(told)
        if self._beside is None:
            self._beside = _judged_beside(promoted)
        error = (told or {}).get("error") if told and told.get("id") == promoted.pk else None
        unknown = {
            "id": promoted.pk,
            "version": promoted.version,
            "accuracy": None,
            "error": error or "compare the two first",
        }
        return self._beside.get(model.pk, unknown)


def _ranks(project: Project) -> dict[int, int]:
    """Model to its place among those ever promoted: 1 for the latest. A project has a few dozen promotions at most."""
    order = Promotion.objects.filter(project=project).order_by("-pk").values_list("reward_model_id", flat=True)
    return {pk: rank for rank, pk in enumerate(dict.fromkeys(order), start=1)}


def _judged_beside(promoted: RewardModel) -> dict[int, dict[str, Any]]:
    """The promoted model's showing beside each model that it was compared with, by the newest report on that model's
    own comparison set."""
    rows = (
        ModelComparison.objects.exclude(report={})
        .filter(
            Q(a=promoted, comparison_set=F("b__comparison_set")) | Q(b=promoted, comparison_set=F("a__comparison_set"))
        )
        .order_by("pk")
        .values_list("a", "b", "report")
    )
    found = {}
    for a, b, report in rows.iterator(chunk_size=50):
        other, is_a = (b, True) if a == promoted.pk else (a, False)
        found[other] = beside(report, promoted, is_a=is_a)
    return found


def beside(report: dict[str, Any], incumbent: RewardModel, *, is_a: bool) -> dict[str, Any]:
    """`incumbent` of a report, from one of the engine's `compare` in which it was model a or b.

    {"id", "version", "accuracy", "own_accuracy", "difference", "p_value", "batches"}; differences are the other model's
    accuracy minus the incumbent's. A report that has them gives "earlier" and "fresh" too, each {"n", "accuracy",
    "own_accuracy", "difference"} or None: on the incumbent's own frozen test split, and on what is not in its set.
    """
    mine, other = ("a", "b") if is_a else ("b", "a")
    ages = {name: _of_age(report[name], mine, other) for name in ("earlier", "fresh") if name in report}
    return ages | {
        "id": incumbent.pk,
        "version": incumbent.version,
        "accuracy": report[mine]["accuracy"],
        "own_accuracy": report[other]["accuracy"],
        "difference": _turned(report["difference"], turn=not is_a),
        "p_value": report.get("p_value"),
        "batches": [
            {"bucket": row["bucket"], "difference": _turned(row["difference"], turn=not is_a)}
            for row in (report.get("slices") or {}).get("batch") or []
            if row["bucket"] not in ("", "unknown")
        ],
    }


def _of_age(told: dict[str, Any] | None, mine: str, other: str) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "n": told["n"],
        "accuracy": told[mine],
        "own_accuracy": told[other],
        "difference": _turned(told["difference"], turn=mine == "b"),
    }


def _turned(stat: dict[str, Any], *, turn: bool) -> dict[str, Any]:
    """The report's differences are b − a."""
    if not turn:
        return stat
    value, low, high = (stat.get(name) for name in ("value", "low", "high"))
    negated = {"value": value, "low": high, "high": low}
    return stat | {name: None if number is None else -number for name, number in negated.items()}


def with_figures(models: QuerySet[RewardModel]) -> QuerySet[RewardModel]:
    """A queryset of models with `FIGURES` in place of their whole reports."""
    return models.defer("report").annotate(**{f"figure_{name}": F(f"report__{name}") for name in FIGURES})


def blocks_as_json(blocks: Iterable[Block]) -> list[dict[str, str]]:
    return [block.to_dict() for block in blocks]
