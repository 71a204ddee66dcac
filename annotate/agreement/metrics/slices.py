"""Where the disagreement sits: the same figures for parts of the ratings, ranked by how much each part contributes.

Groups are integers ≥ 0 that the caller gives a meaning (a tag's id, the number of a week); −1 says "in none".
Disagreement is the share of pairs of ratings on one unit that differ, 1 − percent agreement.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotate.agreement.metrics.stat import (
    CONFIDENCE,
    MIN_UNITS,
    N_RESAMPLES,
    Floats,
    Ints,
    Stat,
    bootstraps,
    patterns_of,
    share,
    value_counts,
    with_wilson_when_constant,
)


class Resampling(TypedDict):
    min_units: int
    n_resamples: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class Slice:
    """One group. n_units: its units with a pair of ratings, on which all else rests; n_ratings: the group's on them.

    disagreement: share of its pairs of ratings that differ. alpha: the same corrected for chance, nominal.
    share: its part of all differing pairs; where a unit may be in several groups, shares sum to more than 1.
    excess: by how much the overall disagreement would fall if the group's were that of all others; negative for a group
    that agrees better than the others. None where the group or the others have too few units.
    """

    key: int
    n_units: int
    n_ratings: int
    disagreement: Stat
    alpha: Stat
    share: float | None
    excess: float | None


@dataclass(frozen=True)
class Change:
    """Disagreement of a group minus that of the `previous` one; "lower", "higher": the interval leaves out 0.

    n of the difference counts units with a pair of ratings in either group. "too_few" where one of the two has too few.
    """

    key: int
    previous: int
    difference: Stat
    verdict: Literal["lower", "higher", "unclear", "too_few"]


# --- Groups of units -------------------------------------------------------------------------------------------------


def by_unit_group(
    units: ArrayLike,
    values: ArrayLike,
    unit_ids: ArrayLike,
    groups: ArrayLike,
    *,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> list[Slice]:
    """A slice for each group of units, the greatest excess first.

    unit_ids, groups: (m,) that a unit is in a group. A unit may be in several (tags), in one or in none; units without
    ratings and memberships given twice do no harm. The others of a group are all units with ratings that are not in it.
    """
    ids, groups = np.asarray(unit_ids), np.asarray(groups)
    if ids.shape != groups.shape or ids.ndim != 1:
        raise ValueError(f"unit_ids {ids.shape} and groups {groups.shape} must be one entry a membership")
    counts, rated, _ = value_counts(units, values)
    is_paired = counts.sum(axis=1) >= 2
    patterns, which = patterns_of(counts[is_paired])
    paired = rated[is_paired]
    keys, group = np.unique(groups[groups >= 0], return_inverse=True)
    ids = ids[groups >= 0]
    at = np.searchsorted(paired, ids)
    is_known = at < len(paired)
    is_known[is_known] = paired[at[is_known]] == ids[is_known]
    members = np.unique(group[is_known] * len(paired) + at[is_known])  # each unit once a group
    group, unit = np.divmod(members, max(len(paired), 1))
    times = _times(group, which[unit], len(keys), len(patterns))
    overall = np.bincount(which, minlength=len(patterns))
    return _slices(
        keys, times, patterns, overall, min_units=min_units, n_resamples=n_resamples, confidence=confidence, seed=seed
    )


# --- Groups of ratings -----------------------------------------------------------------------------------------------


def by_rating_group(
    units: ArrayLike,
    values: ArrayLike,
    groups: ArrayLike,
    *,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> list[Slice]:
    """A slice for each group of ratings (weeks, guideline versions), of agreement among the group's own ratings.

    groups: (n,). Pairs of ratings from two groups are in no slice, nor in what a slice is compared with.
    """
    keys, group, _, patterns, which = _within_groups(units, values, groups)
    times = _times(group, which, len(keys), len(patterns))
    return _slices(
        keys,
        times,
        patterns,
        times.sum(axis=0),
        min_units=min_units,
        n_resamples=n_resamples,
        confidence=confidence,
        seed=seed,
    )


def agreement_of_ratings(
    units: ArrayLike,
    values: ArrayLike,
    groups: ArrayLike,
    *,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> list[Slice]:
    """A slice for each group of ratings (levels of intensity): do the other ratings of their units say the same?

    groups: (n,). disagreement: share of the pairs of a rating of the group with any other rating of its unit that
    differ. alpha: 1 − observed / expected disagreement of the group's ratings; observed is a rating's mean over the
    others of its unit, expected is that with any other rating of all units. It is Krippendorff's α when the group is
    all ratings. n_units: units with a rating of the group and another one; the others are all ratings not in the group.
    """
    resampling = Resampling(min_units=min_units, n_resamples=n_resamples, confidence=confidence, seed=seed)
    units, values, groups = _columns(units, values, groups)
    counts, unit_ids, distinct = value_counts(units, values)
    is_paired = counts.sum(axis=1) >= 2
    patterns, which = patterns_of(counts[is_paired])
    paired = unit_ids[is_paired]
    overall = np.bincount(which, minlength=len(patterns))
    n_pairs, n_differing = _pairs(patterns)

    # One entry for each unit and group that meet: the group's counts of values there beside those of all ratings.
    is_used = (groups >= 0) & is_paired[np.searchsorted(unit_ids, units)]
    keys = np.unique(groups[groups >= 0])
    unit = np.searchsorted(paired, units[is_used])
    own, met, _ = _counts_of_values(
        unit * len(keys) + np.searchsorted(keys, groups[is_used]), values[is_used], distinct
    )
    unit, group = np.divmod(met, max(len(keys), 1))
    rows, row_of = patterns_of(np.concatenate([own, counts[is_paired][unit]], axis=1))
    own, whole = rows[:, : len(distinct)], rows[:, len(distinct) :]
    times = _times(group, row_of, len(keys), len(rows))
    # In a group's resamples the units without it count by their values only.
    without = overall - _times(group, which[unit], len(keys), len(patterns))
    n_own, n_others = own.sum(axis=1), whole.sum(axis=1) - 1
    own_pairs = n_own * n_others
    own_differing = own_pairs - (own * (whole - 1)).sum(axis=1)

    found = []
    for at, key in enumerate(keys.tolist()):
        with_group, no_group = times[at] > 0, without[at] > 0
        disagreement = _share_stat(own_differing, own_pairs, times[at], **resampling)
        alpha = _alpha_of_ratings(
            own[with_group],
            np.concatenate([whole[with_group], patterns[no_group]]),
            np.concatenate([times[at][with_group], without[at][no_group]]),
            disagreement,
            resampling,
        )
        # Units with a rating outside the group are those without it and those where it is not alone.
        n_other_units = int(without[at].sum() + times[at][n_own <= n_others].sum())
        part, excess = _contribution(
            (float(times[at] @ own_differing), float(times[at] @ own_pairs)),
            (2 * float(overall @ n_differing), 2 * float(overall @ n_pairs)),
            is_enough=not disagreement.too_few and n_other_units >= min_units,
        )
        found.append(Slice(key, disagreement.n, int(times[at] @ n_own), disagreement, alpha, part, excess))
    return _ranked(found)


def changes(
    units: ArrayLike,
    values: ArrayLike,
    groups: ArrayLike,
    *,
    min_units: int = MIN_UNITS,
    n_resamples: int = N_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> list[Change]:
    """For each group of ratings but the first, in ascending order (guideline versions): did disagreement change?

    Each is compared with the last one before it that has enough units. Units are resampled whole, so one with pairs in
    both groups is the same unit in both. What is compared is what came to be rated under each: if harder comparisons
    were rated under one, that is in the difference too.
    """
    resampling = Resampling(min_units=min_units, n_resamples=n_resamples, confidence=confidence, seed=seed)
    keys, group, unit, patterns, which = _within_groups(units, values, groups)
    pairs = np.stack(_pairs(patterns), axis=1)
    n_units = np.bincount(group, minlength=len(keys))
    found: list[Change] = []
    last_with_enough: int | None = None
    for at in range(len(keys)):
        before = last_with_enough
        is_enough = n_units[at] >= max(min_units, 1)
        if is_enough:
            last_with_enough = at
        if at == 0:
            continue
        other = at - 1 if before is None else before
        one, two = group == other, group == at
        both = np.union1d(unit[one], unit[two])
        if before is None or not is_enough:
            found.append(Change(int(keys[at]), int(keys[other]), Stat(None, None, None, len(both), True), "too_few"))
            continue
        # One row a unit: pairs and differing pairs in the one group and the other, 0 where the unit has none.
        rows = np.zeros((len(both), 4), dtype=np.int64)
        rows[np.searchsorted(both, unit[one]), :2] = pairs[which[one]]
        rows[np.searchsorted(both, unit[two]), 2:] = pairs[which[two]]
        difference = _difference_of_shares(rows, resampling)
        found.append(Change(int(keys[at]), int(keys[other]), difference, _verdict(difference)))
    return found


# --- Parts -----------------------------------------------------------------------------------------------------------


def _columns(
    units: ArrayLike, values: ArrayLike, groups: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    units, values, groups = np.asarray(units), np.asarray(values), np.asarray(groups, dtype=np.int64)
    if not units.shape == values.shape == groups.shape or units.ndim != 1:
        raise ValueError(
            f"units {units.shape}, values {values.shape}, groups {groups.shape} must be one entry a rating"
        )
    return units, values, groups


def _within_groups(
    units: ArrayLike, values: ArrayLike, groups: ArrayLike
) -> tuple[Ints, Ints, NDArray[Any], Ints, Ints]:
    """Units with two ratings or more of one group: (keys, group, unit, patterns, which).

    keys: (G,) ascending, also those without such a unit. group, unit, which: (m,) for each unit within a group, the
    index of the key, the unit, and the index of its counts of values in patterns (P, V).
    """
    units, values, groups = _columns(units, values, groups)
    is_in = groups >= 0
    keys, group = np.unique(groups[is_in], return_inverse=True)
    unit_ids, unit = np.unique(units[is_in], return_inverse=True)
    counts, met, _ = value_counts(unit * len(keys) + group, values[is_in])
    is_paired = counts.sum(axis=1) >= 2
    patterns, which = patterns_of(counts[is_paired])
    unit, group = np.divmod(met[is_paired], max(len(keys), 1))
    return keys, group, unit_ids[unit], patterns, which


def _counts_of_values(
    units: Ints, values: NDArray[Any], distinct: NDArray[Any]
) -> tuple[Ints, NDArray[Any], NDArray[Any]]:
    """`value_counts` with a column for each of the values (V,), also those that do not occur."""
    counts, unit_ids, occurring = value_counts(units, values)
    wide = np.zeros((len(counts), len(distinct)), dtype=np.int64)
    wide[:, np.searchsorted(distinct, occurring)] = counts
    return wide, unit_ids, distinct


def _times(group: Ints, pattern: Ints, n_groups: int, n_patterns: int) -> Ints:
    """How often each pattern occurs in each group: (G, P)."""
    flat = np.bincount(group * n_patterns + pattern, minlength=n_groups * n_patterns)
    return flat.reshape(n_groups, n_patterns)


def _pairs(patterns: Ints) -> tuple[Ints, Ints]:
    """Pairs of ratings on a unit with these counts of values, and those of them that differ: (P,) each."""
    per_unit = patterns.sum(axis=1)
    n_pairs = per_unit * (per_unit - 1) // 2
    return n_pairs, n_pairs - (patterns * (patterns - 1)).sum(axis=1) // 2


def _slices(keys: Ints, times: Ints, patterns: Ints, overall: Ints, **resampling: Unpack[Resampling]) -> list[Slice]:
    """Slices of the groups (G,) whose units show the patterns (P, V) so often (G, P), among all units (P,)."""
    n_pairs, n_differing = _pairs(patterns)
    per_unit = patterns.sum(axis=1)
    of_all = float(overall @ n_differing), float(overall @ n_pairs)
    n_all = int(overall.sum())
    found = []
    for key, all_times in zip(keys.tolist(), times, strict=True):
        occurs = all_times > 0
        own, times_of = patterns[occurs], all_times[occurs]
        differing, pairs, raters = n_differing[occurs], n_pairs[occurs], per_unit[occurs]
        # Krippendorff's coincidences that differ: ordered pairs by raters − 1.
        coincidences = 2 * differing / (raters - 1)

        def alpha(
            weights: Floats, own: Ints = own, raters: Ints = raters, coincidences: Floats = coincidences
        ) -> Floats:
            totals = weights @ own
            n = weights @ raters
            expected = n * n - (totals * totals).sum(axis=1)
            return 1 - (n - 1) * share(weights @ coincidences, expected)

        def disagreement(weights: Floats, differing: Ints = differing, pairs: Ints = pairs) -> Floats:
            return share(weights @ differing, weights @ pairs)

        rate, corrected = bootstraps(
            [disagreement, alpha], times_of, floats_per_resample=patterns.shape[1], **resampling
        )
        n_units = int(times_of.sum())
        part, excess = _contribution(
            (float(times_of @ differing), float(times_of @ pairs)),
            of_all,
            is_enough=not rate.too_few and n_all - n_units >= resampling["min_units"],
        )
        rate = with_wilson_when_constant(rate, resampling["confidence"])
        found.append(Slice(key, n_units, int(times_of @ raters), rate, corrected, part, excess))
    return _ranked(found)


def _share_stat(differing: Ints, pairs: Ints, times: Ints, **resampling: Unpack[Resampling]) -> Stat:
    """Share of pairs that differ, of units that show each row so often (P,)."""
    rows, row_of = patterns_of(np.stack([differing, pairs], axis=1))
    times = np.bincount(row_of, weights=times, minlength=len(rows)).astype(np.int64)
    (stat,) = bootstraps([lambda weights: share(weights @ rows[:, 0], weights @ rows[:, 1])], times, **resampling)
    return with_wilson_when_constant(stat, resampling["confidence"])


def _alpha_of_ratings(own: Ints, whole: Ints, times: Ints, disagreement: Stat, resampling: Resampling) -> Stat:
    """See `agreement_of_ratings`. own: (Q, V) the group's counts on units with it, which come first in whole (P, V)."""
    if disagreement.too_few:
        return disagreement
    n_with = len(own)
    per_unit = whole[:n_with].sum(axis=1)
    observed = (own * (per_unit[:, None] - whole[:n_with])).sum(axis=1) / (per_unit - 1)

    def alpha(weights: Floats) -> Floats:
        totals = weights @ whole
        n = totals.sum(axis=1, keepdims=True)
        expected = ((weights[:, :n_with] @ own) * (n - totals)).sum(axis=1) / (n[:, 0] - 1)
        return 1 - share(weights[:, :n_with] @ observed, expected)

    (stat,) = bootstraps([alpha], times, floats_per_resample=whole.shape[1], **resampling)
    return replace(stat, n=disagreement.n)


