"""What a round brought, from the ratings that came in: read anew each time, from the round's own comparisons alone.

The verdict of a comparison is a reviewer's where there is one, else the side with more ratings. Flagged comparisons,
ties and what a reviewer called invalid are in no accuracy. A reward gap of 0 counts as half right.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
from django.db.models import Case, CharField, Count, F, FloatField, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, NullIf

from annotate.agreement.metrics.stat import (
    CONFIDENCE,
    MIN_UNITS,
    Floats,
    Stat,
    bootstrap,
    share,
    wilson_interval,
    with_wilson_when_constant,
)
from annotate.agreement.models import ModelOpinion
from annotate.ratings.models import Adjudication
from annotate.ratings.services import REOPENED
from training.exports.querysets import DigestTenth
from training.reward.models import RewardModel
from training.sampling.models import RoundOpinion, SampledComparison, SamplingRound

ARMS = ("chosen", "random")
# Tenths of prompts that no reward model learns from: `exports.aggregation.split_of`.
FIRST_HELD_OUT = 8
_SHOWN_MODELS = 20


def accuracy(hits: float, n: int) -> dict[str, Any]:
    """Share of hits among n with Wilson's interval, as a Stat; below ten it is too few to say."""
    if n < MIN_UNITS:
        return asdict(Stat(None, None, None, n, too_few=True))
    low, high = wilson_interval(hits, n)
    return asdict(Stat(hits / n, low, high, n, too_few=False))


def outcome(sampling_round: SamplingRound) -> dict[str, Any]:
    """arms: of the chosen and of the random part, how many were asked, rated, and how often; how well the round's model
    and the labellers agree (`accuracy`) and the labellers among themselves (`agreement`). is_harder: whether the chosen
    part's accuracy is below the random part's with intervals that do not overlap; None where there is too little.
    later_models: see `later_models`.
    """
    rows = SampledComparison.objects.filter(sampling_round=sampling_round)
    accuracies = accuracies_of([sampling_round.pk])[sampling_round.pk]
    labels = {
        row["is_random"]: row
        for row in rows.order_by()
        .values("is_random")
        .annotate(
            n=Count("pk"),
            n_rated=Count("pk", filter=Q(comparison__n_ratings__gt=0)),
            n_labels=Sum("comparison__n_ratings"),
        )
    }
    nothing = {"n": 0, "n_rated": 0, "n_labels": 0}
    arms = {}
    for arm, is_random in zip(ARMS, (False, True), strict=True):
        found = labels.get(is_random, nothing)
        arms[arm] = {
            "n": found["n"],
            "n_rated": found["n_rated"],
            "n_labels": found["n_labels"],
            "accuracy": accuracies[arm],
            "agreement": _agreement(rows.filter(is_random=is_random)),
        }
    return {
        "arms": arms,
        "is_harder": _is_below(arms["chosen"]["accuracy"], arms["random"]["accuracy"]),
        "n_labels": sum(arm["n_labels"] for arm in arms.values()),
        "later_models": later_models(sampling_round),
    }


def accuracies_of(rounds: Iterable[int]) -> dict[int, dict[str, Any]]:
    """{round: {"chosen": Stat, "random": Stat}}: how often each round's model named the side that the ratings did."""
    ids = list(rounds)
    found = {pk: {arm: accuracy(0, 0) for arm in ARMS} for pk in ids}
    decided = _decided(SampledComparison.objects.filter(sampling_round__in=ids)).annotate(gap=_gap())
    counted = decided.filter(gap__isnull=False).values("sampling_round", "is_random")
    row: dict[str, Any]
    for row in counted.annotate(n=Count("pk"), **_hits("gap")).order_by():  # type: ignore[assignment]  # names come from **
        arm = ARMS[row["is_random"]]
        found[row["sampling_round"]][arm] = accuracy(row["gap_hits"] + row["gap_halves"] / 2, row["n"])
    return found


