"""What reward models think of comparisons: the promoted one, and those that did not learn from the comparison; and
where an AI labeller parts from people.

Stored here, computed by the models' wing.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from django.db import transaction

from annotate.agreement.models import CrossFittedOpinion, JudgeOpinion, ModelOpinion
from annotate.agreement.services import mark_stale
from annotate.comparisons.models import Comparison
from annotate.projects.models import Project

BATCH = 5_000


class Opinion(NamedTuple):
    """P(a preferred) of one comparison, and whether it was held out of the model's training."""

    comparison_id: int
    p_a: float
    is_held_out: bool


def record_opinions(*, project: Project, version: int, opinions: Iterable[Opinion]) -> int:
    """Store what version `version` thinks, in place of what any model thought before, and return of how many.

    Batches are committed one by one: done again after a crash it ends the same. Opinions of other versions go last, so
    that the reviewers' queue is never without any.
    """
    n_stored = 0
    rest = iter(opinions)
    while batch := list(islice(rest, BATCH)):
        ModelOpinion.objects.bulk_create(
            [
                ModelOpinion(
                    comparison_id=one.comparison_id,
                    project=project,
                    p_a=one.p_a,
                    version=version,
                    is_held_out=one.is_held_out,
                )
                for one in batch
            ],
            update_conflicts=True,
            unique_fields=["comparison"],
            update_fields=["p_a", "version", "is_held_out"],
        )
        n_stored += len(batch)
    with transaction.atomic():
        ModelOpinion.objects.filter(project=project).exclude(version=version).delete()
        mark_stale(project_id=project.pk)
    return n_stored


class CrossFitted(NamedTuple):
    """P(a preferred) by models that did not learn from the comparison; see `CrossFittedOpinion`."""

    comparison_id: int
    p_a: float
    strength: float
    std: float | None
    rank: int | None


def record_cross_fitted(*, project: Project, comparison_set: int, opinions: Iterable[CrossFitted]) -> int:
    """Store what cross-fitted models think of the comparisons of set `comparison_set`, in place of any before.

    Batches are committed one by one, as by `record_opinions`; a comparison that is gone meanwhile is left out.
    """
    n_stored = 0
    rest = iter(opinions)
    while batch := list(islice(rest, BATCH)):
        known = set(
            Comparison.objects.filter(project=project, pk__in=[one.comparison_id for one in batch]).values_list(
                "pk", flat=True
            )
        )
        rows = [
            CrossFittedOpinion(project=project, comparison_set=comparison_set, **one._asdict())
            for one in batch
            if one.comparison_id in known
        ]
        CrossFittedOpinion.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["comparison"],
            update_fields=["p_a", "strength", "std", "rank", "comparison_set"],
        )
        n_stored += len(rows)
    with transaction.atomic():
        CrossFittedOpinion.objects.filter(project=project).exclude(comparison_set=comparison_set).delete()
        mark_stale(project_id=project.pk)
    return n_stored


@transaction.atomic
def record_judge_opinions(*, project: Project, judge: str, opinions: dict[int, float]) -> int:
    """Store where `judge` is against people (comparison: P(a preferred)), in place of what any judge thought before.

    Returns of how many. Without opinions the project has none; a comparison that is gone meanwhile is left out.
    """
    JudgeOpinion.objects.filter(project=project).delete()
    known = Comparison.objects.filter(project=project, pk__in=list(opinions)).values_list("pk", flat=True)
    made = JudgeOpinion.objects.bulk_create(
        [JudgeOpinion(comparison_id=pk, project=project, judge=judge, p_a=opinions[pk]) for pk in known],
        batch_size=BATCH,
    )
    mark_stale(project_id=project.pk)
    return len(made)


@transaction.atomic
def forget_judge_opinions(*, project: Project, judge: str) -> None:
    """Take what `judge` thought out of the reviewers' queue."""
    JudgeOpinion.objects.filter(project=project, judge=judge).delete()
    mark_stale(project_id=project.pk)
