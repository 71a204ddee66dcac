"""Agreement of all labellers, and of two."""

from collections.abc import Iterator
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

# How much of the κ matrix is worked on at a time: cells of confusion tables counted, pairs of ratings listed, cells
# drawn. Each stays below 100 MB.
_TABLE_CELLS = 8_000_000
_PAIRS_LISTED = 4_000_000
_CELLS_DRAWN = 2_000_000


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
    rank, n_values = _ranks(both, categories)
    index_one, index_two = rank[: len(one)], rank[len(one) :]
    table = np.bincount(index_one * n_values + index_two, minlength=n_values * n_values)
    disagreement_weight = _disagreement_weights(n_values, weights)

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


@dataclass(frozen=True)
class KappaMatrix:
    """Cohen's κ of every two labellers: labellers (L,), the rest (L, L) and symmetric.

    kappa, low, high: nan where the two share too few units or always say the same one thing, and on the diagonal.
    n: units both rated; on the diagonal, units the labeller rated.
    """

    labellers: Ints
    kappa: Floats
    low: Floats
    high: Floats
    n: Ints


def kappa_matrix(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    labeller_ids: ArrayLike | None = None,
    weights: Weights = "none",
    categories: ArrayLike | None = None,
    min_units: int = MIN_UNITS,
    n_resamples: int = 200,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> KappaMatrix:
    """`cohen_kappa` of every two of the labellers, in the order of `labeller_ids` (by default all, ascending).

    The categories are the same for all pairs: by default the values that occur in these labellers' ratings. Intervals
    are percentiles of multinomial resamples of each pair's confusion table, `n_resamples` of them; without any, nan.
    """
    units, labellers, values = np.asarray(units), np.asarray(labellers), np.asarray(values)
    if not units.shape == labellers.shape == values.shape or units.ndim != 1:
        raise ValueError(
            f"units {units.shape}, labellers {labellers.shape}, values {values.shape} must be one entry a rating"
        )
    asked = np.unique(labellers) if labeller_ids is None else np.asarray(labeller_ids, dtype=np.int64)
    ascending = np.argsort(asked, kind="stable")
    at = np.searchsorted(asked[ascending], labellers)
    is_asked = at < len(asked)
    is_asked[is_asked] = asked[ascending][at[is_asked]] == labellers[is_asked]
    labeller = ascending[at[is_asked]]
    rank, n_values = _ranks(values[is_asked], categories)
    disagreement_weight = _disagreement_weights(n_values, weights)

    n_labellers = len(asked)
    kappa, low, high = (np.full((n_labellers, n_labellers), np.nan) for _ in range(3))
    n = np.zeros((n_labellers, n_labellers), dtype=np.int64)
    np.fill_diagonal(n, np.bincount(labeller, minlength=n_labellers))
    rng = np.random.default_rng(seed)
    for one, other, tables in _confusion_tables(units[is_asked], labeller, rank, n_labellers, n_values):
        shared = tables.sum(axis=1)
        n[one, other] = n[other, one] = shared
        is_enough = (shared >= max(min_units, 1)) & (one != other)
        # Pairs with about as many cells in use go together, the fullest cells first: drawing is fastest so.
        one, other, tables = one[is_enough], other[is_enough], tables[is_enough]
        n_used = (tables > 0).sum(axis=1)
        by_used = np.argsort(n_used, kind="stable")
        block = max(1, _CELLS_DRAWN // (max(n_resamples, 1) * max(n_values, 1) ** 2))
        for start in range(0, len(one), block):
            chosen = by_used[start : start + block]
            found = _kappas(tables[chosen], int(n_used[chosen[-1]]), disagreement_weight, n_resamples, confidence, rng)
            for matrix, column in zip((kappa, low, high), found, strict=True):
                matrix[one[chosen], other[chosen]] = matrix[other[chosen], one[chosen]] = column
    return KappaMatrix(labellers=asked, kappa=kappa, low=low, high=high, n=n)


def _confusion_tables(
    units: NDArray[Any], labeller: Ints, rank: Ints, n_labellers: int, n_values: int
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """(one, other, tables) of pairs of labellers, one < other: (K,), (K,), (K, V²) how often they said what together.

    labeller, rank: (n,) 0 ≤ labeller < n_labellers, 0 ≤ rank < V. Only pairs that share a unit come.
    """
    order = np.lexsort((labeller, units))
    units, labeller, rank = units[order], labeller[order], rank[order]
    n_cells = n_values * n_values
    n_rows = max(1, _TABLE_CELLS // max(n_labellers * n_cells, 1))
    for first in range(0, n_labellers, n_rows):
        rows = min(n_rows, n_labellers - first)
        in_rows = (labeller >= first) & (labeller < first + rows)
        tables = np.zeros(rows * n_labellers * n_cells, dtype=np.int64)
        # Ratings of a unit are neighbours: rating i is paired with i + 1, then i + 2, while any unit is that long.
        listed: list[Ints] = []
        distance, left = 1, np.flatnonzero(in_rows)
        while len(left):
            left = left[left + distance < len(units)]
            left = left[units[left] == units[left + distance]]
            right = left + distance
            pair = (labeller[left] - first) * n_labellers + labeller[right]
            listed.append(pair * n_cells + rank[left] * n_values + rank[right])
            if sum(map(len, listed)) >= _PAIRS_LISTED or not len(left):
                tables += np.bincount(np.concatenate(listed), minlength=len(tables))
                listed = []
            distance += 1
        by_pair = tables.reshape(rows * n_labellers, n_cells)
        pairs = np.flatnonzero(by_pair.any(axis=1))
        one, other = np.divmod(pairs, n_labellers)
        is_upper = one + first < other
        yield one[is_upper] + first, other[is_upper], by_pair[pairs[is_upper]]


def _kappas(
    tables: Ints,
    n_used: int,
    disagreement_weight: Floats,
    n_resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """κ, low, high (K,) of confusion tables (K, V²) of which at most n_used cells are in use."""
    n_values = len(disagreement_weight)
    cells = np.argsort(-tables, axis=1, kind="stable")[:, :n_used]
    counts = np.take_along_axis(tables, cells, axis=1)
    one, other = np.divmod(cells, n_values)
    apart = disagreement_weight[one, other]
    # What a cell adds to: the row's margin (V), the column's margin (V), the observed disagreement.
    adds_to = np.concatenate([np.eye(n_values)[one], np.eye(n_values)[other], apart[:, :, None]], axis=2)

    def kappa(weights: Floats) -> Floats:
        """(K, B) of weights (K, B, C)."""
        sums = weights @ adds_to
        rows, columns, observed = sums[..., :n_values], sums[..., n_values:-1], sums[..., -1]
        expected = ((rows @ disagreement_weight) * columns).sum(axis=2)
        return 1 - share(observed * rows.sum(axis=2), expected)

    value = kappa(counts[:, None, :].astype(np.float64))[:, 0]
    if n_resamples == 0:
        return value, np.full(len(value), np.nan), np.full(len(value), np.nan)
    n = counts.sum(axis=1)
    drawn = rng.multinomial(n[:, None], (counts / n[:, None])[:, None, :], size=(len(n), n_resamples))
    resampled = np.sort(kappa(drawn.astype(np.float64)), axis=1)  # nan come last
    n_valid = (~np.isnan(resampled)).sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = (_sorted_quantile(resampled, n_valid, at) for at in (tail, 1 - tail))
    has_interval = (2 * n_valid >= n_resamples) & ~np.isnan(value)
    return value, np.where(has_interval, low, np.nan), np.where(has_interval, high, np.nan)


def _sorted_quantile(ascending: Floats, n_valid: Ints, at: float) -> Floats:
    """Quantile of the first n_valid (K,) of each row (K, B), between neighbours as `numpy.quantile` has it."""
    place = at * np.maximum(n_valid - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(n_valid - 1, 0))
    rows = np.arange(len(ascending))
    return ascending[rows, below] + (place - below) * (ascending[rows, above] - ascending[rows, below])


def _ranks(values: NDArray[Any], categories: ArrayLike | None) -> tuple[Ints, int]:
    """Rank (n,) of each value among the categories, and how many there are."""
    scale = np.unique(values if categories is None else np.asarray(categories))
    rank = np.searchsorted(scale, values)
    if len(values) and (rank.max() >= len(scale) or (scale[rank] != values).any()):
        raise ValueError("values outside the categories")
    return rank, len(scale)


def _disagreement_weights(n_values: int, weights: Weights) -> Floats:
    """How much two ranks disagree: (V, V)."""
    ranks = np.arange(n_values)
    apart = np.abs(ranks[:, None] - ranks[None, :]).astype(np.float64)
    if weights == "none":
        return (apart > 0).astype(np.float64)
    if weights == "linear":
        return apart
    if weights == "quadratic":
        return apart**2
    raise ValueError(f"weights is none, linear or quadratic, not {weights!r}")
