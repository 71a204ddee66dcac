"""Two reward models side by side on the test split of one comparison set."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.jobs.context import JobContext
from annotate.jobs.services import enqueue
from annotate.projects.models import Project
from training import artifacts
from training.exports.models import ComparisonSet
from training.reward.engine import run_engine
from training.reward.models import ModelComparison, RewardModel


@transaction.atomic
def request_comparison(
    *,
    project: Project,
    a: RewardModel,
    b: RewardModel,
    comparison_set: ComparisonSet | None = None,
    created_by: User | None,
) -> ModelComparison:
    """Queue the job that compares two trained models; without a set on that of the newer one.

    Raises DomainError "same_model", "not_trained", "not_frozen", "no_held_out".
    """
    if a.pk == b.pk:
        raise DomainError("same_model", "Choose two different reward models.")
    for model in (a, b):
        require_trained(model)
    comparison_set = comparison_set or max((a, b), key=lambda model: model.version).comparison_set
    if comparison_set.frozen_at is None:
        raise DomainError("not_frozen", f"Comparison set {comparison_set.number} is still being written.")
    if comparison_set.counts.get("test") == 0:
        raise DomainError("no_held_out", f"Comparison set {comparison_set.number} has no held-out comparisons.")
    made = ModelComparison(project=project, a=a, b=b, comparison_set=comparison_set, created_by=created_by)
    made.full_clean()
    made.save()
    made.job = enqueue(
        kind="compare_models",
        title=f"Compare reward models v{a.version} and v{b.version}",
        project=project,
        params={"comparison": made.pk},
        created_by=created_by,
    )
    made.save(update_fields=["job"])
    return made


def require_trained(model: RewardModel) -> None:
    if not model.artifact_uri:
        raise DomainError("not_trained", f"v{model.version} is {model.state}; it has no weights yet.")


def compare(*, comparison: ModelComparison, context: JobContext) -> ModelComparison:
    """Run the comparison and keep its report. One that has its report is left as it is."""
    comparison.refresh_from_db()
    if not comparison.report:
        report = compare_by_age(comparison.a, comparison.b, comparison.comparison_set, context)
        ModelComparison.objects.filter(pk=comparison.pk).update(report=report)
        comparison.refresh_from_db()
    return comparison


def compare_by_age(
    a: RewardModel, b: RewardModel, comparison_set: ComparisonSet, context: JobContext
) -> dict[str, Any]:
    """`compare_on`, and how the two do on earlier and on fresh comparisons, where one of them is trained on this set.

    `earlier`: on the test split of the other one's set, as it was frozen when that was trained; None where it has none.
    `fresh`: on what of this set's test split is not in that one's set. Both have n, a, b and difference (b − a). Splits
    go by prompt, so neither model has learnt from a test row of either set.
    Neither key is there where the set is of neither model.
    """
    others = {a.comparison_set_id: b, b.comparison_set_id: a}
    other = others.get(comparison_set.pk)
    if other is None:
        return compare_on(a, b, comparison_set, context)
    earlier_set = other.comparison_set
    report = compare_on(a, b, comparison_set, context, earlier_set=earlier_set)
    report["earlier"] = _on_earlier(a, b, comparison_set, earlier_set, report, context)
    return report


def _on_earlier(
    a: RewardModel,
    b: RewardModel,
    comparison_set: ComparisonSet,
    earlier_set: ComparisonSet,
    report: dict[str, Any],
    context: JobContext,
) -> dict[str, Any] | None:
    if earlier_set.pk != comparison_set.pk:
        if earlier_set.counts.get("test") == 0:
            return None
        report = compare_on(a, b, earlier_set, context)
    difference = report["difference"]
    return {
        "n": difference["n"],
        "a": report["a"]["accuracy"],
        "b": report["b"]["accuracy"],
        "difference": difference,
    }


def compare_on(
    a: RewardModel,
    b: RewardModel,
    comparison_set: ComparisonSet,
    context: JobContext,
    *,
    earlier_set: ComparisonSet | None = None,
) -> dict[str, Any]:
    """The engine's report (touchstone.reward_comparison/1) of the two on the set's test split; with `earlier_set` its
    `fresh` is over what is not in that one."""
    run = artifacts.run_directory(context.job.pk, f"compare-v{a.version}-v{b.version}-set-{comparison_set.number}")
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model_a": str(artifacts.local_directory(a.artifact_uri)),
        "model_b": str(artifacts.local_directory(b.artifact_uri)),
        "comparison_set": str(artifacts.local_directory(comparison_set.uri)),
        "out": str(run / "report.json"),
    }
    if earlier_set is not None:
        config["earlier_set"] = str(artifacts.local_directory(earlier_set.uri))
    what = f"Comparing reward models v{a.version} and v{b.version} on comparison set {comparison_set.number}"
    run_engine(context, run, "compare", config, what=what)
    return read_report(Path(config["out"]))


def read_report(path: Path) -> dict[str, Any]:
    """What an engine wrote, fit for a column: PostgreSQL's JSON has no NUL, which other people's texts may hold."""
    report: dict[str, Any] = _without_nul(json.loads(path.read_text(encoding="utf-8")))
    return report


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(item) for name, item in value.items()}
    return value
