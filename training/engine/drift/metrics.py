"""Distances between two samples, x of the training side (n, d) and y of the policy's (m, d), on plain arrays.

Rows of one side must be independent of each other for the p-values to hold: the caller gives one completion a prompt.
Rows of the two sides may share prompts; that makes the sides more alike than chance would, so alarms are rarer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from training.engine.common.whitening import Array, n_components_of, squared_distances, whitening

N_PERMUTATIONS = 999
N_BINS = 10
N_FOLDS = 5
CONFIDENCE = 0.95
OUTLYING = 0.99


@dataclass(frozen=True)
class Measured:
    """A measure with its 95 % interval, the p-value of "the two sides are one distribution", and what it would be
    around if they were (`expected`). None where there is no such number."""

    value: float
    low: float | None
    high: float | None
    p_value: float | None
    expected: float | None


def standardised(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[Array, Array]:
    """Both sides with mean 0 and variance 1 over the two together; columns that do not vary are left out."""
    both = np.concatenate([x, y]).astype(np.float64)
    deviation = both.std(axis=0)
    keep = deviation > 1e-9 * max(1.0, float(np.abs(both).max(initial=0)))
    if not keep.any():
        return np.zeros((len(x), 1)), np.zeros((len(y), 1))
    both = (both[:, keep] - both[:, keep].mean(axis=0)) / deviation[keep]
    return both[: len(x)], both[len(x) :]


def mmd(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    rng: np.random.Generator,
    n_permutations: int = N_PERMUTATIONS,
) -> Measured:
    """Squared maximum mean discrepancy of an RBF kernel, unbiased, with its permutation test (Gretton et al. 2012).

    The width is the median distance of the points of both sides, so that it is the same in every permutation. The value
    may be below 0. `low` and `high` hold the middle 95 % of the permutations, that is what chance alone gives. Needs
    (n + m)² floats of memory.
    """
    points = np.concatenate([x, y]).astype(np.float32)
    n, m = len(x), len(y)
    norms = np.square(points).sum(axis=1)
    squares = np.maximum(norms[:, None] + norms[None] - 2 * points @ points.T, 0)
    np.fill_diagonal(squares, 0)  # rounding leaves a little
    some = squares[:: max(1, (n + m) // 1000), :]
    width = float(np.median(some[some > 0])) if (some > 0).any() else 1.0
    kernel = np.exp(-squares / width)
    np.fill_diagonal(kernel, 0)
    total, row_sums = float(kernel.sum(dtype=np.float64)), kernel.sum(axis=1, dtype=np.float64)

    def of(sides: NDArray[np.float32]) -> Array:
        """The estimate for columns of 1 for the training side and 0 for the other, (n + m, b)."""
        within_x = np.einsum("ib,ib->b", sides, kernel @ sides, dtype=np.float64)
        across = sides.T.astype(np.float64) @ row_sums - within_x
        within_y = total - within_x - 2 * across
        return np.asarray(within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m))

    sides = np.zeros((n + m, n_permutations + 1), dtype=np.float32)
    sides[:n] = 1
    sides[:, 1:] = rng.permuted(sides[:, 1:], axis=0)
    values = of(sides)
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Measured(
        float(values[0]), float(low), float(high), float((values >= values[0] - 1e-12).mean()), float(values[1:].mean())
    )


@dataclass(frozen=True)
class Bins:
    """Shares of the two sides in bins that hold equal shares of the training side; `edges` are those between bins."""

    edges: list[float]
    training: list[float]
    policy: list[float]


def psi(x: NDArray[np.floating], y: NDArray[np.floating], rng: np.random.Generator) -> tuple[Measured, Bins]:
    """Population stability index Σ(q−p)ln(q/p) over the deciles of the training side, and the shares in them.

    Half a count is added to every bin, so that an empty one has a logarithm. The interval is a bootstrap's; the p-value
    is that of a two-sample Kolmogorov-Smirnov test on the values themselves; equal distributions give around
    (bins − 1)(1/n + 1/m) (Yurdakul 2018).
    """
    edges = np.unique(np.quantile(x, np.arange(1, N_BINS) / N_BINS))
    counts = [
        np.bincount(np.searchsorted(edges, side, side="left"), minlength=len(edges) + 1).astype(np.float64)
        for side in (x, y)
    ]
    value = _psi(counts[0], counts[1])
    again = [rng.multinomial(len(side), n / n.sum(), size=400) for side, n in zip((x, y), counts, strict=True)]
    low, high = np.quantile(_psi(again[0], again[1]), [0.025, 0.975])
    expected = len(edges) * (1 / len(x) + 1 / len(y))
    p_value = float(stats.ks_2samp(x, y, method="auto" if max(len(x), len(y)) < 500 else "asymp").pvalue)
    bins = Bins(edges.tolist(), *((n / n.sum()).tolist() for n in counts))
    return Measured(float(value), float(low), float(high), p_value, expected), bins


def _psi(training: NDArray[Any], policy: NDArray[Any]) -> Any:
    """Over the last axis, bins."""
    p, q = ((n + 0.5) / (n.sum(axis=-1, keepdims=True) + 0.5 * n.shape[-1]) for n in (training.astype(float), policy))
    return ((q - p) * np.log(q / p)).sum(axis=-1)


def variance_ratio(x: NDArray[np.floating], y: NDArray[np.floating]) -> Measured:
    """Ratio of the geometric means of positive variances, policy over training, with Welch's interval and p-value."""
    a, b = np.log(np.maximum(x, 1e-12)), np.log(np.maximum(y, 1e-12))
    difference = float(b.mean() - a.mean())
    if a.std() + b.std() < 1e-9:
        return Measured(float(np.exp(difference)), None, None, None, 1.0)
    test = stats.ttest_ind(b, a, equal_var=False)
    interval = test.confidence_interval(CONFIDENCE)
    low, high = float(np.exp(interval.low)), float(np.exp(interval.high))
    return Measured(float(np.exp(difference)), low, high, float(test.pvalue), 1.0)


