"""The numbers of a reward model's report, as pure functions of arrays: intervals, calibration, length effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

Z95 = 1.959963984540054
TOO_FEW_COMPARISONS = 30
TOO_FEW_PROMPTS = 5


class Stat(TypedDict):
    """A share or mean with its 95 % interval; `n` comparisons of `n_prompts` prompts; too_few: do not rely on it."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_prompts: int
    too_few: bool


def share_stat(hits: ArrayLike, prompts: ArrayLike) -> Stat:
    """A share of comparisons with a 95 % Wilson interval that allows for several comparisons of one prompt.

    `hits` (n,) are in [0, 1] (a tie counts 0.5), `prompts` (n,) say which belong together. The Wilson interval uses the
    effective sample size n / deff · (z / t)², deff = cluster-robust variance over p(1 − p)/n and at least 1, t with
    G − 1 degrees of freedom for G prompts (Korn & Graubard 1998). At p = 0 or 1, where the variance says nothing, the
    effective size is the number of prompts. With one comparison a prompt and many prompts it is Wilson's interval.
    """
    x = np.asarray(hits, dtype=np.float64)
    n = len(x)
    _, codes = np.unique(np.asarray(prompts), return_inverse=True)
    n_prompts = int(codes.max()) + 1 if n else 0
    if n == 0:
        return Stat(value=None, low=None, high=None, n=0, n_prompts=0, too_few=True)
    p = float(x.mean())
    too_few = n < TOO_FEW_COMPARISONS or n_prompts < TOO_FEW_PROMPTS
    if n_prompts < 2:
        return Stat(value=p, low=None, high=None, n=n, n_prompts=n_prompts, too_few=True)
    simple = p * (1 - p) / n
    if simple > 0:
        design_effect = max(1.0, _clustered_variance(x, codes, n_prompts) / simple)
        effective = n / design_effect
    else:
        effective = float(n_prompts)
    effective *= (Z95 / float(stats.t.ppf(0.975, n_prompts - 1))) ** 2
    low, high = wilson_interval(p, effective)
    return Stat(value=p, low=low, high=high, n=n, n_prompts=n_prompts, too_few=too_few)


