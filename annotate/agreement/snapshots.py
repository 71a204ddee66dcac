"""What a snapshot holds: counts from the database, statistics from `metrics`."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from annotate.accounts.models import User
from annotate.agreement import metrics
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project
from annotate.ratings.models import Rating
from annotate.ratings.selectors import counted

DAYS_SHOWN = 60
LABELLERS_SHOWN = 200


def counts(project: Project) -> dict[str, Any]:
    by_state = dict(
        Comparison.objects.filter(project=project).values_list("state").annotate(n=Count("id")).order_by("state")
    )
    ratings = Rating.objects.filter(project=project)
    since = timezone.now() - timedelta(days=DAYS_SHOWN)
    per_day = (
        ratings.filter(created_at__gte=since)
        .annotate(day=TruncDate("created_at"))
        .values_list("day")
        .annotate(n=Count("id"))
        .order_by("day")
    )
    return {
        "prompts": Prompt.objects.filter(pool=project.pool_id).count(),
        "completions": Completion.objects.filter(prompt__pool=project.pool_id).count(),
        "comparisons": sum(by_state.values()),
        "comparisons_open": by_state.get(ComparisonState.OPEN, 0),
        "comparisons_complete": by_state.get(ComparisonState.COMPLETE, 0),
        "ratings": ratings.count(),
        "labellers": ratings.values("labeller").distinct().count(),
        "ratings_per_day": [{"date": day.isoformat(), "n": n} for day, n in per_day],
    }


def read_ratings(project: Project) -> dict[str, np.ndarray]:
    """The project's current ratings as columns, read through a server-side cursor.

    comparison, labeller: (n,) int64 ids. side: (n,) int8, −1 for b, 0 for a tie, 1 for a. signed_intensity: (n,) int8,
    the side times the intensity, ±1 where none was given. first_shown: (n,) int8, 1 when the preferred side was shown
    first, 0 when second, −1 where it is not known or a tie.
    """
    rows = (
        counted(Rating.objects.filter(project=project))
        .order_by("comparison_id", "id")
        .values_list("comparison_id", "labeller_id", "preferred", "intensity", "assignment__first")
    )
    sides = {"a": 1, "b": -1, "tie": 0}
    columns: list[list[int]] = [[], [], [], [], []]
    for comparison, labeller, preferred, intensity, first in rows.iterator(chunk_size=10_000):
        side = sides[preferred]
        values = (
            comparison,
            labeller,
            side,
            side * (intensity or 1),
            int(preferred == first) if first and side else -1,
        )
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    kinds = (np.int64, np.int64, np.int8, np.int8, np.int8)
    names = ("comparison", "labeller", "side", "signed_intensity", "first_shown")
    return {name: np.array(column, kind) for name, column, kind in zip(names, columns, kinds, strict=True)}


def reliabilities(columns: dict[str, np.ndarray]) -> dict[int, float]:
    """Chance by labeller's id that a rating of theirs names the right side, from the columns of `read_ratings`."""
    return metrics.one_coin(columns["comparison"], columns["labeller"], columns["side"])


def statistics(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Agreement as the agreement page shows it (see `AgreementSerializer`), from the columns of `read_ratings`."""
    units, labellers = columns["comparison"], columns["labeller"]
    # Which completion is called a is an accident of import, and α depends on it.
    side = metrics.randomise_orientation(units, columns["side"])
    signed_intensity = metrics.randomise_orientation(units, columns["signed_intensity"])
    buckets = metrics.disagreement(units, side)
    _, ratings_each = np.unique(units, return_counts=True)
    return {
        "n_ratings": len(units),
        "n_comparisons": len(ratings_each),
        "n_multiply_rated": int((ratings_each > 1).sum()),
        "n_labellers": len(np.unique(labellers)),
        "percent_agreement": asdict(metrics.percent_agreement(units, side)),
        "alpha_nominal": asdict(metrics.krippendorff_alpha(units, side, level="nominal")),
        "alpha_ordinal": asdict(metrics.krippendorff_alpha(units, signed_intensity, level="ordinal")),
        "disagreement": asdict(buckets),
        "labellers": _labellers(units, labellers, side, columns["first_shown"]),
    }


def _labellers(
    units: np.ndarray, labellers: np.ndarray, side: np.ndarray, first_shown: np.ndarray
) -> list[dict[str, Any]]:
    """The labellers with the most ratings, at most 200 of them, each with their figures."""
    ids, n_ratings = np.unique(labellers, return_counts=True)
    most = ids[np.argsort(-n_ratings, kind="stable")][:LABELLERS_SHOWN]
    with_others = metrics.leave_one_out_agreement(units, labellers, side)
    first_share = metrics.first_side_share(labellers, first_shown)
    pseudonyms = User.objects.in_bulk(most.tolist())
    counts = dict(zip(ids.tolist(), n_ratings.tolist(), strict=True))
    return [
        {
            "id": labeller,
            "pseudonym": pseudonyms[labeller].pseudonym,
            "n_ratings": counts[labeller],
            "agreement_with_others": asdict(with_others[labeller]),
            "first_side_share": asdict(first_share[labeller]),
        }
        for labeller in most.tolist()
    ]
