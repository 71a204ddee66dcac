"""Reads of comparison sets, and the counts that a spec would give now."""

from collections import Counter
from typing import Any

import pyarrow.parquet as pq
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, F, Func, Min, OuterRef, Q, QuerySet, Subquery, Sum

from annotate.comparisons.models import Comparison
from annotate.pool.models import CompletionSource, Prompt
from annotate.projects.access import Seat
from annotate.projects.models import Project
from annotate.ratings.models import Rating
from annotate.ratings.selectors import counted
from training import artifacts
from training.exports.aggregation import EPSILON
from training.exports.models import ComparisonSet
from training.exports.querysets import (
    LEFT_OUT,
    TAKEN,
    DigestTenth,
    ai_offered,
    ai_taken,
    excluded_labellers,
    kept,
    rated,
    taken,
    with_fate,
)
from training.exports.reading import HUMAN
from training.exports.spec import Spec

# Languages, tags, labellers and the like that a form offers or a preview tells.
MOST = 200
# Columns to read of a row; the rest are numbers for programs.
SHOWN = (
    "comparison_id",
    "prompt",
    "chosen",
    "rejected",
    "soft_preference",
    "weight",
    "margin",
    "intensity",
    "agreement",
    "n_ratings",
    "is_hard",
    "chosen_source",
    "rejected_source",
    "language",
    "tags",
)
# Only in sets that may have AI ratings; elsewhere every row is of people.
ORIGIN = "origin"

# The number of the sampling round that asked for a comparison first; null where none did.
_FIRST_ROUND = Subquery(
    Comparison.objects.filter(pk=OuterRef("pk"))
    .values("pk")
    .annotate(first=Min("sampled_in__sampling_round__number"))
    .values("first")
)


def comparison_sets(project: Project) -> QuerySet[ComparisonSet]:
    return ComparisonSet.objects.filter(project=project).select_related("job")


def preview(project: Project, spec: Spec) -> dict[str, Any]:
    """What the spec would give now: comparisons and ratings taken, per split and by what they are, why others are left
    out, and what to think of before exporting.

    A few queries over the counts that comparisons carry; of the ratings only those are read that the spec asks about.
    """
    excluded = excluded_labellers(project)
    judged = with_fate(rated(project), spec, excluded)
    fates = {row["which"]: row["n"] for row in judged.values(which=F("fate")).annotate(n=Count("pk")).order_by()}
    chosen = taken(project, spec).order_by()
    tenth = DigestTenth("digest")
    hard = Q(verdict=None, agreement__lt=spec.min_agreement - EPSILON)
    counts = chosen.annotate(tenth=tenth).aggregate(
        comparisons=Count("pk"),
        prompts=Count("prompt", distinct=True),
        ratings=Sum("n_kept", default=0),
        train=Count("pk", filter=Q(tenth__lt=8)),
        validation=Count("pk", filter=Q(tenth=8)),
        test=Count("pk", filter=Q(tenth=9)),
        hard=Count("pk", filter=hard),
        **_SPLITS,
        unanimous=Count("pk", filter=Q(agreement__gte=1 - EPSILON) | Q(verdict__isnull=False)),
        most=Count("pk", filter=Q(verdict=None, agreement__gte=2 / 3 - EPSILON, agreement__lt=1 - EPSILON)),
        less=Count("pk", filter=Q(verdict=None, agreement__lt=2 / 3 - EPSILON)),
    )
    agreement = [(name, counts.pop(name)) for name in ("unanimous", "most", "less")]
    disagreement = _disagreement(project, counts.pop("several"), counts.pop("split"))
    found: dict[str, Any] = {
        **counts,
        "left_out": {name: fates.get(name, 0) for name in LEFT_OUT}
        | {"too_many": fates.get(TAKEN, 0) - counts["comparisons"]},
        "unrated": Comparison.objects.filter(project=project, n_ratings=0).count(),
        "by_agreement": [{"bucket": name, "n": n} for name, n in agreement if n],
        "by_intensity": _by_intensity(chosen, spec, excluded),
        "by_source_kind": _by_source_kind(chosen),
        "by_language": _buckets(chosen.values(bucket=F("language"))),
        "by_batch": _buckets(chosen.annotate(batch=_FIRST_ROUND).values(bucket=F("batch"))),
        "disagreement": disagreement,
        "ai": _ai(project, spec, counts["comparisons"]),
    }
    return found | {"warnings": _warnings(found, spec)}