def later_models(sampling_round: SamplingRound) -> list[dict[str, Any]]:
    """What later reward models make of the random part: it stands for what was there to be asked, whatever the rule.

    Only comparisons with prompts that are held out of every training count. For each later model that was asked about
    them (`services.judge_rounds`, or the promoted one for the reviewers' queue): `before`, the accuracy of the round's
    own model, and `after`, its own, on the same comparisons; n_better and n_worse, on how many of them it is right
    where the other is wrong, and wrong where it is right. Newest first.
    """
    held_out = _decided(
        SampledComparison.objects.filter(sampling_round=sampling_round, is_random=True)
        .alias(tenth=DigestTenth("comparison__prompt__digest"))
        .filter(tenth__gte=FIRST_HELD_OUT)
    ).annotate(before=_gap())
    later = RewardModel.objects.filter(
        project=sampling_round.project_id, version__gt=sampling_round.reward_model.version
    ).exclude(artifact_uri="")
    told = []
    for model in later.order_by("-version")[:_SHOWN_MODELS]:
        asked = RoundOpinion.objects.filter(sampled=OuterRef("pk"), reward_model=model).values("gap")
        in_use = ModelOpinion.objects.filter(comparison=OuterRef("comparison"), version=model.version)
        both = held_out.annotate(
            asked=Subquery(asked), in_use=Subquery(in_use.annotate(gap=F("p_a") - 0.5).values("gap"))
        ).annotate(after=Case(When(asked__isnull=False, then=F("asked")), default=F("in_use")))
        counted = both.filter(after__isnull=False, before__isnull=False).aggregate(
            n=Count("pk"),
            **_hits("before"),
            **_hits("after"),
            n_better=Count("pk", filter=_is_hit("after") & _is_miss("before")),
            n_worse=Count("pk", filter=_is_miss("after") & _is_hit("before")),
        )
        n = counted["n"]
        told.append(
            {
                "reward_model": {"id": model.pk, "version": model.version},
                "before": accuracy(counted["before_hits"] + counted["before_halves"] / 2, n),
                "after": accuracy(counted["after_hits"] + counted["after_halves"] / 2, n),
                "n_better": counted["n_better"],
                "n_worse": counted["n_worse"],
            }
        )
    return told


def _decided(rows: QuerySet[SampledComparison]) -> QuerySet[SampledComparison]:
    """Those whose ratings or reviewer name a side, with `side`, "a" or "b"."""
    newest = Adjudication.objects.filter(comparison=OuterRef("comparison")).order_by("-id").values("verdict")[:1]
    side = Case(
        When(verdict__isnull=False, then=F("verdict")),
        When(comparison__n_a__gt=F("comparison__n_b"), then=Value("a")),
        When(comparison__n_b__gt=F("comparison__n_a"), then=Value("b")),
        default=Value(""),
        output_field=CharField(),
    )
    return (
        rows.filter(comparison__n_ratings__gt=0, comparison__n_flags=0)
        .alias(verdict=NullIf(Subquery(newest), Value(REOPENED)))
        .annotate(side=side)
        .filter(side__in=["a", "b"])
    )


def _gap() -> Cast:
    """reward(a) − reward(b) by the round's model when it chose."""
    return Cast(KT("terms__gap"), FloatField())


def _is_hit(gap: str) -> Q:
    return Q(**{f"{gap}__gt": 0}, side="a") | Q(**{f"{gap}__lt": 0}, side="b")


def _is_miss(gap: str) -> Q:
    return Q(**{f"{gap}__gt": 0}, side="b") | Q(**{f"{gap}__lt": 0}, side="a")


def _hits(gap: str) -> dict[str, Count]:
    return {f"{gap}_hits": Count("pk", filter=_is_hit(gap)), f"{gap}_halves": Count("pk", filter=Q(**{gap: 0}))}


def _agreement(rows: QuerySet[SampledComparison]) -> dict[str, Any]:
    """`pairs_agree` of the comparisons' ratings."""
    several = rows.filter(comparison__n_ratings__gt=1).order_by()
    counts = several.values_list("comparison__n_a", "comparison__n_b", "comparison__n_ties").annotate(n=Count("pk"))
    return pairs_agree(list(counts))


def pairs_agree(counts: Iterable[tuple[int, int, int, int]]) -> dict[str, Any]:
    """Share of pairs of ratings of one comparison that give the same answer, resampled over comparisons, as a Stat.

    counts: (n_a, n_b, n_ties, how many comparisons are rated so). Those of a single rating have no pair.
    """
    patterns = np.array(sorted(row for row in counts if sum(row[:3]) > 1), dtype=np.int64).reshape(-1, 4)
    answers, times = patterns[:, :3].astype(np.float64), patterns[:, 3]
    equal = (answers * (answers - 1)).sum(axis=1) / 2
    pairs = answers.sum(axis=1) * (answers.sum(axis=1) - 1) / 2

    def of_weights(weights: Floats) -> Floats:
        return share(weights @ equal, weights @ pairs)

    stat = bootstrap(of_weights, times, min_units=MIN_UNITS, n_resamples=1000, confidence=CONFIDENCE, seed=0)
    return asdict(with_wilson_when_constant(stat, CONFIDENCE))


def _is_below(one: dict[str, Any], other: dict[str, Any]) -> bool | None:
    if one["too_few"] or other["too_few"]:
        return None
    return bool(one["high"] < other["low"])
