from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from training.engine.reward.metrics import (
    Z95,
    brier_score,
    calibration,
    correlation,
    difference_stat,
    distribution,
    log_loss,
    share_stat,
    sign_hits,
    wilson_interval,
)


@pytest.mark.parametrize(("hits", "n"), [(7, 10), (0, 12), (30, 30), (550, 1000)])
def test_wilson_is_that_of_statsmodels(hits: int, n: int) -> None:
    assert wilson_interval(hits / n, n) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)


def test_one_comparison_a_prompt_gives_wilson_with_a_t_quantile() -> None:
    hits = np.array([1.0] * 60 + [0.0] * 40)
    stat = share_stat(hits, np.arange(100))
    # The clustered variance of single comparisons is p(1 − p)/(n − 1): a design effect of 100/99.
    effective = 99 * (Z95 / stats.t.ppf(0.975, 99)) ** 2
    assert stat["value"] == pytest.approx(0.6)
    assert (stat["low"], stat["high"]) == pytest.approx(wilson_interval(0.6, effective))
    assert (stat["n"], stat["n_prompts"], stat["too_few"]) == (100, 100, False)


def test_copies_of_a_comparison_add_no_certainty() -> None:
    """Five equal comparisons per prompt must give the interval of one per prompt, not one √5 narrower."""
    hits = np.array([1.0] * 60 + [0.0] * 40)
    single = share_stat(hits, np.arange(100))
    copied = share_stat(np.repeat(hits, 5), np.repeat(np.arange(100), 5))
    assert (copied["low"], copied["high"]) == pytest.approx((single["low"], single["high"]))
    assert copied["n"] == 500


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """300 draws of 60 prompts whose four comparisons share their prompt's own difficulty; truth 0.65."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        difficulty = random.beta(0.65 * 3, 0.35 * 3, size=60)
        hits = random.random((60, 4)) < difficulty[:, None]
        stat = share_stat(hits.ravel().astype(float), np.repeat(np.arange(60), 4))
        assert stat["low"] is not None and stat["high"] is not None
        covered += stat["low"] <= 0.65 <= stat["high"]
    assert 0.91 <= covered / 300 <= 0.99


def test_it_says_when_there_is_too_little() -> None:
    assert share_stat([], [])["value"] is None
    one_prompt = share_stat([1.0] * 40, ["p"] * 40)
    assert one_prompt["low"] is None and one_prompt["too_few"]
    assert share_stat([1.0] * 29, np.arange(29))["too_few"]
    certain = share_stat([1.0] * 30, np.arange(30))
    assert certain["high"] == 1.0 and certain["low"] is not None and certain["low"] < 0.9


def test_a_difference_is_paired() -> None:
    """Both models are right on the same 50; one is right on 10 more: mean 0.1, far from 0 although shares overlap."""
    model, baseline = np.array([1.0] * 60 + [0.0] * 40), np.array([1.0] * 50 + [0.0] * 50)
    stat = difference_stat(model, baseline, np.arange(100))
    half = stats.t.ppf(0.975, 99) * np.std(model - baseline, ddof=1) / 10
    assert stat["value"] == pytest.approx(0.1)
    assert (stat["low"], stat["high"]) == pytest.approx((0.1 - half, 0.1 + half))
    assert stat["low"] is not None and stat["low"] > 0


def test_equal_values_count_half() -> None:
    assert sign_hits([2.0, 0.0, -3.0]).tolist() == [1.0, 0.5, 0.0]


def test_brier_and_log_loss_by_hand() -> None:
    assert brier_score([0.8, 0.4], [1.0, 0.5]) == pytest.approx((0.04 + 0.01) / 2)
    assert log_loss([0.0], [0.9]) == pytest.approx(math.log(2))
    assert log_loss([math.log(4)], [0.75]) == pytest.approx(-(0.75 * math.log(0.8) + 0.25 * math.log(0.2)))
    assert log_loss([1e4, -1e4], [1.0, 0.0]) == 0.0


def test_calibration_by_hand() -> None:
    """Bin 0.2 to 0.3: predicted 0.25, observed 0.5. Bin 0.9 to 1, which 1.0 is in: predicted 0.975, observed 1.

    Two forecasts each: ECE = 2/4 · 0.25 + 2/4 · 0.025 = 0.1375.
    """
    result = calibration([0.24, 0.26, 0.95, 1.0], [0, 1, 1, 1])
    assert result["ece"] == pytest.approx(0.5 * 0.25 + 0.5 * 0.025)
    assert [(b["low"], b["n"], b["observed"]) for b in result["bins"]] == [(0.2, 2, 0.5), (0.9, 2, 1.0)]
    assert result["bins"][0]["predicted"] == pytest.approx(0.25)


def test_a_calibrated_forecast_has_nearly_no_error() -> None:
    random = np.random.default_rng(0)
    q = random.random(40_000)
    assert calibration(q, random.random(40_000) < q)["ece"] < 0.015


def test_correlation_and_distribution() -> None:
    assert correlation([1, 2, 3, 4], [1, 4, 9, 16])["spearman"] == pytest.approx(1.0)
    assert correlation([1, 2, 3], [3, 2, 1])["pearson"] == pytest.approx(-1.0)
    assert correlation([1, 2, 3], [5, 5, 5]) == {"pearson": None, "spearman": None}
    d = distribution([1.0, 2.0, 3.0, 4.0])
    assert (d["n"], d["mean"], d["median"], d["std"]) == (4, 2.5, 2.5, pytest.approx(math.sqrt(1.25)))
    assert sum(d["histogram"]["counts"]) == 4
    assert distribution([])["mean"] is None