def classifier(x: NDArray[np.floating], y: NDArray[np.floating], rng: np.random.Generator) -> Measured:
    """AUC of a classifier that tells the sides apart: a classifier two-sample test (Lopez-Paz and Oquab 2017).

    Logistic regression on principal components of both sides together, fitted on four fifths and judged on the fifth;
    AUCs within the fifths are averaged, since scores of two fits have no common scale. The interval is DeLong's (1988),
    the p-value one-sided from the variance of the Mann-Whitney statistic without a difference.
    """
    x, y = standardised(x, y)
    points = _components(np.concatenate([x, y]), n_components_of(min(len(x), len(y)), x.shape[1]))
    labels = np.concatenate([np.zeros(len(x)), np.ones(len(y))])
    folds = np.concatenate([_folds(len(x), rng), _folds(len(y), rng)])
    aucs, variances, chance = [], [], []
    for fold in range(N_FOLDS):
        inside = folds == fold
        weights = logistic(points[~inside], labels[~inside])
        scores = points[inside] @ weights[1:] + weights[0]
        negatives, positives = scores[labels[inside] == 0], scores[labels[inside] == 1]
        auc, variance = _delong(negatives, positives)
        aucs.append(auc)
        variances.append(variance)
        chance.append((len(negatives) + len(positives) + 1) / (12 * len(negatives) * len(positives)))
    value = float(np.mean(aucs))
    error = float(np.sqrt(np.sum(variances)) / N_FOLDS)
    z = (value - 0.5) / float(np.sqrt(np.sum(chance)) / N_FOLDS)
    low, high = max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)
    return Measured(value, low, high, float(stats.norm.sf(z)), 0.5)


