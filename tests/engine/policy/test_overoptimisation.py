"""Fits against scipy's, intervals by simulation, best-of-n against all subsets."""

import itertools
import json

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import curve_fit, minimize_scalar
from scipy.special import xlogy
from scipy.stats import t as student

from training.engine.policy.overoptimisation import (
    best_of_n_each,
    best_of_n_kl,
    best_of_n_means,
    fit_gao,
    predict,
)

FORMS = {"best_of_n": lambda d, a, b: d * (a - b * d), "rl": lambda d, a, b: d * (a - b * np.log(d))}
KINDS = sorted(FORMS)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("kind", KINDS)
def test_points_on_a_curve_give_the_curve_and_its_peak(kind):
    d = np.linspace(0.3, 4, 6)
    fit = fit_gao(kind, d, FORMS[kind](d, 1.2, 0.6))
    assert (fit.alpha, fit.beta, fit.r2, fit.n) == pytest.approx((1.2, 0.6, 1.0, 6))
    top = minimize_scalar(lambda x: -FORMS[kind](x, 1.2, 0.6), bounds=(0.1, 10), method="bounded")
    assert fit.peak_d == pytest.approx(top.x, abs=1e-4)
    assert fit.peak_gold == pytest.approx(-top.fun)
    assert fit.peak_d_interval == pytest.approx((fit.peak_d, fit.peak_d), abs=1e-4)
    assert predict(fit, d) == pytest.approx(FORMS[kind](d, 1.2, 0.6))
    assert float(predict(fit, 0.0)) == 0.0


