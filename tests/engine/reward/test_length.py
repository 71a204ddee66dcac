from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from torch import Tensor

from training.engine.reward.length import (
    LengthCalibration,
    fit_length_calibration,
    length_normalised,
    logistic,
    matched_and_opposed,
    odin_penalty,
    pearson,
    random_pairs,
)


def test_masks_part_the_comparisons() -> None:
    """Within 10 % of the longer is matched: 91 and 100 (9 %), and 0 and 0; 89 and 100 is not."""
    masks = matched_and_opposed([100, 91, 89, 100, 0], [91, 100, 100, 50, 0])
    assert masks.matched.tolist() == [True, True, False, False, True]
    assert masks.opposed.tolist() == [False, False, True, False, False]
    assert masks.agreed.tolist() == [False, False, False, True, False]


def test_random_pairs_are_of_two_prompts() -> None:
    prompts = ["a"] * 6 + ["b"] * 3 + ["c"]
    rows, others = random_pairs(prompts, np.random.default_rng(0), 0.7)
    names = np.array(prompts)
    assert len(rows) == 7
    assert len(set(rows.tolist())) == 7
    assert (names[rows] != names[others]).all()


def test_random_pairs_take_every_other_completion_equally_often() -> None:
    """Row 3 ("b" among a, a, a, b, c): each of the four others in a quarter of 20,000 draws."""
    prompts = ["a", "a", "a", "b", "c"]
    rng = np.random.default_rng(1)
    rows, others = random_pairs(prompts, rng, 4000.0)
    drawn = np.bincount(others[rows == 3], minlength=5)
    assert drawn[3] == 0
    assert drawn[[0, 1, 2, 4]] / 4000 == pytest.approx(np.full(4, 0.25), abs=0.03)


def test_random_pairs_of_one_prompt_or_none_are_none() -> None:
    assert len(random_pairs(["a", "a"], np.random.default_rng(0), 0.5)[0]) == 0
    assert len(random_pairs([], np.random.default_rng(0), 0.5)[0]) == 0
    assert len(random_pairs(["a", "b"], np.random.default_rng(0), 0.0)[0]) == 0


def test_logistic_is_statsmodels_binomial_regression() -> None:
    """Without a ridge, on soft labels and weights: statsmodels' GLM, converged."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    p = np.clip(1 / (1 + np.exp(-x @ [1.0, -0.5, 0.2])) + rng.normal(scale=0.1, size=300), 0, 1)
    weight = rng.uniform(0.5, 2, size=300)
    oracle = sm.GLM(p, x, family=sm.families.Binomial(), freq_weights=weight).fit(tol=1e-12)
    assert logistic(x, p, weight=weight) == pytest.approx(oracle.params, rel=1e-7)


def test_logistic_with_a_ridge_has_no_gradient_left_even_where_labels_are_separable() -> None:
    x, p = np.array([[1.0], [2.0], [3.0]]), np.ones(3)
    beta = logistic(x, p, ridge=0.1)
    gradient = x.T @ (1 / (1 + np.exp(-x @ beta)) - p) + 0.3 * beta
    assert gradient == pytest.approx([0], abs=1e-8)


def _texts(n: int, taste: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rewards and lengths (2, n), preferences (n,), true quality (2, n): the reward is quality + taste · feature."""
    rng = np.random.default_rng(0)
    quality, lengths = rng.normal(size=(2, n)), rng.gamma(2.0, 150.0, size=(2, n))
    feature = np.tanh((lengths - lengths.mean()) / lengths.std())
    p = 1 / (1 + np.exp(-(quality[0] - quality[1]) - 0.5 * (feature[0] - feature[1])))
    votes = (rng.random(n) < p).astype(float)
    return quality + taste * feature, lengths, votes, quality, feature


def test_a_calibration_takes_only_the_excess_over_human_taste() -> None:
    """Humans' taste for length is 0.5, the reward's 2: the excess is 1.5, and 0 for a reward of their taste."""
    rewards, lengths, votes, quality, feature = _texts(40_000, taste=2.0)
    gaps = rewards[0] - rewards[1], lengths[0] - lengths[1]
    found = fit_length_calibration(*gaps, votes, lengths=(lengths[0], lengths[1]))
    assert found.coefficient == pytest.approx(1.5, abs=0.1)
    assert found.centre == pytest.approx(lengths.mean())
    assert found.scale == pytest.approx(lengths.std())
    assert found.apply(rewards, lengths) == pytest.approx(quality + 0.5 * feature, abs=0.1)
    rewards, lengths, votes, _, _ = _texts(40_000, taste=0.5)
    human = fit_length_calibration(rewards[0] - rewards[1], gaps[1], votes, lengths=(lengths[0], lengths[1]))
    assert human.coefficient == pytest.approx(0, abs=0.05)


