from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from training.engine.reward.metrics import (
    Z95,
    brier_score,
    calibration,
    ceiling_hits,
    correlation,
    difference_stat,
    distribution,
    first_hits,
    log_loss,
    mcnemar_exact,
    pair_hits,
    share_stat,
    sign_hits,
    temperature,
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


def test_the_temperature_is_sklearns_logistic_regression_on_soft_labels() -> None:
    """Soft labels as two weighted rows each; the coefficient without intercept or penalty is 1 / T."""
    random = np.random.default_rng(3)
    gap = random.normal(0, 4, 300)
    p = np.clip(np.round(1 / (1 + np.exp(-gap / 2.5)) + random.normal(0, 0.15, 300), 2), 0, 1)
    fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
        np.concatenate([gap, gap])[:, None], np.repeat([1, 0], 300), sample_weight=np.concatenate([p, 1 - p])
    )
    found = temperature(gap, p)
    assert found == pytest.approx(1 / fitted.coef_[0, 0], rel=1e-4)
    assert temperature(3 * gap, p) == pytest.approx(3 * found)
    assert log_loss(gap / found, p) < min(log_loss(gap / (1.05 * found), p), log_loss(1.05 * gap / found, p))


def test_there_is_no_temperature_for_what_ranks_backwards_or_makes_no_mistake() -> None:
    assert temperature([1.0, 2.0, -1.0], [0.0, 0.0, 1.0]) is None
    assert temperature([1.0, 2.0, 0.5], [1.0, 1.0, 1.0]) is None
    assert temperature([0.0, 0.0], [1.0, 0.0]) is None
    assert temperature([], []) is None


def test_mcnemar_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(4)
    a, b = (random.random(200) < 0.7).astype(float), (random.random(200) < 0.6).astype(float)
    table = [[int((a * b).sum()), int((a * (1 - b)).sum())], [int(((1 - a) * b).sum()), int(((1 - a) * (1 - b)).sum())]]
    found = mcnemar_exact(a, b)
    assert found["p_value"] == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert (found["only_a"], found["only_b"]) == (table[0][1], table[1][0])
    assert mcnemar_exact(a, a) == {"only_a": 0, "only_b": 0, "p_value": 1.0}


def test_one_labeller_is_held_against_the_majority_of_the_others() -> None:
    """Of +, +, −: each + has one + and one − beside it, which decides nothing; the − stands against two +: wrong."""
    hits, whose = ceiling_hits([[1, 1, -1], [1, 1], [1, -1], [], [1, 1, 1, -1], [0, 1, 1], [0, 0, 0]])
    np.testing.assert_allclose(hits, [0, 1, 1, 1, 0, 0.5, 1, 1])
    assert whose.tolist() == [0, 4, 4, 4, 4, 5, 5, 5]
    coins = np.random.default_rng(7).choice([-1, 1], (4000, 3))
    assert ceiling_hits(coins.tolist())[0].mean() == pytest.approx(0.5, abs=0.02)


def test_pairs_of_ratings_agree_where_they_say_the_same() -> None:
    """+ + −: one of three pairs. 0 0: a tie twice is the same. + −: none. One rating and none: no pair."""
    hits, whose = pair_hits([[1, 1, -1], [0, 0], [1, -1], [1], []])
    assert (hits.tolist(), whose.tolist()) == ([1.0, 0.0, 0.0, 1.0, 0.0], [0, 0, 0, 1, 2])
    hits, whose = pair_hits([[1], []])
    assert (len(hits), len(whose)) == (0, 0)


def test_agreement_of_pairs_is_the_observed_agreement_of_fleiss() -> None:
    """κ = (observed − expected) / (1 − expected), with statsmodels' κ on the left."""
    said = np.random.default_rng(3).integers(-1, 2, size=(200, 4))
    counts = np.stack([(said == side).sum(axis=1) for side in (-1, 0, 1)], axis=1)
    observed = pair_hits(said.tolist())[0].mean()
    expected = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    assert (observed - expected) / (1 - expected) == pytest.approx(fleiss_kappa(counts))


def test_the_ceiling_is_how_often_a_labeller_agrees_with_two_others_that_agree() -> None:
    """Labellers right with probability q: given that two others agree, q q² + (1 − q)³ over q² + (1 − q)²."""
    q = 0.8
    said = np.where(np.random.default_rng(3).random((20_000, 3)) < q, 1, -1)
    expected = (q**3 + (1 - q) ** 3) / (q**2 + (1 - q) ** 2)
    assert ceiling_hits(said.tolist())[0].mean() == pytest.approx(expected, abs=0.01)


def test_the_first_shown_is_a_share_of_the_ratings_whose_order_is_known() -> None:
    found = first_hits([[1, 1, -1], [0, -1], [0], []], [1, -1, 1, 1])
    np.testing.assert_allclose(found, [2 / 3, 1.0, np.nan, np.nan])


def test_the_calibration_interval_covers_the_error_of_an_overconfident_model() -> None:
    """150 sets of 300 comparisons, two a prompt; the truth is the error over 200,000. About 90 % are to cover it."""
    random = np.random.default_rng(5)

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        gap = random.normal(0, 1.5, n)
        return 1 / (1 + np.exp(-2.5 * gap)), (random.random(n) < 1 / (1 + np.exp(-gap))).astype(float)

    truth = calibration(*drawn(200_000))["ece"]
    found = [calibration(*drawn(300), prompts=np.arange(300) // 2, n_draws=200) for _ in range(150)]
    assert 0.85 <= np.mean([one["low"] <= truth <= one["high"] for one in found]) <= 0.99


def test_copies_of_comparisons_leave_the_calibration_interval_as_it_is() -> None:
    random = np.random.default_rng(6)
    q, y, prompts = random.random(80), (random.random(80) < 0.5).astype(float), np.arange(80)
    one = calibration(q, y, prompts=prompts)
    copied = calibration(np.repeat(q, 4), np.repeat(y, 4), prompts=np.repeat(prompts, 4))
    assert (copied["low"], copied["high"]) == pytest.approx((one["low"], one["high"]))
    assert one["low"] > 0  # as random as it is, it is not calibrated
    assert all(one["observed_low"] <= one["observed"] <= one["observed_high"] for one in one["bins"] if one["n"] > 1)
