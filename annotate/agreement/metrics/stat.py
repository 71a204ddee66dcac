"""What every statistic is made of: values by unit, the bootstrap, shares and their intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def patterns_of(rows: Ints) -> tuple[Ints, Ints]:
    """Distinct rows (P, K) of non-negative integers (N, K), ascending, and which of them each row is (N,)."""
    # A row as one number: sorting numbers is much faster than sorting rows. Where the next column would not fit in 62
    # bits, the numbers so far are replaced by their ranks.
    code, bound = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        base = int(column.max(initial=0)) + 1
        if bound * base >= 2**62:
            ranks, code = np.unique(code, return_inverse=True)
            bound = len(ranks)
        code, bound = code * base + column, bound * base
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return rows[first], which


def distinct_rows(rows: Ints) -> tuple[Ints, Ints]:
    """Distinct rows (P, K) of non-negative integers (N, K), and how often each occurs (P,)."""
    patterns, which = patterns_of(rows)
    return patterns, np.bincount(which, minlength=len(patterns))


# --- Bootstrap -------------------------------------------------------------------------------------------------------


def bootstrap(
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
    (stat,) = bootstraps(
        [statistic],
        times,
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
        floats_per_resample=floats_per_resample,
    )
    return stat


def bootstraps(
    statistics: Sequence[Callable[[Floats], Floats]],
    times: Ints,
    *,
    min_units: int,
    n_resamples: int,
    confidence: float,
    seed: int,
    floats_per_resample: int = 1,
) -> list[Stat]:
    """`bootstrap` of several statistics of the same units, on the same resamples: drawing is most of the work."""
    n = int(times.sum())
    if n < min_units or n == 0:
        return [Stat(None, None, None, n, too_few=True) for _ in statistics]
    rng = np.random.default_rng(seed)
    block = max(1, min(n_resamples, _BLOCK_FLOATS // max(floats_per_resample, len(times))))
    values = [float(statistic(times[None].astype(np.float64))[0]) for statistic in statistics]
    drawn: list[list[Floats]] = [[] for _ in statistics]
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        weights = rng.multinomial(n, times / n, size=size).astype(np.float64)
        for found, statistic in zip(drawn, statistics, strict=True):
            found.append(statistic(weights))
    return [
        _stat(value, np.concatenate(found) if found else np.empty(0), n, n_resamples, confidence)
        for value, found in zip(values, drawn, strict=True)
    ]


def _stat(value: float, resampled: Floats, n: int, n_resamples: int, confidence: float) -> Stat:
    if np.isnan(value):
        return Stat(None, None, None, n, too_few=False)
    resampled = resampled[~np.isnan(resampled)]
    if 2 * len(resampled) < n_resamples or not len(resampled):
        return Stat(value, None, None, n, too_few=False)
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Stat(value, float(low), float(high), n, too_few=False)


def share(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Elementwise ratio, nan where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def wilson_interval(n_hits: float, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's (1927) score interval of a share of n independent trials; it stays sensible at 0 and at n hits."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = n_hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def with_wilson_when_constant(stat: Stat, confidence: float) -> Stat:
    """Shares that are 0 or 1 on every unit have a bootstrap without spread; Wilson's bound of n units is honest."""
    if stat.value is None or stat.low != stat.high or stat.value not in (0.0, 1.0):
        return stat
    low, high = wilson_interval(stat.value * stat.n, stat.n, confidence=confidence)
    return Stat(stat.value, low, high, stat.n, stat.too_few)