def wilson_interval(p: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share p of n (n need not be whole)."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def difference_stat(hits: ArrayLike, other_hits: ArrayLike, prompts: ArrayLike) -> Stat:
    """Mean of hits − other_hits on the same comparisons, with a 95 % t interval over prompts (paired, clustered)."""
    x = np.asarray(hits, dtype=np.float64) - np.asarray(other_hits, dtype=np.float64)
    n = len(x)
    if n == 0:
        return Stat(value=None, low=None, high=None, n=0, n_prompts=0, too_few=True)
    _, codes = np.unique(np.asarray(prompts), return_inverse=True)
    n_prompts = int(codes.max()) + 1
    value = float(x.mean())
    if n_prompts < 2:
        return Stat(value=value, low=None, high=None, n=n, n_prompts=n_prompts, too_few=True)
    half = float(stats.t.ppf(0.975, n_prompts - 1)) * float(np.sqrt(_clustered_variance(x, codes, n_prompts)))
    too_few = n < TOO_FEW_COMPARISONS or n_prompts < TOO_FEW_PROMPTS
    return Stat(value=value, low=value - half, high=value + half, n=n, n_prompts=n_prompts, too_few=too_few)


def sign_hits(difference: ArrayLike) -> NDArray[np.float64]:
    """1 where the difference is positive, 0 where negative, 0.5 where it is 0."""
    return 0.5 * (1 + np.sign(np.asarray(difference, dtype=np.float64)))


def brier_score(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Mean of (predicted − observed)²; observed may be a soft preference in [0, 1]."""
    return float(np.mean((np.asarray(predicted, dtype=np.float64) - np.asarray(observed, dtype=np.float64)) ** 2))


def log_loss(reward_gap: ArrayLike, soft_preference: ArrayLike) -> float:
    """Mean of −p log σ(Δ) − (1 − p) log σ(−Δ), in nats; log 2 ≈ 0.693 knows nothing."""
    gap, p = np.asarray(reward_gap, dtype=np.float64), np.asarray(soft_preference, dtype=np.float64)
    return float(np.mean(p * np.logaddexp(0, -gap) + (1 - p) * np.logaddexp(0, gap)))


def calibration(
    predicted: ArrayLike,
    observed: ArrayLike,
    n_bins: int = 10,
    *,
    prompts: ArrayLike | None = None,
    n_draws: int = 1000,
) -> dict[str, Any]:
    """Expected calibration error over equal-width bins of the predicted probability, with the bins for a diagram.

    ECE = Σ_b n_b / n · |mean predicted − mean observed| (Naeini et al. 2015; Guo et al. 2017). Empty bins are left out.
    With `prompts` (n,) there are `low` and `high` beside it, a 95 % bootstrap interval over prompts, and each bin has
    `observed_low` and `observed_high`. An ECE is never 0 by chance, and that of a resample is larger still by about as
    much; so the interval is the basic one, 2 ECE − quantiles, cut at 0.
    """
    q, y = np.asarray(predicted, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    index = np.minimum((q * n_bins).astype(np.int64), n_bins - 1)
    bins: list[dict[str, Any]] = []
    ece = 0.0
    for b in range(n_bins):
        inside = index == b
        n = int(inside.sum())
        if n == 0:
            continue
        mean_q, mean_y = float(q[inside].mean()), float(y[inside].mean())
        ece += n / len(q) * abs(mean_q - mean_y)
        bins.append({"low": b / n_bins, "high": (b + 1) / n_bins, "n": n, "predicted": mean_q, "observed": mean_y})
        if prompts is not None:
            stat = share_stat(y[inside], np.asarray(prompts)[inside])
            bins[-1] |= {"observed_low": stat["low"], "observed_high": stat["high"]}
    found: dict[str, Any] = {"ece": ece if len(q) else None, "bins": bins}
    if prompts is not None:
        found["low"], found["high"] = _ece_interval(q - y, index, np.asarray(prompts), ece, n_bins, n_draws)
    return found


def _ece_interval(
    error: NDArray[np.float64],
    index: NDArray[np.int64],
    prompts: NDArray[Any],
    ece: float,
    n_bins: int,
    n_draws: int,
) -> tuple[float | None, float | None]:
    _, codes = np.unique(prompts, return_inverse=True)
    n_prompts = int(codes.max()) + 1 if len(codes) else 0
    if n_prompts < 2:
        return None, None
    sums = np.zeros((n_prompts, n_bins))
    np.add.at(sums, (codes, index), error)
    sizes = np.bincount(codes, minlength=n_prompts).astype(np.float64)
    random = np.random.default_rng(0)
    drawn = np.empty(n_draws)
    for nth in range(n_draws):
        times = np.bincount(random.integers(0, n_prompts, n_prompts), minlength=n_prompts)
        drawn[nth] = np.abs(times @ sums).sum() / (times @ sizes)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return max(0.0, 2 * ece - float(high)), max(0.0, 2 * ece - float(low))


def correlation(x: ArrayLike, y: ArrayLike) -> dict[str, float | None]:
    """Pearson's and Spearman's correlation; None where one side is constant or there are fewer than three points."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return {"pearson": None, "spearman": None}
    return {"pearson": float(stats.pearsonr(a, b).statistic), "spearman": float(stats.spearmanr(a, b).statistic)}


def distribution(values: ArrayLike, n_bins: int = 20) -> dict[str, Any]:
    """Mean, standard deviation, quantiles and a histogram of some values; all None for none."""
    x = np.asarray(values, dtype=np.float64)
    names = ("p05", "p25", "median", "p75", "p95")
    if len(x) == 0:
        return {"n": 0, "mean": None, "std": None, **dict.fromkeys(names), "histogram": {"edges": [], "counts": []}}
    quantiles = np.quantile(x, [0.05, 0.25, 0.5, 0.75, 0.95])
    counts, edges = np.histogram(x, bins=n_bins)
    return {
        "n": len(x),
        "mean": float(x.mean()),
        "std": float(x.std()),
        **{name: float(value) for name, value in zip(names, quantiles, strict=True)},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def temperature(reward_gap: ArrayLike, soft_preference: ArrayLike) -> float | None:
    """T of σ(Δ / T) with the least log-loss: above 1 the rewards are too far apart, below 1 too close.

    Guo et al. 2017, for soft labels. None where no positive finite T is best: a model that ranks the wrong way round,
    or one that is right on all of a few comparisons, of which any smaller T would be better still.
    """
    gap, p = np.asarray(reward_gap, dtype=np.float64), np.asarray(soft_preference, dtype=np.float64)
    unit = float(np.sqrt(np.mean(gap**2))) if len(gap) else 0.0
    if unit == 0 or not np.isfinite(unit):
        return None
    z = gap / unit

    def slope(beta: float) -> float:
        return float(np.mean(z * (0.5 * (1 + np.tanh(0.5 * beta * z)) - p)))

    # The loss is convex in 1 / T: its least value is where the slope is 0, if it is anywhere.
    steepest = 1000.0
    if slope(0.0) >= 0 or slope(steepest) <= 0:
        return None
    return unit / float(optimize.brentq(slope, 0.0, steepest, xtol=1e-12))


def mcnemar_exact(hits: ArrayLike, other_hits: ArrayLike) -> dict[str, Any]:
    """McNemar's exact test of two models on the same comparisons: {"only_a", "only_b", "p_value"}.

    only_a: comparisons on which the first does better. p is two-sided binomial on those on which they differ (1 where
    there are none). It takes comparisons as independent; where prompts have several, rely on the interval over prompts.
    """
    a, b = np.asarray(hits, dtype=np.float64), np.asarray(other_hits, dtype=np.float64)
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    p = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return {"only_a": only_a, "only_b": only_b, "p_value": p}


def ceiling_hits(sides: Sequence[Sequence[int]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Whether each rating is what the majority of the comparison's others says: (m,) in [0, 1], and whose it is, (m,).

    `sides` holds +1, −1 or 0 (tie) of each rating of n comparisons. A rating counts where there are two others at least
    and they are not even; a tie agrees by half. It is what one labeller reaches against people, by ratings and not by
    comparisons: of one that splits 2 to 1 only the third meets an even-handed majority, and to average within it would
    count just those who were outvoted. It is no ceiling for a model that is held against the majority of all ratings,
    which errs less than the majority of the others; and a set that leaves low agreement out has a higher one.
    """
    hits: list[NDArray[np.float64]] = []
    whose: list[int] = []
    for nth, one in enumerate(sides):
        x = np.asarray(one, dtype=np.float64)
        rest = x.sum() - x
        if len(x) >= 3 and (rest != 0).any():
            hits.append(sign_hits((x * rest)[rest != 0]))
            whose += [nth] * int((rest != 0).sum())
    return np.concatenate(hits) if hits else np.zeros(0), np.asarray(whose, dtype=np.int64)


def pair_hits(sides: Sequence[Sequence[int]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Whether the two ratings of each pair of one comparison's ratings say the same: (m,) of 0 and 1, and whose, (m,).

    `sides` holds +1, −1 or 0 (tie) of each rating of n comparisons; one of r ratings has r(r − 1)/2 pairs. The share of
    ones is the observed agreement of Fleiss' κ (Fleiss 1971) where all comparisons have equally many ratings.
    """
    hits: list[NDArray[np.float64]] = []
    whose: list[int] = []
    for nth, one in enumerate(sides):
        x = np.asarray(one)
        first, second = np.triu_indices(len(x), k=1)
        if len(first):
            hits.append((x[first] == x[second]).astype(np.float64))
            whose += [nth] * len(first)
    return np.concatenate(hits) if hits else np.zeros(0), np.asarray(whose, dtype=np.int64)


def first_hits(firsts: Sequence[Sequence[int]], side: ArrayLike) -> NDArray[np.float64]:
    """How often the preferred side (n,) in ±1 was the one shown first, over a comparison's ratings; NaN: not known."""
    found = np.full(len(firsts), np.nan)
    for nth, (one, preferred) in enumerate(zip(firsts, np.asarray(side).tolist(), strict=True)):
        known = [first for first in one if first]
        if known:
            found[nth] = sum(first == preferred for first in known) / len(known)
    return found


def _clustered_variance(x: NDArray[np.float64], codes: NDArray[np.intp], n_clusters: int) -> float:
    """Variance of the mean of x when members of a cluster may be correlated: G/(G − 1) · Σ_g (Σ_i∈g x_i − x̄)² / n²."""
    sums = np.bincount(codes, weights=x - x.mean(), minlength=n_clusters)
    return float(n_clusters / (n_clusters - 1) * np.sum(sums**2) / len(x) ** 2)