def test_a_calibration_of_gaps_is_statsmodels_regression() -> None:
    rng = np.random.default_rng(2)
    gap, length_gap = rng.normal(size=500), rng.normal(scale=80, size=500)
    p = (rng.random(500) < 1 / (1 + np.exp(-gap + np.tanh(length_gap / 80)))).astype(float)
    found = fit_length_calibration(gap, length_gap, p, ridge=0.0)
    x = np.stack([gap, np.tanh(length_gap / length_gap.std())], axis=1)
    a, phi = sm.GLM(p, x, family=sm.families.Binomial()).fit(tol=1e-12).params
    assert found.coefficient == pytest.approx(-phi / a, rel=1e-6)
    assert (found.scale, found.centre) == (pytest.approx(length_gap.std()), 0.0)


def test_swapping_the_sides_of_comparisons_leaves_the_calibration() -> None:
    rewards, lengths, votes, _, _ = _texts(300, taste=1.0)
    sign = np.where(np.arange(300) % 2, 1, -1)
    swapped = sign < 0
    one = fit_length_calibration(rewards[0] - rewards[1], lengths[0] - lengths[1], votes, lengths=tuple(lengths))
    turned = np.where(swapped, lengths[::-1], lengths)
    other = fit_length_calibration(
        sign * (rewards[0] - rewards[1]),
        sign * (lengths[0] - lengths[1]),
        np.where(swapped, 1 - votes, votes),
        lengths=tuple(turned),
    )
    assert other.coefficient == pytest.approx(one.coefficient, rel=1e-6)


def test_a_reward_that_says_nothing_and_equal_lengths_are_left_alone() -> None:
    contradicted = fit_length_calibration([1.0, -1.0, 2.0], [5.0, 1.0, -3.0], [0.0, 1.0, 0.0])
    assert contradicted.coefficient == 0
    equal = fit_length_calibration([1.0, 2.0], [0.0, 0.0], [1.0, 1.0], lengths=([7, 7], [7, 7]))
    assert equal.apply([3.0], [7]).tolist() == [3.0]
    assert fit_length_calibration([], [], []) == LengthCalibration(0.0, 1.0)


def test_normalising_by_length_gives_a_deviation_over_the_window() -> None:
    """Window 100, deviation 2: an empty text gains 2, a half window 1, a full one 0."""
    assert length_normalised([1.0, 1.0, 1.0], [0, 50, 100], max_length=100, reward_std=2.0).tolist() == [3, 2, 1]


def test_pearson_is_numpys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20))
    found = float(pearson(torch.from_numpy(x), torch.from_numpy(y)))
    assert found == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-10)
    assert float(pearson(torch.ones(4), torch.arange(4.0))) == 0


def test_odins_penalty_is_the_closed_form() -> None:
    """r_Q = (1, 0, 1) is uncorrelated with lengths (1, 2, 3), r_L = length correlates perfectly: 0 + 1 − 1.

    Heads (1, 0) and (1, 1) have a cosine of 1/√2. With the two rewards exchanged, 1 + 1 − 0 more.
    """
    quality, lengths = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, 2.0, 3.0])
    heads = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    assert float(odin_penalty(quality, 5 * lengths, lengths, *heads)) == pytest.approx(0.5**0.5, abs=1e-6)
    assert float(odin_penalty(-lengths, quality, lengths, *heads)) == pytest.approx(2 + 0.5**0.5, abs=1e-6)
    half = odin_penalty(lengths, quality, lengths, *heads, length_coefficient=0.5, orthogonal_coefficient=0)
    assert float(half) == pytest.approx(1.0, abs=1e-6)


def test_odins_penalty_leaves_correlations_of_two_texts_or_equal_lengths_out() -> None:
    heads = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    two = odin_penalty(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]), torch.tensor([3.0, 9.0]), *heads)
    equal = odin_penalty(torch.arange(4.0), torch.arange(4.0), torch.full((4,), 7.0), *heads)
    assert (float(two), float(equal)) == (0.0, 0.0)


def test_odins_penalty_has_the_gradient_of_its_finite_difference() -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in (6, 6, 3, 3)]
    lengths = torch.rand(6, dtype=torch.float64)

    def penalty(quality: Tensor, length: Tensor, w_quality: Tensor, w_length: Tensor) -> Tensor:
        return odin_penalty(quality, length, lengths, w_quality, w_length)

    assert torch.autograd.gradcheck(penalty, inputs, eps=1e-6, atol=1e-7)
