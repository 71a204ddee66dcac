"""One labeller at a time: agreement with the others, habits."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotate.agreement.metrics.columns import Ratings
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
    wilson_interval,
    with_wilson_when_constant,
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
        patterns, times = distinct_rows(np.stack([n_agreeing[shared], n_others[shared]], axis=1))
        shares = patterns[:, 0] / np.maximum(patterns[:, 1], 1)
        found = bootstrap(
            lambda weights: share(weights @ shares, weights.sum(axis=1)),
            times,
            min_units=min_units,
            n_resamples=n_resamples,
            confidence=confidence,
            seed=seed,
        )
        return with_wilson_when_constant(found, confidence)

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


# --- All that is said of a labeller ----------------------------------------------------------------------------------

# Nobody reads faster than this: a third of it is a quick reader's speed.
FASTEST_WORDS_PER_MINUTE = 800.0

# How far a reliability is from the true one on the simulator however many ratings there are (standard deviation).
MODEL_ERROR = 0.02


@dataclass(frozen=True)
class Week:
    """week: days since 1970-01-01 by 7. active_ms: time at work, of the ratings whose time is known."""

    week: int
    n_ratings: int
    active_ms: int
    with_others: Stat
    gold: Stat


@dataclass(frozen=True)
class Version:
    """What a labeller did while this guideline version was in force; 0 is none."""

    version: int
    n_ratings: int
    with_others: Stat


@dataclass(frozen=True)
class Figures:
    """One labeller. Shares are of the ratings that have what is asked for, and `n` of each Stat says how many.

    reliability: chance of naming the right answer, by the model of labellers given. with_others: how often another
    labeller's rating of the same comparison is the same. gold, self_agreement: right gold answers, repeats answered
    alike. first_side, longer: preferred what was shown first, the longer completion; ties do not count.
    longer_excess: `longer` less what others preferred on the same comparisons. too_fast: rated faster than anybody can
    read. drift: with_others of the later half of the ratings that others share, less that of the earlier half. ties:
    share of ties. median_active_ms: None where no time is known.
    """

    n_ratings: int
    reliability: Stat
    with_others: Stat
    gold: Stat
    self_agreement: Stat
    first_side: Stat
    longer: Stat
    longer_excess: Stat
    too_fast: Stat
    drift: Stat
    ties: Stat
    median_active_ms: float | None
    weeks: list[Week]
    versions: list[Version]


def labeller_figures(
    ratings: Ratings,
    *,
    repeats: tuple[ArrayLike, ArrayLike] = ((), ()),
    reliability: Mapping[int, float | Stat] | None = None,
    words_per_minute: float = FASTEST_WORDS_PER_MINUTE,
    min_units: int = MIN_UNITS,
    confidence: float = CONFIDENCE,
) -> dict[int, Figures]:
    """The figures of every labeller with a rating, by their id.

    repeats: the labellers (m,) of second looks at a comparison of theirs, and whether they said the same (m,).
    reliability: what a model of labellers says, by id; a bare number gets Wilson's interval, of fewer trials than there
    are ratings, since the truth is not known and no model is quite right (`MODEL_ERROR`).
    Intervals of shares are Wilson's, with as many trials as give the variance that the values have: shares of the
    others who agree vary less than single yeses and noes. Intervals of differences are Student's.
    """
    ids, labeller = np.unique(ratings.labeller, return_inverse=True)
    n_labellers = len(ids)
    count = np.bincount(labeller, minlength=n_labellers)
    summary = _Summary(min_units, confidence)

    others = others_agreeing(ratings.comparison, ratings.side)
    is_shared = ~np.isnan(others)
    with_others = summary.shares(labeller, others, n_labellers)
    gold = summary.shares(labeller, _known(ratings.gold_right), n_labellers)
    ties = summary.shares(labeller, (ratings.side == 0).astype(np.float64), n_labellers)
    first_side = summary.shares(labeller, _known(ratings.first_shown), n_labellers)
    longer = summary.shares(labeller, _known(ratings.longer), n_labellers)
    longer_excess = summary.differences(labeller, longer_than_others(ratings), n_labellers)
    too_fast = summary.shares(labeller, faster_than(ratings, words_per_minute), n_labellers)
    drift = summary.between(labeller, others, _is_later_half(labeller, ratings.created_s, is_shared), n_labellers)
    again, same = np.asarray(repeats[0], dtype=np.int64), np.asarray(repeats[1], dtype=np.float64)
    known = np.isin(again, ids)
    self_agreement = summary.shares(np.searchsorted(ids, again[known]), same[known], n_labellers)
    medians = _medians(labeller, ratings.active_ms, n_labellers)
    weeks = _weeks(ratings, labeller, others, n_labellers, summary)
    versions = _versions(ratings, labeller, others, n_labellers, summary)

    def reliability_of(at: int) -> Stat:
        found = (reliability or {}).get(int(ids[at]))
        if isinstance(found, Stat):
            return found
        n = int(count[at])
        if found is None or n < max(min_units, 1):
            return Stat(None, None, None, n, too_few=True)
        trials = max(1, round(n / (1 + n * MODEL_ERROR**2 / max(found * (1 - found), 0.01))))
        low, high = wilson_interval(found * trials, trials, confidence=confidence)
        return Stat(float(found), low, high, n, too_few=False)

    return {
        int(ids[at]): Figures(
            n_ratings=int(count[at]),
            reliability=reliability_of(at),
            with_others=with_others[at],
            gold=gold[at],
            self_agreement=self_agreement[at],
            first_side=first_side[at],
            longer=longer[at],
            longer_excess=longer_excess[at],
            too_fast=too_fast[at],
            drift=drift[at],
            ties=ties[at],
            median_active_ms=medians[at],
            weeks=weeks[at],
            versions=versions[at],
        )
        for at in range(n_labellers)
    }


# --- What each rating tells ------------------------------------------------------------------------------------------


def others_agreeing(units: ArrayLike, values: ArrayLike) -> Floats:
    """For each rating (n,) the share of the unit's other ratings that are equal to it; nan where there are none."""
    unit = np.unique(np.asarray(units), return_inverse=True)[1]
    value = np.unique(np.asarray(values), return_inverse=True)[1]
    if not len(unit):
        return np.empty(0)
    n_values = int(value.max()) + 1
    counts = np.bincount(unit * n_values + value, minlength=(int(unit.max()) + 1) * n_values)
    n_others = np.bincount(unit)[unit] - 1
    return share((counts[unit * n_values + value] - 1).astype(np.float64), n_others.astype(np.float64))


