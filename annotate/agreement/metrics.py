"""Agreement statistics: pure functions on arrays, no Django.

Ratings come in long form, one entry a rating: `units` (n,) says which comparison, `labellers` (n,) who, `values` (n,)
what. Units and labellers are any integers (database ids will do); nothing needs to be sorted. A missing rating is one
that is not there. A labeller counts once per unit: superseded ratings and repeats are left out by the caller.

Values are numbers. Where sides are meant they are signed: 1 for a, −1 for b, 0 for a tie, and a signed intensity is
the side times the intensity. Which completion is called a is an accident of import, and α depends on it, so
`randomise_orientation` comes first for whatever is computed on signed values.

Every statistic is a `Stat` with a percentile bootstrap over units (Efron 1979): units are drawn with replacement. Units
with the same counts of values are exchangeable, so a draw is one multinomial vector over the distinct patterns, which
makes a thousand resamples of a million ratings cheap and changes nothing in the distribution.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["none", "linear", "quadratic"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Below this many units a statistic says "too few" instead of a number.
MIN_UNITS = 10
N_RESAMPLES = 1000
CONFIDENCE = 0.95

# Resamples are drawn in blocks that keep the block's coincidence matrices below about 64 MB.
_BLOCK_FLOATS = 8_000_000


@dataclass(frozen=True)
class Stat:
    """A statistic with its interval.

    n: units it rests on. too_few: n is below the minimum, so value, low and high are None. With enough units value is
    None only where the statistic does not exist: α and κ of ratings that are all the same.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    too_few: bool


@dataclass(frozen=True)
class Buckets:
    """How many units with two ratings or more were unanimous, had a majority (more than half), or split.

    rate: share of rating pairs on the same unit that disagree, 1 − percent agreement; None without any pair.
    """

    unanimous: int
    majority: int
    split: int
    rate: float | None


# --- Orientation -----------------------------------------------------------------------------------------------------


def randomise_orientation(comparison_ids: ArrayLike, values: ArrayLike, *, salt: int = 0) -> NDArray[Any]:
    """Signed values with a and b exchanged in a random half of the comparisons.

    comparison_ids, values: (n,). Returns (n,) of the values' type, some negated. The coin is the lowest bit of
    the comparison's id mixed as in splitmix64 (Steele, Lea, Flood 2014): the same for all ratings of a comparison, on
    every machine, in every run. `salt` gives another, equally fair assignment.
    """
    ids = np.asarray(comparison_ids).astype(np.int64).view(np.uint64)
    signed = np.asarray(values)
    if signed.dtype.kind == "u":
        raise ValueError("values must be signed: unsigned numbers cannot name the other side")
    hashed = ids + np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashed ^= hashed >> np.uint64(31)
    return np.where(hashed & np.uint64(1), -signed, signed)


# --- Counts ----------------------------------------------------------------------------------------------------------


def value_counts(units: ArrayLike, values: ArrayLike) -> tuple[Ints, NDArray[Any], NDArray[Any]]:
    """Counts (U, V) of each value on each unit, with the unit ids (U,) and the values (V,), both ascending."""
    units, values = np.asarray(units), np.asarray(values)
    if units.shape != values.shape or units.ndim != 1:
        raise ValueError(f"units {units.shape} and values {values.shape} must be one entry a rating")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("values must be finite: leave missing ratings out")
    unit_ids, unit_index = np.unique(units, return_inverse=True)
    distinct, value_index = np.unique(values, return_inverse=True)
    size = len(unit_ids) * len(distinct)
    counts = np.bincount(unit_index * len(distinct) + value_index, minlength=size)
    return counts.reshape(len(unit_ids), len(distinct)).astype(np.int64), unit_ids, distinct


def _distinct_rows(rows: Ints) -> tuple[Ints, Ints]:
    """Distinct rows (P, K) of non-negative integers (N, K), and how often each occurs (P,)."""
    base = int(rows.max(initial=0)) + 1
    if base ** rows.shape[1] < 2**62:  # the row as one number: sorting numbers is much faster than sorting rows
        code = rows @ base ** np.arange(rows.shape[1], dtype=np.int64)
        _, first, times = np.unique(code, return_index=True, return_counts=True)
        return rows[first], times
    distinct, times = np.unique(rows, axis=0, return_counts=True)
    return distinct, times


# --- Bootstrap -------------------------------------------------------------------------------------------------------


