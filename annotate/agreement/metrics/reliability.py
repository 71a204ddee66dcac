"""Who can be relied on, and what the answer of each comparison is: models of labellers fitted to their ratings."""

import numpy as np
from numpy.typing import ArrayLike

from annotate.agreement.metrics.stat import (
    Floats,
    Ints,
)

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