def _difference_of_shares(rows: Ints, resampling: Resampling) -> Stat:
    """Share of differing pairs, second minus first. rows: (U, 4) pairs and differing pairs of a unit in each group."""
    patterns, row_of = patterns_of(rows)
    times = np.bincount(row_of, minlength=len(patterns))

    def difference(weights: Floats) -> Floats:
        sums = weights @ patterns
        return share(sums[:, 3], sums[:, 2]) - share(sums[:, 1], sums[:, 0])

    (stat,) = bootstraps([difference], times, **resampling)
    first, second = (
        _share_stat(patterns[has, at + 1], patterns[has, at], times[has], **resampling)
        for at, has in ((0, patterns[:, 0] > 0), (2, patterns[:, 2] > 0))
    )
    if not {first.value, second.value} & {0.0, 1.0} or resampling["n_resamples"] == 0:
        return stat
    # A group without any spread makes the bootstrap too sure; Newcombe (1998) joins the two groups' own intervals.
    (low_1, p_1, high_1), (low_2, p_2, high_2) = (
        (s.low or 0.0, s.value or 0.0, s.high or 0.0) for s in (first, second)
    )
    below = float(np.hypot(p_2 - low_2, high_1 - p_1))
    above = float(np.hypot(high_2 - p_2, p_1 - low_1))
    return replace(stat, low=p_2 - p_1 - below, high=p_2 - p_1 + above)


def _verdict(difference: Stat) -> Literal["lower", "higher", "unclear", "too_few"]:
    if difference.too_few:
        return "too_few"
    if difference.high is not None and difference.high < 0:
        return "lower"
    if difference.low is not None and difference.low > 0:
        return "higher"
    return "unclear"


def _contribution(
    own: tuple[float, float], of_all: tuple[float, float], *, is_enough: bool
) -> tuple[float | None, float | None]:
    """A group's part of all differing pairs, and its excess, from (differing, all) pairs of it and of everything.

    Were the group's rate that of the others, the overall rate would be the others' rate too.
    """
    part = own[0] / of_all[0] if of_all[0] else None
    rest = of_all[1] - own[1]
    if not is_enough or rest <= 0:
        return part, None
    return part, of_all[0] / of_all[1] - (of_all[0] - own[0]) / rest


def _ranked(slices: list[Slice]) -> list[Slice]:
    return sorted(slices, key=lambda one: (one.excess is None, -(one.excess or 0.0), one.key))