def longer_than_others(ratings: Ratings) -> Floats:
    """For each rating (n,) whether the longer completion was preferred, less the share of the comparison's others who
    did; nan for ties, for completions of equal length and where no other preferred a side.
    """
    unit = np.unique(ratings.comparison, return_inverse=True)[1]
    is_side = ratings.longer >= 0
    is_longer = (ratings.longer == 1).astype(np.float64)
    n_longer = np.bincount(unit, weights=is_longer)[unit] if len(unit) else np.empty(0)
    n_side = np.bincount(unit, weights=is_side)[unit] if len(unit) else np.empty(0)
    found = is_longer - share(n_longer - is_longer, n_side - 1)
    return np.where(is_side, found, np.nan)


def faster_than(ratings: Ratings, words_per_minute: float) -> Floats:
    """For each rating (n,) 1 where its texts were rated faster than so many words a minute allow, else 0; nan where
    time or words are not known.
    """
    is_known = (ratings.active_ms >= 0) & (ratings.n_words > 0)
    needed_ms = ratings.n_words * (60_000.0 / words_per_minute)
    return np.where(is_known, (ratings.active_ms < needed_ms).astype(np.float64), np.nan)


def _known(answers: NDArray[np.int8]) -> Floats:
    return np.where(answers >= 0, answers, np.nan).astype(np.float64)