def _ai(project: Project, spec: Spec, n_people: int) -> dict[str, Any]:
    """Rows of AI ratings on top of the `n_people` comparisons that people have decided, all to train on; how many
    there were to take, and their share of the set."""
    if not spec.takes_ai:
        return {"comparisons": 0, "offered": 0, "share": 0.0}
    n = ai_taken(project, spec, n_people).order_by().count()
    offered = ai_offered(project, spec).order_by().count()
    return {"comparisons": n, "offered": offered, "share": n / (n + n_people) if n else 0.0}


def disagreement(project: Project, spec: Spec) -> dict[str, Any]:
    """What `preview` says of disagreement, by itself: share of those with several ratings, their number, the limit."""
    return _disagreement(project, **taken(project, spec).order_by().aggregate(**_SPLITS))


# Comparisons with several ratings that decide them, and those of them on which these differ.
_SPLITS = {
    "several": Count("pk", filter=Q(verdict=None, n_kept__gt=1)),
    "split": Count("pk", filter=Q(verdict=None, n_kept__gt=1, agreement__lt=1 - EPSILON)),
}


def _disagreement(project: Project, several: int, split: int) -> dict[str, Any]:
    share = split / several if several else None
    limit = project.disagreement_limit
    return {"share": share, "n": several, "limit": limit, "is_above": share is not None and share > limit}


def choices(seat: Seat) -> dict[str, Any]:
    """What a spec can be built of: what there is of each thing to filter by, and how much."""
    project = seat.project
    of_project = Q(comparisons__project=project, comparisons__n_ratings__gt=0)
    ratings = counted(Rating.objects.filter(project=project))
    prompts = Prompt.objects.filter(of_project)
    sources = CompletionSource.objects.filter(pool=project.pool_id)
    tags = prompts.annotate(tag=Func(F("tags"), function="unnest")).values("tag")
    return {
        "guideline_versions": [
            {"number": row["number"], "n_ratings": row["n"]}
            for row in ratings.filter(guideline_version__isnull=False)
            .values(number=F("guideline_version__number"))
            .annotate(n=Count("pk"))
            .order_by("number")
        ],
        "languages": [
            {"value": row["language"], "n": row["n"]}
            for row in prompts.values("language").annotate(n=Count("comparisons")).order_by("-n", "language")[:MOST]
        ],
        "tags": [
            {"value": row["tag"], "n": row["n"]}
            for row in tags.annotate(n=Count("comparisons")).order_by("-n", "tag")[:MOST]
        ],
        "sources": list(
            sources.annotate(n=Count("completions")).order_by("name").values("id", "name", "kind", "n")[:MOST]
        ),
        "labellers": _labellers(ratings, seat),
        "n_intensities": project.n_intensities,
        "intensity_labels": project.intensity_labels,
        "ties_allowed": project.ties_allowed,
        "disagreement_limit": project.disagreement_limit,
        "n_clusters": Prompt.objects.filter(pool=project.pool_id).aggregate(n=Count("cluster", distinct=True))["n"],
    }


def _labellers(ratings: QuerySet[Rating], seat: Seat) -> list[dict[str, Any]]:
    """Who rated, by name where the caller may know it, and whether a reviewer keeps their ratings out of every set."""
    excluded = set(excluded_labellers(seat.project))
    rows = (
        ratings.values("labeller", "labeller__name", "labeller__pseudonym")
        .annotate(n=Count("pk"))
        .order_by("-n", "labeller")
    )
    return [
        {
            "id": row["labeller"],
            "name": (row["labeller__name"] if seat.may_see_names else "") or row["labeller__pseudonym"],
            "is_excluded": row["labeller"] in excluded,
            "n_ratings": row["n"],
        }
        for row in rows[:MOST]
    ]


