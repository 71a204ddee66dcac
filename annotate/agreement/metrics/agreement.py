"""Agreement of all labellers, and of two."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotate.agreement.metrics.stat import (
    CONFIDENCE,
    MIN_UNITS,
    N_RESAMPLES,
    Floats,
    Ints,
    Stat,
    bootstrap,
    distinct_rows,
    share,
    value_counts,
    with_wilson_when_constant,
)

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True)
class Buckets:
    """How many units with two ratings or more were unanimous, had a majority (more than half), or split.

    rate: share of rating pairs on the same unit that disagree, 1 − percent agreement; None without any pair.
    """

    unanimous: int
    majority: int
    split: int
    rate: float | None


# --- Agreement of all labellers --------------------------------------------------------------------------------------


def percent_agreement(
    units: ArrayLike,
    values: ArrayLike,
    *,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Stat:
    """Share of pairs of ratings on the same unit that are equal, over all such pairs; n counts units with a pair."""
    patterns, times = distinct_rows(_multiply_rated(value_counts(units, values)[0]))
    per_unit = patterns.sum(axis=1)
    agreeing = (patterns * (patterns - 1)).sum(axis=1) / 2
    pairs = per_unit * (per_unit - 1) / 2
    stat = bootstrap(
        lambda weights: share(weights @ agreeing, weights @ pairs),
        times,
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
    )
    return with_wilson_when_constant(stat, confidence)


def disagreement(units: ArrayLike, values: ArrayLike) -> Buckets:
    """Units with two ratings or more by how far their labellers part, and the share of rating pairs that disagree."""
    counts = _multiply_rated(value_counts(units, values)[0])
    per_unit = counts.sum(axis=1)
    largest = counts.max(axis=1, initial=0)
    n_unanimous = int((largest == per_unit).sum())
    n_split = int((2 * largest <= per_unit).sum())
    n_pairs = float((per_unit * (per_unit - 1)).sum())
    n_agreeing = float((counts * (counts - 1)).sum())
    return Buckets(
        unanimous=n_unanimous,
        majority=len(counts) - n_unanimous - n_split,
        split=n_split,
        rate=1 - n_agreeing / n_pairs if n_pairs else None,
    )


def krippendorff_alpha(
    units: ArrayLike,
    values: ArrayLike,
    *,
    level: Level = "nominal",
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Stat:
    """Krippendorff's α = 1 − observed / expected disagreement, with missing ratings (Krippendorff 2019, ch. 12).

    level: how far two values are apart. nominal: 0 or 1. interval: (c − k)². ordinal: (n_c/2 + n between + n_k/2)²,
    which depends on how often each value occurs and is therefore computed anew in each resample. Units with one rating
    drop out; n counts the others. 1 is perfect, 0 is chance, None where all ratings are the same.
    """
    counts, _, distinct = value_counts(units, values)
    patterns, times = distinct_rows(_multiply_rated(counts))
    n_values = len(distinct)
    coincidences = _coincidences(patterns).reshape(len(patterns), n_values * n_values)

    def alpha(weights: Floats) -> Floats:
        observed = (weights @ coincidences).reshape(-1, n_values, n_values)
        return _alpha_of_coincidences(observed, distinct, level)

    return bootstrap(
        alpha,
        times,
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
        floats_per_resample=4 * n_values * n_values,
    )


def _multiply_rated(counts: Ints) -> Ints:
    return counts[counts.sum(axis=1) >= 2]


def _coincidences(counts: Ints) -> Floats:
    """Each unit's pairs of values (P, V, V): c·k ordered pairs of different raters, divided by raters − 1."""
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1], dtype=np.int64)
    return pairs / (counts.sum(axis=1) - 1)[:, None, None]


def _alpha_of_coincidences(observed: Floats, distinct: NDArray[Any], level: Level) -> Floats:
    """α (B,) of coincidence matrices (B, V, V) over the values (V,); nan where nothing varies."""
    totals = observed.sum(axis=2)
    n = totals.sum(axis=1)
    distance = _squared_distance(totals, distinct.astype(np.float64), level)
    disagreement_observed = (observed * distance).sum(axis=(1, 2))
    disagreement_expected = np.einsum("bc,bck,bk->b", totals, np.broadcast_to(distance, observed.shape), totals)
    return 1 - (n - 1) * share(disagreement_observed, disagreement_expected)


