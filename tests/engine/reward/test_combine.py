from __future__ import annotations

import math

import numpy as np
import pytest

from training.engine.reward.combine import Scale, combined, weighted, whiten


def test_safety_decides_below_the_threshold_and_on_tagged_prompts() -> None:
    """logit(0.15) = −1.735: −1.8 is below, −1.7 is not. A tagged prompt's reward is the safety reward, however good."""
    found = combined([5.0, 5.0, 5.0, 5.0], [-1.8, -1.7, 3.0, 3.0], [False, False, False, True])
    assert found.tolist() == [-1.8, 5.0, 5.0, 3.0]


def test_it_is_llama_2s_rule_on_probabilities() -> None:
    """R_c = R_s if tagged or R_s < 0.15 else R_h, R = σ(r − mean), written out; then logit(R_c)."""
    rng = np.random.default_rng(0)
    helpful, safe, tagged = rng.normal(1, 2, 200), rng.normal(-1, 2, 200), rng.random(200) < 0.2
    found = combined(helpful, safe, tagged, helpful_scale=Scale(1.0, 2.0), safe_scale=Scale(-1.0, 2.0))
    r_h, r_s = 1 / (1 + np.exp(-(helpful - 1))), 1 / (1 + np.exp(-(safe + 1)))
    r_c = np.array([s if t or s < 0.15 else h for h, s, t in zip(r_h, r_s, tagged, strict=True)])
    assert found == pytest.approx(np.log(r_c / (1 - r_c)))
    assert 20 < np.sum(np.isclose(found, safe + 1)) < 120


def test_a_reward_that_a_sigmoid_would_round_to_one_keeps_its_order() -> None:
    found = combined([50.0, 60.0], [0.0, 0.0], [False, False])
    assert found[1] - found[0] == 10


def test_a_threshold_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        combined([1.0], [1.0], [False], threshold=1.0)


def test_weights_mix_rewards_on_one_scale() -> None:
    """(3 − 1)/2 = 1 and (−10 − 0)/5 = −2 with weights 3 and 1: (3 · 1 − 2)/4 = ¼; a negative weight turns an axis."""
    rewards = {"helpfulness": [3.0], "safety": [-10.0], "other": [9.0]}
    scales = {"helpfulness": Scale(1.0, 2.0), "safety": Scale(0.0, 5.0)}
    assert weighted(rewards, {"helpfulness": 3, "safety": 1}, scales).tolist() == [0.25]
    assert weighted(rewards, {"helpfulness": 1, "safety": -1}).tolist() == [6.5]
    with pytest.raises(ValueError, match="'style'"):
        weighted(rewards, {"style": 1.0})
    with pytest.raises(ValueError, match="other than 0"):
        weighted(rewards, {"safety": 0.0})


def test_a_scale_is_read_from_the_models_metadata() -> None:
    assert Scale.of({"reward_mean": 0.5, "reward_std": 2.0}) == Scale(0.5, 2.0)
    assert Scale.of({}) == Scale(0.0, 1.0)


def test_whitened_rewards_have_mean_0_and_deviation_1() -> None:
    assert whiten([1.0, 3.0]).tolist() == [-1.0, 1.0]
    assert whiten([2.0, 2.0]).tolist() == [0.0, 0.0]
    assert math.isclose(float(whiten([0.1, 5.0, 2.0]).std()), 1.0)
