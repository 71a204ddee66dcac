"""Measures against other implementations, and the verdict's false alarms and power by simulation."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from training.engine.drift import metrics
from training.engine.drift.verdict import judge


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def measures(x, y, rng):
    """What the report's five votes see; rewards and lengths are two of the features."""
    return {
        "classifier": metrics.classifier(x, y, rng),
        "mmd": metrics.mmd(*metrics.standardised(x, y), rng),
        "lengths": metrics.psi(np.exp(x[:, 1]), np.exp(y[:, 1]), rng)[0],
        "rewards": metrics.psi(x[:, 0], y[:, 0], rng)[0],
        "outliers": metrics.outliers(x, y, rng),
    }


def heavy(rng, n, d=24):
    """Correlated features with heavy tails, unlike a Gaussian in what Mahalanobis takes for granted."""
    mix = np.random.default_rng(1).standard_normal((d, d)) / np.sqrt(d)
    return rng.standard_t(5, (n, d)) @ mix


def test_mmd_is_the_sum_over_pairs(rng):
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((9, 3)) + 0.5
    found = metrics.mmd(x, y, rng, 50)
    squares = cdist(np.concatenate([x, y]), np.concatenate([x, y]), "sqeuclidean")
    kernel = np.exp(-squares / np.median(squares[squares > 0]))
    within_x = np.mean([kernel[i, j] for i, j in itertools.permutations(range(7), 2)])
    within_y = np.mean([kernel[i, j] for i, j in itertools.permutations(range(7, 16), 2)])
    across = np.mean([kernel[i, j] for i, j in itertools.product(range(7), range(7, 16))])
    assert found.value == pytest.approx(within_x + within_y - 2 * across, abs=1e-5)


def test_mmds_permutations_are_around_zero_and_see_a_shift(rng):
    x, y = rng.standard_normal((80, 4)), rng.standard_normal((60, 4)) + 1
    found = metrics.mmd(x, y, rng)
    assert abs(found.expected) < 0.003
    assert found.p_value == 1 / 1000 and found.value > found.high


def test_psi_by_hand(rng):
    """100 training values in ten equal bins; of the policy's, half lie in the lowest and half in the highest."""
    x, y = np.arange(100.0), np.array([0.0] * 50 + [99.0] * 50)
    found, bins = metrics.psi(x, y, rng)
    assert bins.training == [0.1] * 10
    assert bins.policy == [0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0.5]
    p, q0, q1 = 10.5 / 105, 50.5 / 105, 0.5 / 105
    assert found.value == pytest.approx(2 * (q0 - p) * np.log(q0 / p) + 8 * (q1 - p) * np.log(q1 / p))
    assert found.expected == pytest.approx(9 * 2 / 100)
    assert found.p_value == pytest.approx(stats.ks_2samp(x, y).pvalue)


def test_psi_without_drift_is_around_what_is_expected(rng):
    values = [metrics.psi(rng.standard_normal(200), rng.standard_normal(200), rng)[0] for _ in range(100)]
    assert np.mean([one.value for one in values]) == pytest.approx(values[0].expected, rel=0.2)


def test_psi_of_one_value_that_all_have_is_zero(rng):
    found, bins = metrics.psi(np.full(60, 3.0), np.full(70, 3.0), rng)
    assert found.value == pytest.approx(0, abs=1e-3) and found.p_value == 1
    assert sum(bins.training) == sum(bins.policy) == 1


def test_the_logistic_regression_is_sklearns(rng):
    x = rng.standard_normal((200, 5))
    labels = (x[:, 0] + rng.standard_normal(200) > 0.3).astype(float)
    other = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(x, labels)
    ours = metrics.logistic(x, labels, penalty=2.0)
    np.testing.assert_allclose(ours, [other.intercept_[0], *other.coef_[0]], atol=1e-5)


def test_the_logistic_regression_ends_where_the_sides_are_apart(rng):
    x = np.concatenate([rng.standard_normal((50, 2)), rng.standard_normal((50, 2)) + 50])
    assert np.isfinite(metrics.logistic(x, np.repeat([0.0, 1.0], 50))).all()


def test_delong_is_sklearns_auc_with_a_bootstraps_variance(rng):
    negatives, positives = rng.standard_normal(80), rng.standard_normal(60) + 0.7
    auc, variance = metrics._delong(negatives, positives)
    assert auc == pytest.approx(roc_auc_score([0] * 80 + [1] * 60, [*negatives, *positives]))
    again = [metrics._delong(rng.choice(negatives, 80), rng.choice(positives, 60))[0] for _ in range(1000)]
    assert variance == pytest.approx(np.var(again), rel=0.15)


def test_the_classifier_finds_the_auc_that_a_shift_has(rng):
    """Two Gaussians a distance δ apart have AUC Φ(δ/√2)."""
    x, y = rng.standard_normal((1500, 4)), rng.standard_normal((1500, 4))
    y[:, 2] += 1
    found = metrics.classifier(x, y, rng)
    assert found.value == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert found.low < stats.norm.cdf(1 / np.sqrt(2)) < found.high


def test_of_gaussians_one_in_a_hundred_lies_outside(rng):
    x, y = rng.standard_normal((2000, 10)), rng.standard_normal((2000, 10))
    found = metrics.outliers(x, y, rng)
    assert found.expected == pytest.approx(0.01, abs=0.006) and found.value == pytest.approx(0.01, abs=0.006)
    assert metrics.outliers(x, 2 * y, rng).value > 0.5


def test_outliers_are_sane_where_there_are_as_many_features_as_rows(rng):
    x, y = rng.standard_normal((60, 64)), rng.standard_normal((60, 64))
    found = metrics.outliers(x, y, rng)
    assert found.value < 0.15 and found.p_value > 0.05


def test_the_ratio_of_variances_has_welchs_interval(rng):
    x, y = np.exp(rng.standard_normal(100)), np.exp(rng.standard_normal(120) + 0.5)
    found = metrics.variance_ratio(x, y)
    assert found.value == pytest.approx(stats.gmean(y) / stats.gmean(x))
    assert found.low < found.value < found.high
    assert found.p_value == pytest.approx(stats.ttest_ind(np.log(y), np.log(x), equal_var=False).pvalue)


def test_holm_by_hand():
    assert metrics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert metrics.holm([]) == []


@pytest.mark.parametrize("n", [60, 150])
def test_without_drift_there_is_hardly_ever_an_alarm(n):
    verdicts = [
        judge(measures(heavy(rng, n), heavy(rng, n + 30), rng)).verdict
        for rng in (np.random.default_rng(seed) for seed in range(40))
    ]
    assert verdicts.count("none") >= 0.95 * len(verdicts)


@pytest.mark.parametrize("n", [100, 200])
def test_a_shift_is_strong(n):
    verdicts = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = heavy(rng, n)
        verdicts.append(judge(measures(heavy(rng, n), y + 1.5 * heavy(np.random.default_rng(9), 1), rng)).verdict)
    assert verdicts == ["strong"] * 5


def test_a_small_shift_that_is_beyond_chance_is_some():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((800, 8)), rng.standard_normal((800, 8))
    y[:, 3] += 0.4
    assert judge(measures(x, y, rng)).verdict == "some"