def _bootstrap(
    statistic: Callable[[Floats], Floats],
    times: Ints,
    *,
    min_units: int,
    n_resamples: int,
    confidence: float,
    seed: int,
    floats_per_resample: int = 1,
) -> Stat:
    """A Stat of `statistic`, which maps weights (B, P) on P patterns to values (B,), nan where it does not exist.

    times: (P,) how many units show each pattern. The interval is None when fewer than half of the resamples have a
    value.
    """
    n = int(times.sum())
    if n < min_units or n == 0:
        return Stat(None, None, None, n, too_few=True)
    value = float(statistic(times[None].astype(np.float64))[0])
    if np.isnan(value):
        return Stat(None, None, None, n, too_few=False)
    rng = np.random.default_rng(seed)
    block = max(1, min(n_resamples, _BLOCK_FLOATS // max(floats_per_resample, len(times))))
    drawn = []
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        drawn.append(statistic(rng.multinomial(n, times / n, size=size).astype(np.float64)))
    resampled = np.concatenate(drawn) if drawn else np.empty(0)
    resampled = resampled[~np.isnan(resampled)]
    if 2 * len(resampled) < n_resamples or not len(resampled):
        return Stat(value, None, None, n, too_few=False)
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Stat(value, float(low), float(high), n, too_few=False)


def _share(numerator: Floats, denominator: Floats) -> Floats:
    """Elementwise ratio, nan where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def wilson_interval(n_hits: float, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's (1927) score interval of a share of n independent trials; it stays sensible at 0 and at n hits."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = n_hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def _with_wilson_when_constant(stat: Stat, confidence: float) -> Stat:
    """Shares that are 0 or 1 on every unit have a bootstrap without spread; Wilson's bound of n units is honest."""
    if stat.value is None or stat.low != stat.high or stat.value not in (0.0, 1.0):
        return stat
    low, high = wilson_interval(stat.value * stat.n, stat.n, confidence=confidence)
    return Stat(stat.value, low, high, stat.n, stat.too_few)


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
    patterns, times = _distinct_rows(_multiply_rated(value_counts(units, values)[0]))
    per_unit = patterns.sum(axis=1)
    agreeing = (patterns * (patterns - 1)).sum(axis=1) / 2
    pairs = per_unit * (per_unit - 1) / 2
    stat = _bootstrap(
        lambda weights: _share(weights @ agreeing, weights @ pairs),
        times,
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
    )
    return _with_wilson_when_constant(stat, confidence)


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
    patterns, times = _distinct_rows(_multiply_rated(counts))
    n_values = len(distinct)
    coincidences = _coincidences(patterns).reshape(len(patterns), n_values * n_values)

    def alpha(weights: Floats) -> Floats:
        observed = (weights @ coincidences).reshape(-1, n_values, n_values)
        return _alpha_of_coincidences(observed, distinct, level)

    return _bootstrap(
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
    return 1 - (n - 1) * _share(disagreement_observed, disagreement_expected)


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
    patterns, times = _distinct_rows(_multiply_rated(value_counts(units, values)[0]))
    per_unit = patterns.sum(axis=1)
    agreement_of_unit = _share((patterns * (patterns - 1.0)).sum(axis=1), per_unit * (per_unit - 1.0))

    def kappa(weights: Floats) -> Floats:
        observed = weights @ agreement_of_unit / weights.sum(axis=1)
        totals = weights @ patterns
        expected = ((totals / totals.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
        return 1 - _share(1 - observed, 1 - expected)

    return _bootstrap(
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
        return 1 - _share(
            (confusion * disagreement_weight).sum(axis=(1, 2)), (expected * disagreement_weight).sum(axis=(1, 2))
        )

    return _bootstrap(
        kappa,
        table,
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
        floats_per_resample=4 * n_values * n_values,
    )


# --- One labeller ----------------------------------------------------------------------------------------------------


def leave_one_out_agreement(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict[int, Stat]:
    """For each labeller, how often the others say the same: the share of the others' ratings of a unit that equal
    theirs, averaged over the units they share with anybody. Every labeller is in the answer; n counts shared units.
    """
    counts, unit_ids, distinct = value_counts(units, values)
    labellers = np.asarray(labellers)
    at_unit = np.searchsorted(unit_ids, np.asarray(units))
    at_value = np.searchsorted(distinct, np.asarray(values))
    n_others = counts.sum(axis=1)[at_unit] - 1
    n_agreeing = counts[at_unit, at_value] - 1

    def stat(chosen: NDArray[np.int64]) -> Stat:
        shared = chosen[n_others[chosen] > 0]
        patterns, times = _distinct_rows(np.stack([n_agreeing[shared], n_others[shared]], axis=1))
        shares = patterns[:, 0] / np.maximum(patterns[:, 1], 1)
        found = _bootstrap(
            lambda weights: _share(weights @ shares, weights.sum(axis=1)),
            times,
            min_units=min_units,
            n_resamples=n_resamples,
            confidence=confidence,
            seed=seed,
        )
        return _with_wilson_when_constant(found, confidence)

    return {labeller: stat(chosen) for labeller, chosen in _by_labeller(labellers)}


def first_side_share(
    labellers: ArrayLike, first_shown: ArrayLike, *, min_units: int = MIN_UNITS, confidence: float = CONFIDENCE
) -> dict[int, Stat]:
    """For each labeller, how often the completion shown first was preferred: 0.5 without position bias.

    first_shown: (n,) 1 where the preferred completion had been shown first, 0 where second, −1 where it is not known or
    a tie; the last do not count. The interval is Wilson's.
    """
    shown = np.asarray(first_shown)
    found = {}
    for labeller, chosen in _by_labeller(np.asarray(labellers)):
        known = shown[chosen][shown[chosen] >= 0]
        n, n_first = len(known), int(known.sum())
        if n < max(min_units, 1):
            found[labeller] = Stat(None, None, None, n, too_few=True)
        else:
            low, high = wilson_interval(n_first, n, confidence=confidence)
            found[labeller] = Stat(n_first / n, low, high, n, too_few=False)
    return found


def _by_labeller(labellers: NDArray[Any]) -> list[tuple[int, NDArray[np.int64]]]:
    """(labeller, indices of their ratings) in ascending order of labellers."""
    if not len(labellers):
        return []
    order = np.argsort(labellers, kind="stable")
    ids, starts = np.unique(labellers[order], return_index=True)
    return [(int(labeller), chosen) for labeller, chosen in zip(ids, np.split(order, starts[1:]), strict=True)]


# --- Reliability -----------------------------------------------------------------------------------------------------


def one_coin(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    prior: tuple[float, float] = (6.0, 2.0),
    n_iterations: int = 50,
    tolerance: float = 1e-4,
) -> dict[int, float]:
    """Chance that a labeller's rating is of the right answer, for each labeller with ratings.

    units, labellers, values: (n,), values nominal. The one-coin model of Dawid and Skene (1979): a labeller is right
    with chance p, else gives any other of the answers alike; all answers are equally likely beforehand. Fitted by EM
    from majority shares, with a Beta prior on p as if the labeller had been right `prior[0]` and wrong `prior[1]` times
    before, so that few ratings say little. Labels are symmetric between "mostly right" and "mostly wrong"; starting
    from the majority chooses the former.
    """
    unit_ids, unit = np.unique(np.asarray(units), return_inverse=True)
    labeller_ids, labeller = np.unique(np.asarray(labellers), return_inverse=True)
    answers, answer = np.unique(np.asarray(values), return_inverse=True)
    n_units, n_answers = len(unit_ids), max(len(answers), 2)
    if n_units == 0:
        return {}
    right, wrong = prior
    n_of = np.bincount(labeller)
    # Before anything is known of labellers, an answer is as likely as its share of the unit's ratings.
    posterior = _by_unit(unit, answer, np.ones(len(unit)), n_units, n_answers)
    posterior /= posterior.sum(axis=1, keepdims=True)
    p = np.full(len(labeller_ids), right / (right + wrong))
    for _ in range(n_iterations):
        n_right = np.bincount(labeller, weights=posterior[unit, answer], minlength=len(labeller_ids))
        before, p = p, (n_right + right) / (n_of + right + wrong)
        weight = np.log(p * (n_answers - 1) / (1 - p))
        evidence = _by_unit(unit, answer, weight[labeller], n_units, n_answers)
        posterior = np.exp(evidence - evidence.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        if np.abs(p - before).max() < tolerance:
            break
    return dict(zip(labeller_ids.tolist(), p.tolist(), strict=True))


def _by_unit(unit: Ints, answer: Ints, weights: Floats, n_units: int, n_answers: int) -> Floats:
    """Sum of the weights of each unit's ratings by answer: (n_units, n_answers)."""
    sums = np.bincount(unit * n_answers + answer, weights=weights, minlength=n_units * n_answers)
    return np.asarray(sums, dtype=np.float64).reshape(n_units, n_answers)