def _is_later_half(labeller: Ints, created_s: NDArray[np.int64], counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a rating is in the later half of its labeller's ratings that count; (n,)."""
    order = np.lexsort((created_s, labeller))
    so_far = np.cumsum(counts[order])
    n_of = np.bincount(labeller, weights=counts).astype(np.int64)
    before = np.concatenate([[0], np.cumsum(n_of)[:-1]]) if len(n_of) else n_of
    is_later = np.empty(len(labeller), dtype=bool)
    is_later[order] = 2 * (so_far - before[labeller[order]]) > n_of[labeller[order]]
    return is_later


def _medians(labeller: Ints, active_ms: NDArray[np.int64], n_labellers: int) -> list[float | None]:
    known = active_ms >= 0
    order = np.lexsort((active_ms[known], labeller[known]))
    sorted_ms = active_ms[known][order]
    n_of = np.bincount(labeller[known], minlength=n_labellers)
    ends = np.cumsum(n_of)
    found: list[float | None] = []
    for n, end in zip(n_of.tolist(), ends.tolist(), strict=True):
        start = end - n
        found.append(float(sorted_ms[start + (n - 1) // 2] + sorted_ms[start + n // 2]) / 2 if n else None)
    return found


def _weeks(ratings: Ratings, labeller: Ints, others: Floats, n_labellers: int, summary: "_Summary") -> list[list[Week]]:
    found: list[list[Week]] = [[] for _ in range(n_labellers)]
    owners, weeks, group = _pairs(labeller, ratings.week)
    n_groups = len(owners)
    count = np.bincount(group, minlength=n_groups).tolist()
    active = np.bincount(group, weights=np.maximum(ratings.active_ms, 0), minlength=n_groups)
    with_others = summary.shares(group, others, n_groups)
    gold = summary.shares(group, _known(ratings.gold_right), n_groups)
    for at, (owner, week) in enumerate(zip(owners.tolist(), weeks.tolist(), strict=True)):
        found[owner].append(Week(week, count[at], int(active[at]), with_others[at], gold[at]))
    return found


def _versions(
    ratings: Ratings, labeller: Ints, others: Floats, n_labellers: int, summary: "_Summary"
) -> list[list[Version]]:
    found: list[list[Version]] = [[] for _ in range(n_labellers)]
    owners, versions, group = _pairs(labeller, ratings.version)
    count = np.bincount(group, minlength=len(owners)).tolist()
    with_others = summary.shares(group, others, len(owners))
    for at, (owner, version) in enumerate(zip(owners.tolist(), versions.tolist(), strict=True)):
        found[owner].append(Version(version, count[at], with_others[at]))
    return found


def _pairs(labeller: Ints, other: NDArray[Any]) -> tuple[Ints, Ints, Ints]:
    """The pairs (labeller, other) that occur, ascending, as two arrays, and which of them each rating is (n,)."""
    if not len(labeller):
        return labeller, labeller, labeller
    lowest = int(other.min())
    span = int(other.max()) - lowest + 1
    pairs, group = np.unique(labeller * span + (other.astype(np.int64) - lowest), return_inverse=True)
    return pairs // span, pairs % span + lowest, group


# --- Many Stats at once ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moments:
    """n, mean and unbiased variance of the known values of each group; all (G,), nan where there are too few."""

    n: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def of(cls, group: Ints, values: Floats, n_groups: int) -> "Moments":
        """group, values: (n,), nan where a value is not known."""
        known = ~np.isnan(values)
        group, values = group[known], values[known]
        n = np.bincount(group, minlength=n_groups).astype(np.float64)
        mean = share(np.bincount(group, weights=values, minlength=n_groups), n)
        squares = np.bincount(group, weights=(values - mean[group]) ** 2, minlength=n_groups)
        return cls(n, mean, share(squares, np.maximum(n - 1, 0)))


@dataclass(frozen=True)
class _Summary:
    min_units: int
    confidence: float

    def shares(self, group: Ints, values: Floats, n_groups: int) -> list[Stat]:
        """Mean of values between 0 and 1 by group, with Wilson's interval of as many trials as their variance is."""
        moments = Moments.of(group, values, n_groups)
        n, mean = moments.n, moments.mean
        trials = np.where(moments.variance > 0, share(n * mean * (1 - mean), moments.variance), n)
        # A variance that few values happen to lack would make the interval narrower than it is.
        trials = np.clip(trials, n, 4 * n)
        z = NormalDist().inv_cdf(0.5 + self.confidence / 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            centre = (mean + z * z / (2 * trials)) / (1 + z * z / trials)
            half = z / (1 + z * z / trials) * np.sqrt(mean * (1 - mean) / trials + z * z / (4 * trials**2))
        return self._stats(mean, np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0), n)

    def differences(self, group: Ints, values: Floats, n_groups: int) -> list[Stat]:
        """Mean of differences by group."""
        moments = Moments.of(group, values, n_groups)
        half = self._t(moments.n - 1) * np.sqrt(share(moments.variance, moments.n))
        return self._stats(moments.mean, moments.mean - half, moments.mean + half, moments.n)

    def between(self, group: Ints, values: Floats, is_second: NDArray[np.bool_], n_groups: int) -> list[Stat]:
        """Mean of the second values of each group less that of the first; n counts both. Each half needs enough."""
        one = Moments.of(group[~is_second], values[~is_second], n_groups)
        two = Moments.of(group[is_second], values[is_second], n_groups)
        difference = two.mean - one.mean
        smaller = np.minimum(one.n, two.n)
        half = self._t(smaller - 1) * np.sqrt(share(one.variance, one.n) + share(two.variance, two.n))
        n = one.n + two.n
        enough = smaller >= max(self.min_units, 2)
        return self._stats(difference, difference - half, difference + half, n, enough)

    def _t(self, freedom: Floats) -> Floats:
        """Student's quantile, by Cornish and Fisher's expansion of the normal one."""
        z = NormalDist().inv_cdf(0.5 + self.confidence / 2)
        v = np.maximum(freedom, 1)
        return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)

    def _stats(
        self, value: Floats, low: Floats, high: Floats, n: Floats, enough: NDArray[np.bool_] | None = None
    ) -> list[Stat]:
        enough = n >= max(self.min_units, 1) if enough is None else enough
        return [
            Stat(a, b, c, int(of), too_few=False)
            if is_enough and not isnan(a)
            else Stat(None, None, None, int(of), True)
            for a, b, c, of, is_enough in zip(
                value.tolist(), low.tolist(), high.tolist(), n.tolist(), enough.tolist(), strict=True
            )
        ]
