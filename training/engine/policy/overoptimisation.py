"""Over-optimisation: what Gao et al. found of it, fitted to what a run has measured. Pure functions of arrays.

With d = √KL(π‖π_ref) and gold the true reward's gain over the reference, "Scaling Laws for Reward Model
Overoptimization" (Gao, Schulman and Hilton 2022, arXiv 2210.10760) finds

    best of n:  gold(d) = d (α − β d)       highest at d* = α / 2β, where it is α² / 4β
    RL:         gold(d) = d (α − β ln d)    highest at d* = exp(α / β − 1), where it is β d*

Both are linear in α and β, so that fits and intervals are those of least squares. RL's form is not valid near d = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import gammaln

Floats = NDArray[np.float64]
Kind = Literal["best_of_n", "rl"]
Interval = tuple[float, float]

CONFIDENCE = 0.95
LEAST_POINTS = 3
# Peaks farther out than this are no prediction any more, but "not in sight".
FARTHEST = 1e6


@dataclass(frozen=True)
class GaoFit:
    """A fitted curve. Intervals are 95 %.

    peak_d: where gold is highest; 0 where it falls from the start, None where the fitted curve does not come down.
    peak_d_interval: every d at which the data leave open that the slope is 0 there; its upper end is None where they
    leave open that there is no peak. peak_gold: the curve's value at the peak. r2: share of the variance of gold that
    the curve explains. n: points it was fitted to.
    """

    kind: Kind
    alpha: float
    beta: float
    alpha_interval: Interval
    beta_interval: Interval
    peak_d: float | None
    peak_d_interval: tuple[float, float | None] | None
    peak_gold: float | None
    r2: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def fit_gao(kind: Kind, d: ArrayLike, gold: ArrayLike, se: ArrayLike | None = None) -> GaoFit | None:
    """Least squares of gold gains (n,) on distances d (n,), weighted by 1/se² where standard errors are given.

    Points without a finite number, and those at d = 0, which say nothing of the curve, are left out; None where fewer
    than three different d remain. Intervals of α and β are Student's; that of the peak is Fieller's (1954), which is as
    exact: it inverts the test that the slope α − β·2d, or α − β (1 + ln d), is 0 at d. With `se`, errors are taken for
    no smaller than they say, though the points should lie on the curve by chance.
    """
    x, y = (np.asarray(one, dtype=np.float64) for one in (d, gold))
    s = np.ones_like(x) if se is None else np.asarray(se, dtype=np.float64)
    keep = np.isfinite(x) & np.isfinite(y) & np.isfinite(s) & (x > 0) & (s > 0)
    x, y, s = x[keep], y[keep], s[keep]
    n = len(x)
    if len(np.unique(x)) < LEAST_POINTS:
        return None
    design = _design(kind, x) / s[:, None]
    target = y / s
    inverse = np.linalg.inv(design.T @ design).astype(np.float64)
    alpha, beta = inverse @ (design.T @ target)
    residuals = target - design @ np.array([alpha, beta])
    variance = float(residuals @ residuals) / (n - 2)
    covariance = inverse * (variance if se is None else max(variance, 1.0))
    t = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 2))
    half = t * np.sqrt(np.diag(covariance))
    weights = 1 / s**2
    spread = float(weights @ (y - np.average(y, weights=weights)) ** 2)
    r2 = 1 - float(residuals @ residuals) / spread if spread > 0 else 0.0
    peak = _peak(kind, float(alpha), float(beta))
    return GaoFit(
        kind=kind,
        alpha=float(alpha),
        beta=float(beta),
        alpha_interval=(float(alpha - half[0]), float(alpha + half[0])),
        beta_interval=(float(beta - half[1]), float(beta + half[1])),
        peak_d=peak,
        peak_d_interval=_peak_interval(kind, float(alpha), float(beta), covariance, t),
        peak_gold=None if peak is None else _value(kind, float(alpha), float(beta), peak),
        r2=r2,
        n=n,
    )


def predict(fit: GaoFit, d: ArrayLike) -> Floats:
    """Gold gains on the fitted curve, of the shape of d; 0 at d = 0."""
    x = np.asarray(d, dtype=np.float64)
    values: Floats = _design(fit.kind, x) @ np.array([fit.alpha, fit.beta])
    return values


def _design(kind: Kind, d: Floats) -> Floats:
    """(…, 2): what α and β are multiplied by."""
    if kind == "best_of_n":
        return np.stack([d, -(d**2)], axis=-1)
    if kind == "rl":
        # d ln d is 0 at 0.
        return np.stack([d, -d * np.log(np.where(d > 0, d, 1.0))], axis=-1)
    raise ValueError(f"kind: expected best_of_n or rl, got {kind!r}")


def _value(kind: Kind, alpha: float, beta: float, d: float) -> float:
    return float(_design(kind, np.array(d)) @ np.array([alpha, beta]))


def _peak(kind: Kind, alpha: float, beta: float) -> float | None:
    if kind == "best_of_n" and alpha <= 0:
        # Falls from the start; where it comes up again (β < 0) is no peak either.
        return 0.0 if beta >= 0 else None
    if beta <= 0:
        return None
    found = _d_of(kind, alpha / beta)
    return found if found < FARTHEST else None


def _d_of(kind: Kind, g: float) -> float:
    """The d of which the slope is α − β g: g = 2d, or 1 + ln d."""
    if kind == "best_of_n":
        return max(0.0, g / 2)
    return math.exp(min(g - 1, 700.0))


def _peak_interval(
    kind: Kind, alpha: float, beta: float, covariance: Floats, t: float
) -> tuple[float, float | None] | None:
    """Where (α − βg)² ≤ t² Var(α − βg); None where gold certainly never comes down."""
    v_alpha, v_beta, both = covariance[0, 0] * t**2, covariance[1, 1] * t**2, covariance[0, 1] * t**2
    a, b, c = beta**2 - v_beta, alpha * beta - both, alpha**2 - v_alpha
    discriminant = b**2 - a * c
    if a > 0:
        if beta < 0:
            return None
        root = math.sqrt(max(discriminant, 0.0))
        low, high = _d_of(kind, (b - root) / a), _d_of(kind, (b + root) / a)
        return (min(low, FARTHEST), high if high < FARTHEST else None)
    # Whether gold ever comes down is open. It comes down no earlier than it certainly still rises.
    if discriminant <= 0 or a == 0:
        return (0.0, None)
    root = math.sqrt(discriminant)
    first, last = sorted(((b - root) / a, (b + root) / a))
    is_rising = alpha - beta * (first + last) / 2 > 0
    return (min(_d_of(kind, last), FARTHEST) if is_rising else 0.0, None)


# --- best of n --------------------------------------------------------------------------------------------------------
def best_of_n_kl(n: ArrayLike) -> Floats:
    """KL in nats of the best of n completions from one completion: ln n − (n − 1)/n, of the shape of n.

    Exact where no two completions have the same reward, otherwise an upper bound (Beirami et al. 2024).
    """
    count = np.asarray(n, dtype=np.float64)
    kl: Floats = np.log(count) - (count - 1) / count
    return kl


def best_of_n_each(proxy: ArrayLike, values: ArrayLike, ns: Sequence[int]) -> Floats:
    """(len(ns), p): for each prompt, the mean of `values` (p, m) of the completion with the highest `proxy` (p, m) of
    n that are drawn of its m without replacement.

    The mean over all subsets, not over some (Nakano et al. 2021, arXiv 2112.09332, appendix I): with completions in
    ascending order of proxy, number i is the best of C(i − 1, n − 1) of the C(m, n) subsets. Completions of one proxy
    share their chances. Raises ValueError for an n that is not in 1…m.
    """
    x, y = np.asarray(proxy, dtype=np.float64), np.asarray(values, dtype=np.float64)
    n_prompts, m = x.shape
    if any(not 1 <= n <= m for n in ns):
        raise ValueError(f"ns: expected numbers from 1 to {m}, got {list(ns)}")
    weights = np.stack([_rank_weights(m, n) for n in ns])
    found = np.empty((len(ns), n_prompts))
    for row in range(n_prompts):
        _, group = np.unique(x[row], return_inverse=True)
        order = np.argsort(x[row], kind="stable")
        sizes = np.bincount(group)
        totals = np.add.reduceat(weights, np.concatenate([[0], np.cumsum(sizes)[:-1]]), axis=1)
        means = np.bincount(group[order], weights=y[row][order]) / sizes
        found[:, row] = totals @ means
    return found


def best_of_n_means(proxy: ArrayLike, values: ArrayLike, ns: Sequence[int]) -> Floats:
    """(len(ns),): `best_of_n_each`, mean over prompts."""
    means: Floats = best_of_n_each(proxy, values, ns).mean(axis=1)
    return means


def _rank_weights(m: int, n: int) -> Floats:
    """(m,): chance of each rank, lowest first, to be the highest of n of m."""
    rank = np.arange(1, m + 1, dtype=np.float64)
    weights = np.zeros(m)
    can = rank >= n
    i = rank[can]
    weights[can] = np.exp(
        gammaln(i) - gammaln(n) - gammaln(i - n + 1) - (gammaln(m + 1) - gammaln(n + 1) - gammaln(m - n + 1))
    )
    return weights / weights.sum()