def _squared_distance(totals: Floats, distinct: Floats, level: Level) -> Floats:
    """δ² between values: (1, V, V), or (B, V, V) for the ordinal level, which depends on the totals (B, V)."""
    n_values = len(distinct)
    if level == "nominal":
        return 1.0 - np.eye(n_values)[None]
    if level == "interval":
        return ((distinct[:, None] - distinct[None, :]) ** 2)[None]
    if level == "ordinal":
        # Σ_{g=c..k} n_g − (n_c + n_k)/2 is the distance between the midpoints of c and k on the cumulated counts.
        midpoints = np.cumsum(totals, axis=1) - totals / 2
        return (midpoints[:, :, None] - midpoints[:, None, :]) ** 2
    raise ValueError(f"level is nominal, ordinal or interval, not {level!r}")


def fleiss_kappa(
    units: ArrayLike,
    values: ArrayLike,
    *,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Stat:
    """Fleiss' κ (1971) over units with two ratings or more.

    Defined for the same number of ratings everywhere; where it varies, the mean of the units' agreement and the shares
    of all ratings are taken, which is the same thing when it does not.
    """
    patterns, times = distinct_rows(_multiply_rated(value_counts(units, values)[0]))
    per_unit = patterns.sum(axis=1)
    agreement_of_unit = share((patterns * (patterns - 1.0)).sum(axis=1), per_unit * (per_unit - 1.0))

    def kappa(weights: Floats) -> Floats:
        observed = weights @ agreement_of_unit / weights.sum(axis=1)
        totals = weights @ patterns
        expected = ((totals / totals.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
        return 1 - share(1 - observed, 1 - expected)

    return bootstrap(
        kappa,
        times,
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
        floats_per_resample=patterns.shape[1],
    )


# --- Agreement of two labellers --------------------------------------------------------------------------------------


def paired_values(
    units: ArrayLike, labellers: ArrayLike, values: ArrayLike, one: int, other: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What two labellers said on the units both rated: two arrays (m,) in the same order of units."""
    units, labellers, values = np.asarray(units), np.asarray(labellers), np.asarray(values)
    is_one, is_other = labellers == one, labellers == other
    _, at_one, at_other = np.intersect1d(units[is_one], units[is_other], assume_unique=True, return_indices=True)
    return values[is_one][at_one], values[is_other][at_other]


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    *,
    weights: Weights = "none",
    categories: ArrayLike | None = None,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Stat:
    """Cohen's κ (1960) of two labellers' values (m,) on the same units, weighted after Cohen (1968) if asked.

    The weights count ranks of `categories` (ascending; by default the values that occur), as scikit-learn does. Give
    the categories where a rank may not occur, for instance −4…4, so that distances are those of the scale. None where
    both always say the same one thing.
    """
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape or one.ndim != 1:
        raise ValueError(f"both labellers need a value on every unit, got {one.shape} and {two.shape}")
    both = np.concatenate([one, two])
    scale = np.unique(both if categories is None else np.asarray(categories))
    rank = np.searchsorted(scale, both)
    if len(both) and (rank.max() >= len(scale) or (scale[rank] != both).any()):
        raise ValueError("values outside the categories")
    n_values = len(scale)
    index_one, index_two = rank[: len(one)], rank[len(one) :]
    table = np.bincount(index_one * n_values + index_two, minlength=n_values * n_values)
    ranks = np.arange(n_values)
    apart = np.abs(ranks[:, None] - ranks[None, :]).astype(np.float64)
    if weights == "none":
        disagreement_weight = (apart > 0).astype(np.float64)
    elif weights == "linear":
        disagreement_weight = apart
    elif weights == "quadratic":
        disagreement_weight = apart**2
    else:
        raise ValueError(f"weights is none, linear or quadratic, not {weights!r}")

    def kappa(cells: Floats) -> Floats:
        confusion = cells.reshape(-1, n_values, n_values)
        n = confusion.sum(axis=(1, 2))
        expected = confusion.sum(axis=2)[:, :, None] * confusion.sum(axis=1)[:, None, :] / n[:, None, None]
        return 1 - share(
            (confusion * disagreement_weight).sum(axis=(1, 2)), (expected * disagreement_weight).sum(axis=(1, 2))
        )

    return bootstrap(
        kappa,
        table,
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
        floats_per_resample=4 * n_values * n_values,
    )