def first_rows(comparison_set: ComparisonSet, split: str, n: int = 20) -> list[dict[str, Any]]:
    """The first rows of a split, as they lie in its shards; [] for a split without any."""
    shards = [shard for shard in comparison_set.manifest.get("shards", []) if shard["split"] == split]
    if not shards:
        return []
    filesystem, directory = artifacts.open_filesystem(comparison_set.uri)
    with filesystem.open(f"{directory}/{shards[0]['path']}", "rb") as file:
        shard = pq.ParquetFile(file)
        has_origin = ORIGIN in shard.schema_arrow.names
        for batch in shard.iter_batches(batch_size=n, columns=[*SHOWN, *([ORIGIN] if has_origin else [])]):
            return [{ORIGIN: HUMAN} | row for row in batch.to_pylist()]
    return []


def _buckets(values: QuerySet[Any, Any]) -> list[dict[str, Any]]:
    rows = values.annotate(n=Count("pk", distinct=True)).order_by("-n")[:MOST]
    totals: Counter[str] = Counter()
    for row in rows:
        totals["" if row["bucket"] is None else str(row["bucket"])] += row["n"]
    return [{"bucket": bucket, "n": n} for bucket, n in totals.most_common()]


def _by_source_kind(chosen: QuerySet[Comparison]) -> list[dict[str, Any]]:
    """How many comparisons have a completion of each kind of source; two of one kind count once."""
    totals: Counter[str] = Counter()
    pairs = chosen.values_list(F("a_kind"), F("b_kind")).annotate(n=Count("pk")).order_by()
    for one, other, n in pairs:
        for kind in {one, other}:
            totals[kind] += n
    return [{"bucket": kind, "n": n} for kind, n in totals.most_common()]


def _by_intensity(chosen: QuerySet[Comparison], spec: Spec, excluded: list[int]) -> list[dict[str, Any]]:
    """Ratings that count of the chosen comparisons, by their intensity."""
    theirs = kept(Rating.objects.filter(comparison=OuterRef("pk")), spec, excluded).order_by().values("intensity")
    each = chosen.annotate(intensity=Func(ArraySubquery(theirs), function="unnest"))
    rows = each.values("intensity").annotate(n=Count("pk")).order_by("intensity")
    return [{"bucket": "" if row["intensity"] is None else str(row["intensity"]), "n": row["n"]} for row in rows]


def _warnings(found: dict[str, Any], spec: Spec) -> list[dict[str, str]]:
    told = []
    if spec.takes_ai and found["ai"]["offered"] == 0:
        told.append(
            ("no_ai_ratings", "No AI rating may count here: allow a judge, and let it rate unrated comparisons.")
        )
    if found["comparisons"] == 0:
        told.append(("empty", "Nothing is left: loosen a filter."))
    elif found["test"] == 0:
        told.append(("no_test", "No comparison is held out, so a model trained on this cannot be judged."))
    elif found["test"] < 30:
        told.append(("small_test", f"Only {found['test']} comparisons are held out: intervals will be wide."))
    if found["disagreement"]["is_above"]:
        share, limit = found["disagreement"]["share"], found["disagreement"]["limit"]
        told.append(
            (
                "disagreement_above_limit",
                f"Labellers disagree on {share:.0%} of these comparisons; the project's limit is {limit:.0%}.",
            )
        )
    if spec.min_agreement > 0.6 and spec.low_agreement == "drop" and found["left_out"]["low_agreement"]:
        told.append(
            (
                "only_easy",
                "Only what labellers agree on is left. Keep the rest as hard ones, so that a model sees them.",
            )
        )
    return [{"code": code, "message": message} for code, message in told]