def test_peaks_in_closed_form():
    d = np.array([0.5, 1, 2, 3])
    best, rl = (fit_gao(kind, d, FORMS[kind](d, 0.9, 0.3)) for kind in ("best_of_n", "rl"))
    assert (best.peak_d, best.peak_gold) == pytest.approx((0.9 / 0.6, 0.81 / 1.2))
    assert (rl.peak_d, rl.peak_gold) == pytest.approx((np.exp(2), 0.3 * np.exp(2)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_estimates_and_intervals_are_those_of_curve_fit(kind, is_weighted, rng):
    d = np.linspace(0.2, 3, 9)
    se = rng.uniform(0.05, 0.3, 9) if is_weighted else None
    gold = FORMS[kind](d, 1.0, 0.4) + rng.standard_normal(9) * (1 if se is None else 3 * se)
    values, covariance = curve_fit(FORMS[kind], d, gold, sigma=se, absolute_sigma=False)
    half = student.ppf(0.975, 7) * np.sqrt(np.diag(covariance))
    fit = fit_gao(kind, d, gold, se)
    assert (fit.alpha, fit.beta) == pytest.approx(tuple(values), rel=1e-5)
    assert fit.alpha_interval == pytest.approx((values[0] - half[0], values[0] + half[0]), rel=1e-4)
    assert fit.beta_interval == pytest.approx((values[1] - half[1], values[1] + half[1]), rel=1e-4)
    weights = np.ones(9) if se is None else 1 / se**2
    rest = gold - FORMS[kind](d, *values)
    mean = np.average(gold, weights=weights)
    assert fit.r2 == pytest.approx(1 - (weights @ rest**2) / (weights @ (gold - mean) ** 2))


@pytest.mark.parametrize("kind", KINDS)
def test_ninety_five_intervals_in_a_hundred_hold_the_truth(kind, rng):
    d = np.linspace(0.4, 3.5, 8)
    truth = {"best_of_n": (1.0, 0.25), "rl": (0.6, 0.35)}[kind]
    peak = {"best_of_n": 2.0, "rl": np.exp(0.6 / 0.35 - 1)}[kind]
    n, hits = 2000, np.zeros(3)
    for _ in range(n):
        fit = fit_gao(kind, d, FORMS[kind](d, *truth) + 0.15 * rng.standard_normal(8))
        low, high = fit.peak_d_interval or (np.inf, None)
        hits += [
            fit.alpha_interval[0] <= truth[0] <= fit.alpha_interval[1],
            fit.beta_interval[0] <= truth[1] <= fit.beta_interval[1],
            low <= peak and (high is None or peak <= high),
        ]
    assert np.all(np.abs(hits / n - 0.95) < 0.015), hits / n


def test_given_errors_are_not_made_smaller_by_points_that_lie_well():
    d = np.array([0.5, 1.0, 2.0, 3.0])
    gold = FORMS["best_of_n"](d, 1.0, 0.25)
    fit = fit_gao("best_of_n", d, gold, np.full(4, 0.1))
    design = np.stack([d, -(d**2)], axis=1) / 0.1
    error = np.sqrt(np.linalg.inv(design.T @ design)[0, 0])
    assert fit.alpha_interval[1] - fit.alpha == pytest.approx(student.ppf(0.975, 2) * error)


def test_the_end_of_the_peaks_interval_is_where_the_slope_is_just_not_told_from_zero(rng):
    d = np.linspace(0.4, 3.5, 12)
    gold = FORMS["rl"](d, 0.6, 0.35) + 0.02 * rng.standard_normal(12)
    fit = fit_gao("rl", d, gold)
    values, covariance = curve_fit(FORMS["rl"], d, gold)
    for end in fit.peak_d_interval:
        slope = np.array([1, -(1 + np.log(end))])
        z = slope @ values / np.sqrt(slope @ covariance @ slope)
        assert abs(z) == pytest.approx(student.ppf(0.975, 10), rel=1e-3)


def test_a_peak_that_is_not_reached_is_not_made_up(rng):
    d = np.linspace(0.1, 1, 8)
    rising = fit_gao("best_of_n", d, d + 0.03 * rng.standard_normal(8))
    low, high = rising.peak_d_interval
    assert high is None and low > 0.5
    upward = fit_gao("best_of_n", d, d + d**2)
    assert (upward.peak_d, upward.peak_d_interval, upward.peak_gold) == (None, None, None)
    falling = fit_gao("best_of_n", d, -d - d**2)
    assert (falling.peak_d, falling.peak_gold, falling.peak_d_interval) == (0.0, 0.0, (0.0, 0.0))
    noise = fit_gao("best_of_n", d, rng.standard_normal(8))
    assert noise.peak_d_interval == (0.0, None)


def test_too_few_points_are_no_fit():
    assert fit_gao("rl", [0, 1, 2], [0, 1, 1]) is None
    assert fit_gao("rl", [1, 1, 1, 2], [0, 1, 1, 1]) is None
    assert fit_gao("rl", [1, 2, np.nan, 3], [1, 1, 1, np.nan]) is None
    assert fit_gao("rl", [1, 2, 3], [1, 1, 1], [1, 1, 0]) is None
    assert fit_gao("rl", [0, 1, 2, 3], [0, 1, 1, 0.5]).n == 3
    with pytest.raises(ValueError, match="kind"):
        fit_gao("dpo", [1, 2, 3], [1, 1, 1])


def test_a_fit_is_plain_json():
    fit = fit_gao("rl", [1, 2, 3, 4], [1, 1.2, 1.1, 0.7])
    assert json.loads(json.dumps(fit.to_dict()))["peak_d"] == fit.peak_d


# --- best of n --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 4, 16, 256])
def test_kl_of_the_best_of_n_is_the_integral(n):
    # The best's rank has density n uⁿ⁻¹ where one completion's has 1.
    found, _ = quad(lambda u: n * u ** (n - 1) * (np.log(n) + xlogy(n - 1, u)), 0, 1, points=[0.5, 0.99])
    assert float(best_of_n_kl(n)) == pytest.approx(found, abs=1e-6)


def brute(proxy, values, n):
    """Mean over all subsets; where several are best, over them."""
    found = []
    for subset in itertools.combinations(range(len(proxy)), n):
        best = max(proxy[i] for i in subset)
        found.append(np.mean([values[i] for i in subset if proxy[i] == best]))
    return np.mean(found)


@pytest.mark.parametrize("has_ties", [False, True])
def test_best_of_n_is_the_mean_over_all_subsets(has_ties, rng):
    proxy = rng.integers(0, 4, (3, 8)).astype(float) if has_ties else rng.standard_normal((3, 8))
    values = rng.standard_normal((3, 8))
    ns = [1, 2, 3, 5, 8]
    found = best_of_n_each(proxy, values, ns)
    expected = [[brute(p, v, n) for p, v in zip(proxy, values, strict=True)] for n in ns]
    assert found == pytest.approx(np.array(expected))
    assert best_of_n_means(proxy, values, ns) == pytest.approx(np.mean(expected, axis=1))


def test_best_of_n_of_many_is_finite_and_ends_at_the_highest(rng):
    proxy = rng.standard_normal((2, 4096))
    found = best_of_n_means(proxy, proxy, [1, 64, 4096])
    assert found[0] == pytest.approx(proxy.mean())
    assert found[2] == pytest.approx(proxy.max(axis=1).mean())
    with pytest.raises(ValueError, match="4096"):
        best_of_n_means(proxy, proxy, [0])
    with pytest.raises(ValueError, match="4096"):
        best_of_n_means(proxy, proxy, [4097])
