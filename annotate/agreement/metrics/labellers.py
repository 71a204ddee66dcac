"""One labeller at a time: agreement with the others, habits."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotate.agreement.metrics.stat import (
    CONFIDENCE,
    MIN_UNITS,
    N_RESAMPLES,
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
