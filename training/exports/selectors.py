"""Reads of comparison sets, and the counts that a spec would give now."""

from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from annotate.comparisons.models import Comparison
from annotate.projects.models import Project
from training.exports.models import ComparisonSet
from training.exports.querysets import IS_TAKEN, LEFT_OUT, DigestTenth, excluded_labellers, rated, with_fate
from training.exports.spec import Spec


def comparison_sets(project: Project) -> QuerySet[ComparisonSet]:
    return ComparisonSet.objects.filter(project=project).select_related("job")


def preview(project: Project, spec: Spec) -> dict[str, Any]:
    """What the spec would give now: comparisons and ratings taken, per split, and why others are left out.

    Three queries over the counts that comparisons carry; of the ratings only excluded labellers' are read.
    """
    judged = with_fate(rated(project), spec, excluded_labellers(project))
    fates = {row["which"]: row["n"] for row in judged.values(which=F("fate")).annotate(n=Count("pk")).order_by()}
    tenth = DigestTenth("prompt__digest")
    taken = (
        judged.filter(IS_TAKEN)
        .annotate(tenth=tenth)
        .aggregate(
            comparisons=Count("pk"),
            prompts=Count("prompt", distinct=True),
            ratings=Sum("n_kept", default=0),
            train=Count("pk", filter=Q(tenth__lt=8)),
            validation=Count("pk", filter=Q(tenth=8)),
            test=Count("pk", filter=Q(tenth=9)),
        )
    )
    cap = spec.max_comparisons
    if cap is not None and taken["comparisons"] > cap:
        share = cap / taken["comparisons"]
        taken = {name: round(n * share) for name, n in taken.items()} | {"comparisons": cap}
    return {
        **taken,
        "left_out": {name: fates.get(name, 0) for name in LEFT_OUT},
        "unrated": Comparison.objects.filter(project=project, n_ratings=0).count(),
    }