def logistic(x: NDArray[np.floating], labels: NDArray[np.floating], penalty: float = 1.0) -> Array:
    """Intercept and weights (1 + d,) that minimise the logistic loss of 0/1 labels + penalty/2 ‖weights‖², by Newton's
    method. The intercept is not penalised."""
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = 1e-9
    weights = np.zeros(design.shape[1])
    loss = _logistic_loss(design, labels, ridge, weights)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -40, 40)))
        gradient = design.T @ (p - labels) + ridge * weights
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (new := _logistic_loss(design, labels, ridge, weights - size * step)) > loss and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if abs(loss - new) < 1e-10 * max(1.0, loss):
            break
        loss = new
    return weights


def _logistic_loss(design: Array, labels: NDArray[np.floating], ridge: Array, weights: Array) -> float:
    logits = design @ weights
    return float(np.logaddexp(0, logits).sum() - labels @ logits + 0.5 * ridge @ np.square(weights))


def _delong(negatives: Array, positives: Array) -> tuple[float, float]:
    """AUC and DeLong's variance of it."""
    ranks = stats.rankdata(np.concatenate([negatives, positives]))
    n, m = len(negatives), len(positives)
    above = (ranks[n:] - stats.rankdata(positives)) / n
    below = 1 - (ranks[:n] - stats.rankdata(negatives)) / m
    variance = (above.var(ddof=1) / m if m > 1 else 0.25) + (below.var(ddof=1) / n if n > 1 else 0.25)
    return float(above.mean()), float(variance)


def outliers(x: NDArray[np.floating], y: NDArray[np.floating], rng: np.random.Generator) -> Measured:
    """Share of the policy's rows whose squared Mahalanobis distance from the training side is beyond χ²_{k,0.99}.

    Mean and covariance are those of k principal components of the training side, k at most a tenth of n, so that the
    covariance can be inverted. Features are not Gaussian: what the share would be without drift (`expected`) is that of
    training rows, each judged by a fit on the other four fifths. A policy row is judged by one of the same five fits,
    so that both are treated alike; p-value: Fisher's exact test that the policy has more. Interval: Wilson's.
    """
    k = n_components_of(*x.shape)
    own, theirs = _folds(len(x), rng), _folds(len(y), rng)
    is_out = [np.zeros(len(x), dtype=bool), np.zeros(len(y), dtype=bool)]
    for fold in range(N_FOLDS):
        mean, to_unit = whitening(x[own != fold].astype(np.float64), k)
        limit = float(stats.chi2.ppf(OUTLYING, max(1, to_unit.shape[1])))
        for rows, folds, found in ((x, own, is_out[0]), (y, theirs, is_out[1])):
            inside = folds == fold
            found[inside] = squared_distances(rows[inside], mean, to_unit) > limit
    n_own, n_theirs = int(is_out[0].sum()), int(is_out[1].sum())
    p_value = stats.fisher_exact([[n_theirs, len(y) - n_theirs], [n_own, len(x) - n_own]], "greater").pvalue
    interval = stats.binomtest(n_theirs, len(y)).proportion_ci(CONFIDENCE, method="wilson")
    return Measured(n_theirs / len(y), float(interval.low), float(interval.high), float(p_value), n_own / len(x))


def holm(p_values: list[float]) -> list[float]:
    """p-values corrected so that the chance of any false alarm among them stays below the level (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.zeros(len(p_values))
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return [float(value) for value in adjusted]


def _components(points: Array, k: int) -> Array:
    """The first k principal components of points (n, d) with mean 0, each scaled to variance 1."""
    values, vectors = np.linalg.eigh(points.T @ points / len(points))
    best = [i for i in np.argsort(values)[::-1][:k] if values[i] > 1e-8 * max(values[-1], 1e-12)]
    return np.asarray(points @ vectors[:, best] / np.sqrt(values[best]))


def _folds(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for each of n rows, all of one size ± 1."""
    return rng.permutation(np.arange(n) % N_FOLDS)
