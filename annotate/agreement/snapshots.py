"""What a snapshot holds: counts from the database, statistics from `metrics`."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from numpy.typing import NDArray

from annotate.agreement import metrics, reading
from annotate.agreement.metrics.columns import Ratings
from annotate.agreement.metrics.forecast import forecast, ratings_remaining
from annotate.agreement.metrics.labellers import Figures
from annotate.agreement.metrics.reliability import Answers
from annotate.agreement.models import CrossFittedOpinion, JudgeOpinion, ModelOpinion
from annotate.agreement.reading import Read
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.guidelines.models import GuidelineVersion
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.models import Project
from annotate.ratings.filters import LENGTH_LABELS, LENGTHS
from annotate.ratings.models import Rating, RatingOrigin

DAYS_SHOWN = 60
# The pace is that of so many days before today.
PACE_DAYS = 14
LABELLERS_PAIRED = 40
SLICES_A_DIMENSION = 50
WEEKS_SHOWN = 104
# Somebody is paid for these; an imported file's or a model's ratings cost this project nothing.
_WORKED = Q(origin__in=[RatingOrigin.LABELLER, RatingOrigin.SIMULATED])


def week_start(week: int) -> date:
    """The Monday of a week as `Ratings.week` counts them."""
    return datetime.fromtimestamp(week * reading.SECONDS_A_WEEK, UTC).date() - timedelta(days=3)


def day_after(day: date, days: int | None) -> str | None:
    return None if days is None else (day + timedelta(days=days)).isoformat()


# --- Counts ----------------------------------------------------------------------------------------------------------


def counts(project: Project) -> dict[str, Any]:
    by_state = dict(
        Comparison.objects.filter(project=project).values_list("state").annotate(n=Count("id")).order_by("state")
    )
    ratings = Rating.objects.filter(project=project)
    since = timezone.now() - timedelta(days=DAYS_SHOWN)
    # What brings the work nearer to its end: no corrections, repeats, known answers or files.
    is_progress = Q(supersedes=None, is_repeat=False, comparison__gold_preferred=None) & _WORKED
    per_day = list(
        ratings.filter(created_at__gte=since)
        .annotate(day=TruncDate("created_at"))
        .values_list("day")
        .annotate(n=Count("id"), progress=Count("id", filter=is_progress))
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
        "ratings_per_day": [{"date": day.isoformat(), "n": n} for day, n, _ in per_day],
        **_work(project, {day: progress for day, _, progress in per_day}),
    }


def _work(project: Project, progress: dict[date, int]) -> dict[str, Any]:
    """`forecast`, and `worked`: the hours that were taken and will be."""
    asked = Comparison.objects.filter(project=project)
    needs = asked.filter(state=ComparisonState.OPEN).values_list("n_wanted", "n_ratings").annotate(n=Count("id"))
    open_by_need = {(wanted, has): n for wanted, has, n in needs.order_by()}
    took = asked.filter(state=ComparisonState.COMPLETE, gold_preferred=None).values_list("n_ratings")
    n_remaining = ratings_remaining(open_by_need, dict(took.annotate(n=Count("id")).order_by()))
    today = timezone.now().date()
    last_days = _last_days(progress, today)
    found = forecast(n_remaining, last_days)
    return {
        "forecast": {
            "n_remaining": round(n_remaining),
            "n_remaining_comparisons": sum(open_by_need.values()),
            "per_day": found.per_day,
            "last_days": last_days,
            "done_on": day_after(today, found.days),
            "done_earliest": day_after(today, found.earliest),
            "done_latest": day_after(today, found.latest),
        },
        "worked": _worked(project, n_remaining),
    }


def _last_days(progress: dict[date, int], today: date) -> list[int]:
    """Ratings of each of the days before today, from the first one with any in the last two weeks; today alone where
    the work began today."""
    before = [today - timedelta(days=ago) for ago in range(PACE_DAYS, 0, -1)]
    found = [progress.get(day, 0) for day in before]
    began_earlier = any(n for day, n in progress.items() if day < before[0])
    if not began_earlier:
        while found and not found[0]:
            found.pop(0)
    return found or [progress.get(today, 0)]


def _worked(project: Project, n_remaining: float) -> dict[str, Any]:
    """Hours of active time. Ratings without one are taken to have lasted as long as the others did on average."""
    timed = Rating.objects.filter(_WORKED, project=project).aggregate(
        n=Count("id"), n_timed=Count("active_ms"), active_ms=Sum("active_ms")
    )
    n_done = Comparison.objects.filter(project=project, state=ComparisonState.COMPLETE).count()
    if not timed["n_timed"]:
        return {"spent_hours": None, "remaining_hours": None, "n_comparisons": n_done, "is_estimated": None}
    mean = timed["active_ms"] / timed["n_timed"]
    return {
        "spent_hours": timed["n"] * mean / 3_600_000,
        "remaining_hours": n_remaining * mean / 3_600_000,
        "n_comparisons": n_done,
        "is_estimated": 1 - timed["n_timed"] / timed["n"],
    }


# --- Statistics ------------------------------------------------------------------------------------------------------


def statistics(project: Project, found: Read) -> dict[str, Any]:
    """Agreement as the agreement page shows it (see `AgreementSerializer`), of the ratings that are included."""
    ratings = found.ratings.select(found.is_included)
    units, labellers = ratings.comparison, ratings.labeller
    # Which completion is called a is an accident of import, and α depends on it.
    side = metrics.randomise_orientation(units, ratings.side)
    signed_intensity = metrics.randomise_orientation(units, ratings.signed_intensity)
    buckets = metrics.disagreement(units, side)
    _, ratings_each = np.unique(units, return_counts=True)
    return {
        "n_ratings": len(units),
        "n_comparisons": len(ratings_each),
        "n_multiply_rated": int((ratings_each > 1).sum()),
        "n_labellers": len(np.unique(labellers)),
        "excluded_labellers": len(np.unique(found.ratings.labeller[~found.is_included])),
        "percent_agreement": asdict(metrics.percent_agreement(units, side)),
        "alpha_nominal": asdict(metrics.krippendorff_alpha(units, side, level="nominal")),
        "alpha_ordinal": asdict(metrics.krippendorff_alpha(units, signed_intensity, level="ordinal")),
        "fleiss_kappa": asdict(metrics.fleiss_kappa(units, side)),
        "disagreement": asdict(buckets),
        "over_time": _over_time(units, side, ratings.week),
        "versions": _versions(project, units, side, ratings.version),
        "slices": _slices(project, found, units, side),
        "pairs": _pairs(units, labellers, side, signed_intensity),
    }


def _over_time(units: NDArray[Any], side: NDArray[Any], week: NDArray[Any]) -> list[dict[str, Any]]:
    """Agreement among the ratings of each week."""
    if not len(week):
        return []
    recent = np.where(week > int(week.max()) - WEEKS_SHOWN, week, -1)
    slices = {one.key: one for one in metrics.by_rating_group(units, side, recent)}
    n_of = dict(zip(*(column.tolist() for column in np.unique(recent[recent >= 0], return_counts=True)), strict=True))
    return [
        {
            "week": week_start(key).isoformat(),
            "n_ratings": n,
            "alpha": asdict(slices[key].alpha),
            "disagreement": asdict(slices[key].disagreement),
        }
        for key, n in sorted(n_of.items())
        if key in slices
    ]


def _versions(project: Project, units: NDArray[Any], side: NDArray[Any], version: NDArray[Any]) -> list[dict[str, Any]]:
    """Agreement among the ratings under each guideline version, and what the change from the last one did."""
    read = np.where(version > 0, version, -1)
    slices = {one.key: one for one in metrics.by_rating_group(units, side, read)}
    changed = {one.key: one for one in metrics.changes(units, side, read)}
    n_of = dict(zip(*(column.tolist() for column in np.unique(version, return_counts=True)), strict=True))
    none = asdict(metrics.Stat(None, None, None, 0, too_few=True))
    rows = []
    for one in GuidelineVersion.objects.filter(project=project).defer("body").order_by("number"):
        own, change = slices.get(one.number), changed.get(one.number)
        rows.append(
            {
                "number": one.number,
                "published_at": one.created_at.isoformat(),
                "change_note": one.change_note,
                "changes_meaning": one.changes_meaning,
                "n_ratings": n_of.get(one.number, 0),
                "alpha": asdict(own.alpha) if own else none,
                "disagreement": asdict(own.disagreement) if own else none,
                "change": change
                and {
                    "previous": change.previous,
                    "difference": asdict(change.difference),
                    "verdict": change.verdict,
                },
            }
        )
    return rows


# --- Slices ----------------------------------------------------------------------------------------------------------


def _slices(project: Project, found: Read, units: NDArray[Any], side: NDArray[Any]) -> list[dict[str, Any]]:
    """Parts of the ratings, those that explain most of the disagreement first."""
    rows = [
        *_by_comparison("source", *_source_pairs(found), units, side),
        *_by_comparison("language", *_languages(found), units, side),
        *_by_comparison("tag", *_tags(project), units, side),
        *_by_comparison("length", *_lengths(found), units, side),
        *_by_rating("intensity", found.intensity[found.is_included], units, side),
        *_by_rating("bucket", found.bucket[found.is_included], units, side),
    ]
    labels = {"bucket": dict(enumerate(project.bucket_labels)), "intensity": _intensities(project)}
    for row in rows:
        if row["dimension"] in labels:
            row["label"] = labels[row["dimension"]].get(int(row["key"]), row["key"])
    return sorted(rows, key=lambda row: (row["excess"] is None, -(row["excess"] or 0), row["dimension"], row["key"]))


# Keys and labels of a dimension's groups, and the memberships as two columns: which comparison is in which group.
_Groups = tuple[list[tuple[str, str]], NDArray[Any], NDArray[Any]]


def _by_comparison(
    dimension: str,
    names: list[tuple[str, str]],
    comparisons: NDArray[Any],
    groups: NDArray[Any],
    units: NDArray[Any],
    side: NDArray[Any],
) -> list[dict[str, Any]]:
    if not names:
        return []
    rated = np.isin(comparisons, units)
    kept = _commonest(groups[rated])
    slices = metrics.by_unit_group(units, side, comparisons[rated], kept)
    return [_slice(dimension, *names[one.key], one) for one in slices]


def _by_rating(dimension: str, groups: NDArray[Any], units: NDArray[Any], side: NDArray[Any]) -> list[dict[str, Any]]:
    if not (groups >= 0).any():
        return []
    return [_slice(dimension, str(one.key), "", one) for one in metrics.agreement_of_ratings(units, side, groups)]


def _slice(dimension: str, key: str, label: str, one: metrics.Slice) -> dict[str, Any]:
    return {
        "dimension": dimension,
        "key": key,
        "label": label,
        "n_comparisons": one.n_units,
        "n_ratings": one.n_ratings,
        "disagreement": asdict(one.disagreement),
        "alpha": asdict(one.alpha),
        "share": one.share,
        "excess": one.excess,
    }


def _commonest(groups: NDArray[Any]) -> NDArray[Any]:
    """The groups, −1 for those that are not among the largest ones."""
    keys, n = np.unique(groups[groups >= 0], return_counts=True)
    largest = keys[np.argsort(-n, kind="stable")][:SLICES_A_DIMENSION]
    return np.where(np.isin(groups, largest), groups, -1)


def _source_pairs(found: Read) -> _Groups:
    """By who wrote the two completions, in either order."""
    of = found.comparisons
    one, two = np.minimum(of["source_a"], of["source_b"]), np.maximum(of["source_a"], of["source_b"])
    pairs, group = np.unique(np.stack([one, two], axis=1), axis=0, return_inverse=True)
    names = dict(CompletionSource.objects.filter(pk__in=np.unique(pairs).tolist()).values_list("id", "name"))
    labelled = [(f"{a}-{b}", f"{names.get(a, a)} / {names.get(b, b)}") for a, b in pairs.tolist()]
    return labelled, of["comparison"], group.reshape(-1)


def _languages(found: Read) -> _Groups:
    return [(code, code) for code in found.languages], found.comparisons["comparison"], found.comparisons["language"]


def _tags(project: Project) -> _Groups:
    names, comparisons, groups = reading.tags(project, SLICES_A_DIMENSION)
    return [(tag, tag) for tag in names], comparisons, groups


def _lengths(found: Read) -> _Groups:
    one, two = found.comparisons["length_a"], found.comparisons["length_b"]
    ratio = np.maximum(one, two) / np.maximum(np.minimum(one, two), 1)
    groups = np.searchsorted(np.array(list(LENGTHS.values())), ratio, side="right")
    return list(LENGTH_LABELS.items()), found.comparisons["comparison"], groups


def _intensities(project: Project) -> dict[int, str]:
    strongest_first = project.intensity_labels
    return {0: "tie", **{len(strongest_first) - at: label for at, label in enumerate(strongest_first)}}


# --- Pairs of labellers ----------------------------------------------------------------------------------------------


def _pairs(
    units: NDArray[Any], labellers: NDArray[Any], side: NDArray[Any], signed_intensity: NDArray[Any]
) -> dict[str, Any]:
    """κ of every two of the labellers with the most ratings; null where they share too few comparisons."""
    ids, n_ratings = np.unique(labellers, return_counts=True)
    order = np.argsort(-n_ratings, kind="stable")[:LABELLERS_PAIRED]
    most = ids[order]
    if not len(most):
        return {"labellers": [], "kappa": [], "low": [], "high": [], "n": [], "weighted": []}
    chosen = np.isin(labellers, most)
    plain = metrics.kappa_matrix(units[chosen], labellers[chosen], side[chosen], labeller_ids=most)
    weighted = metrics.kappa_matrix(
        units[chosen],
        labellers[chosen],
        signed_intensity[chosen],
        labeller_ids=most,
        weights="quadratic",
        n_resamples=0,
    )
    return {
        "labellers": [
            {"id": labeller, "n_ratings": n}
            for labeller, n in zip(most.tolist(), n_ratings[order].tolist(), strict=True)
        ],
        "kappa": _numbers(plain.kappa),
        "low": _numbers(plain.low),
        "high": _numbers(plain.high),
        "n": plain.n.tolist(),
        "weighted": _numbers(weighted.kappa),
    }


def _numbers(matrix: NDArray[Any]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in matrix]


# --- Models of labellers ---------------------------------------------------------------------------------------------


def coins(found: Read) -> dict[int, float]:
    """What the queue's stop rule weighs a vote by (the one-coin model), by labeller's id."""
    return _of_everybody(found, lambda ratings: metrics.one_coin(ratings.comparison, ratings.labeller, ratings.side))


@dataclass(frozen=True)
class Judged:
    """What the ratings of each comparison say together, and how far each of their labellers can be relied on."""

    answers: Answers
    reliability: dict[int, float]


def models(ratings: Ratings, n_levels: int, before: dict[str, Any] | None) -> dict[str, Any]:
    """Which model of labellers predicts the project's ratings best, and by how much: compared anew when there are a
    fifth more or fewer ratings than there were `before`."""
    if before and abs(len(ratings) - before["n_ratings"]) <= before["n_ratings"] / 5:
        return before
    compared = metrics.compare_models(ratings, n_levels)
    best_first = sorted(compared.log_likelihood, key=lambda name: -compared.log_likelihood[name])
    rows = [
        {"model": name, "log_likelihood": compared.log_likelihood[name], "accuracy": compared.accuracy[name]}
        for name in best_first
    ]
    return {"chosen": compared.chosen, "n_ratings": len(ratings), "n_held_out": compared.n, "rows": rows}


def judge(ratings: Ratings, n_levels: int, model: str = metrics.DEFAULT_MODEL) -> Judged:
    """By a model of labellers (docs/decisions/011), fitted once for both.

    It can end where no side is likelier than the other, which comparisons show on which all labellers agree. Then the
    sides alone are asked, with the ratings' mean as strength; if that says no more, labellers are judged by one coin.
    """
    if not len(ratings):
        return Judged(metrics.answers(ratings, n_levels), {})
    fit = metrics.fit_of(ratings, n_levels, model=model)
    answers = metrics.answers(ratings, n_levels, fit=fit)
    if _says_something(answers, ratings):
        return Judged(answers, fit.reliability)
    sides = replace(ratings, signed_intensity=ratings.side)
    fit = metrics.fit_of(sides, n_levels, model=model)
    answers = metrics.answers(sides, n_levels, fit=fit)
    unit = np.searchsorted(answers.units, ratings.comparison)
    strength = np.bincount(unit, np.abs(ratings.signed_intensity), minlength=len(answers.units)) / answers.n
    answers = replace(answers, expected_intensity=(answers.p[:, 0] - answers.p[:, 1]) * strength)
    if _says_something(answers, ratings):
        return Judged(answers, fit.reliability)
    return Judged(answers, metrics.one_coin(ratings.comparison, ratings.labeller, ratings.side))


def _says_something(answers: Answers, ratings: Ratings) -> bool:
    """Whether it finds the side likelier that all labellers of a comparison named, two of them or more."""
    counts, _, sides = metrics.value_counts(ratings.comparison, ratings.side)
    total = counts @ sides
    is_unanimous = (np.abs(total) == counts.sum(axis=1)) & (np.abs(total) > 1)
    named = np.where(total > 0, answers.p[:, 0], answers.p[:, 1])[is_unanimous]
    return not len(named) or bool(named.mean() > 2 / 3)


def _of_everybody(found: Read, fitted: Callable[[Ratings], dict[int, float]]) -> dict[int, float]:
    """By labeller. Those who are excluded are judged beside all the others, and do not move them."""
    included = fitted(found.ratings.select(found.is_included))
    return included if found.is_included.all() else fitted(found.ratings) | included


# --- Labellers -------------------------------------------------------------------------------------------------------


def labellers(
    project: Project, found: Read, judged: Judged, model: str = metrics.DEFAULT_MODEL
) -> list[tuple[int, Figures, list[dict[str, Any]]]]:
    """Everybody's figures and findings. Those who are excluded are compared with all, the others among themselves.
    `judged`: the included ratings."""
    rows = _figures(project, found.ratings.select(found.is_included), found.repeats, judged.reliability)
    if not found.is_included.all():
        reliability = judge(found.ratings, project.n_intensities, model).reliability
        everybody = _figures(project, found.ratings, found.repeats, reliability)
        included = {labeller for labeller, _, _ in rows}
        rows += [row for row in everybody if row[0] not in included]
    return rows


def _figures(
    project: Project,
    ratings: Ratings,
    repeats: tuple[NDArray[np.int64], NDArray[np.bool_]],
    reliability: dict[int, float],
) -> list[tuple[int, Figures, list[dict[str, Any]]]]:
    if not len(ratings):
        return []
    known = np.isin(repeats[0], ratings.labeller)
    repeats = repeats[0][known], repeats[1][known]
    figures = metrics.labeller_figures(ratings, repeats=repeats, reliability=reliability)
    said: dict[int, list[dict[str, Any]]] = {}
    for one in metrics.findings(ratings, figures, repeats=repeats, gold_floor=project.gold_floor):
        said.setdefault(one.labeller, []).append(
            {"code": one.code, "value": asdict(one.value), "p_value": float(one.p_value), "version": one.version}
        )
    return [(labeller, of, said.get(labeller, [])) for labeller, of in figures.items()]


def figures_as_json(figures: Figures, findings: list[dict[str, Any]]) -> dict[str, Any]:
    shown = asdict(figures)
    for week in shown["weeks"]:
        week["week"] = week_start(week["week"]).isoformat()
    return {**shown, "findings": findings}


# --- Answers ---------------------------------------------------------------------------------------------------------


def answers(project: Project, found: Read, said: Answers) -> dict[str, list[Any]]:
    """Columns of `ComparisonAnswer` for each comparison with included ratings, whose answers `said` has, or flags."""
    ratings = found.ratings.select(found.is_included)
    of = found.comparisons
    asked = np.isin(of["comparison"], said.units) | (of["n_flags"] > 0)
    ids = of["comparison"][asked]
    at = np.searchsorted(ids, said.units)
    p = np.full((len(ids), 3), 1 / 3)
    p[at] = said.p
    expected, n = np.zeros(len(ids)), np.zeros(len(ids), dtype=np.int64)
    expected[at], n[at] = said.expected_intensity, said.n
    n_dissenting = np.zeros(len(ids), dtype=np.int64)
    counted, units, _ = metrics.value_counts(ratings.comparison, ratings.side)
    n_dissenting[np.searchsorted(ids, units)] = counted.sum(axis=1) - counted.max(axis=1, initial=0)
    opinion = _of_each(ids, ModelOpinion.objects.filter(project=project))
    doubting = _of_each(ids, CrossFittedOpinion.objects.filter(project=project, rank__isnull=False))
    judging = _of_each(ids, JudgeOpinion.objects.filter(project=project))
    worth, reasons = metrics.worth(p, n, n_dissenting, of["n_flags"][asked], opinion, doubting, judging)
    is_settled = (of["is_settled"][asked] > 0) | (of["gold"][asked] != 2)
    said_why = _none_where(reasons, is_settled)
    worth = np.where(np.array([bool(why) for why in said_why], dtype=bool), worth, 0.0)
    return {
        "comparison_id": ids.tolist(),
        "n_ratings": n.tolist(),
        "p_a": p[:, 0].tolist(),
        "p_b": p[:, 1].tolist(),
        "p_tie": p[:, 2].tolist(),
        "expected_intensity": expected.tolist(),
        "worth": worth.tolist(),
        "reasons": said_why,
    }


def _of_each(ids: NDArray[np.int64], opinions: QuerySet[Any]) -> NDArray[np.float64]:
    """P(a preferred) of each comparison (U,) by stored opinions, nan where there is none."""
    found = np.full(len(ids), np.nan)
    rows = np.array(list(opinions.values_list("comparison_id", "p_a"))).reshape(-1, 2)
    is_asked = np.isin(rows[:, 0], ids)
    found[np.searchsorted(ids, rows[is_asked, 0])] = rows[is_asked, 1]
    return found


def _none_where(reasons: Iterable[list[str]], is_settled: NDArray[Any]) -> list[list[str]]:
    return [[] if settled else why for why, settled in zip(reasons, is_settled.tolist(), strict=True)]
