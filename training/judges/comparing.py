"""How a judge's ratings compare with people's. Pure functions on arrays.

Comparisons are units (n,): `side`, what people say together, 1 for a and −1 for b; `p_a`, the judge's probability that
a is better. Which completion is called a is an accident of import, so sides are turned round at random before κ.
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotate.agreement import metrics

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Before a judge's ratings may count. Landis and Koch (1977) call κ above 0.2 more than slight; labellers of open-ended
# completions often reach 0.3 to 0.5 among themselves, and a judge is not asked to beat them.
NEEDED_COMPARISONS = 100
NEEDED_KAPPA = 0.2
MOST_BELOW_PEOPLE = 0.2

BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MIN_SLICE = 10
LENGTH_SLICES = ((0.1, "below 10 %"), (0.5, "10 to 50 %"), (np.inf, "above 50 %"))


def compare(
    *,
    ids: Ints,
    side: Ints,
    p_a: Floats,
    p_first_order: Floats,
    p_second_order: Floats,
    length_a: Ints,
    length_b: Ints,
    slices: Mapping[str, NDArray[Any]],
    people_kappa: metrics.Stat | None,
    n_resamples: int = metrics.N_RESAMPLES,
) -> dict[str, Any]:
    """The report: every array (n,), the orders nan where unanswered; `slices` values by name, "" for unknown.

    kappa, agreement: of the judge's side with people's; ½ is no side and agrees with neither. calibration: by
    confidence max(p, 1 − p), how often people agree; brier: mean (p − y)². position: mean of P(the first shown is
    better) − ½, and the share of comparisons whose answer turns with the order. length: how often the longer one is
    preferred, by the judge and by people, where the lengths differ. slices: the first two by group of 10 and more.
    """
    judged = np.sign(np.round(p_a - 0.5, 9)).astype(np.int64)
    confidence = np.maximum(p_a, 1 - p_a)
    agrees = judged == side
    longer = np.sign(length_a - length_b)
    report = {
        "n": len(ids),
        "n_undecided": int((judged == 0).sum()),
        **_agreement(ids, side, judged, n_resamples),
        "people_kappa": asdict(people_kappa) if people_kappa is not None else None,
        "calibration": [
            {"low": low, "high": high, "n": int(mask.sum()), **_mean(confidence=confidence[mask], agrees=agrees[mask])}
            for low, high in itertools.pairwise(BINS)
            for mask in [(confidence >= low) & ((confidence < high) | (high == BINS[-1]))]
        ],
        "brier": float(np.mean((p_a - (side > 0)) ** 2)) if len(ids) else None,
        "position": _position(p_first_order, p_second_order),
        "length": {
            "judge": asdict(_share(judged[longer != 0] == longer[longer != 0])),
            "people": asdict(_share(side[longer != 0] == longer[longer != 0])),
        },
        "slices": [],
    }
    for by, values in slices.items():
        for value in sorted({str(one) for one in values}):
            mask = np.array([str(one) == value for one in values], dtype=bool)
            if mask.sum() >= MIN_SLICE:
                found = _agreement(ids[mask], side[mask], judged[mask], n_resamples)
                report["slices"].append({"by": by, "name": value, "n": int(mask.sum()), **found})
    return report


def length_slice(length_a: Ints, length_b: Ints) -> list[str]:
    """By how much the longer of two is longer than the shorter, relative to the longer one."""
    longest = np.maximum(np.maximum(length_a, length_b), 1)
    share = np.abs(length_a - length_b) / longest
    return [next(name for bound, name in LENGTH_SLICES if one < bound) for one in share]


def verdict(report: Mapping[str, Any]) -> list[str]:
    """Why a judge may not count; empty where it may.

    At least 100 comparisons with people's answer, the lower bound of κ at least 0.2 and no more than 0.2 below people's
    own κ on the same comparisons (Fleiss), where that is known.
    """
    if not report or report["n"] < NEEDED_COMPARISONS:
        n = report["n"] if report else 0
        return [f"It has judged {n} comparisons that people have an answer to; {NEEDED_COMPARISONS} are needed."]
    low = report["kappa"]["low"]
    people = (report["people_kappa"] or {}).get("value")
    reasons = []
    if low is None or low < NEEDED_KAPPA:
        told = "is not known" if low is None else f"may be as low as {low:.2f}"
        reasons.append(f"Its κ with people {told}; {NEEDED_KAPPA} is needed.")
    if low is not None and people is not None and low < people - MOST_BELOW_PEOPLE:
        reasons.append(
            f"Its κ with people may be as low as {low:.2f}, while people reach {people:.2f} among themselves; "
            f"{MOST_BELOW_PEOPLE} less is allowed."
        )
    return reasons


def _agreement(ids: Ints, side: Ints, judged: Ints, n_resamples: int) -> dict[str, Any]:
    turned = metrics.randomise_orientation(ids, side), metrics.randomise_orientation(ids, judged)
    return {
        "kappa": asdict(metrics.cohen_kappa(*turned, n_resamples=n_resamples)),
        "agreement": asdict(_share(judged == side)),
    }


def _share(holds: NDArray[np.bool_]) -> metrics.Stat:
    """A share with Wilson's interval."""
    n = len(holds)
    if n < metrics.MIN_UNITS:
        return metrics.Stat(None, None, None, n, True)
    low, high = metrics.wilson_interval(int(holds.sum()), n)
    return metrics.Stat(float(holds.mean()), low, high, n, False)


def _mean(**columns: NDArray[Any]) -> dict[str, float | None]:
    return {name: float(values.mean()) if len(values) else None for name, values in columns.items()}


def _position(p_first_order: Floats, p_second_order: Floats) -> dict[str, Any]:
    both = ~np.isnan(p_first_order) & ~np.isnan(p_second_order)
    first, second = p_first_order[both], p_second_order[both]
    if not len(first):
        return {"n": 0, "bias": None, "flips": None}
    # a is the first shown in the first order, b in the second.
    bias = float(np.mean((first + 1 - second) / 2) - 0.5)
    flips = np.sign(np.round(first - 0.5, 9)) != np.sign(np.round(second - 0.5, 9))
    return {"n": len(first), "bias": bias, "flips": float(flips.mean())}
