"""From scores to rewards, against the definitions."""

import numpy as np
import pytest

from training.engine.policy.shaping import Shaping, ensembled, shaped

MEMBERS = np.array([[1.0, 3.0], [0.0, 0.0], [-2.0, 4.0]])
REWARDS = MEMBERS.mean(axis=1)


def test_ensembles() -> None:
    assert ensembled(Shaping(), REWARDS, MEMBERS, None).tolist() == [2, 0, 1]
    assert ensembled(Shaping(ensemble="worst"), REWARDS, MEMBERS, None).tolist() == [1, 0, -2]
    uncertain = Shaping(ensemble="uncertainty", uncertainty_weight=0.5)
    assert ensembled(uncertain, REWARDS, MEMBERS, None).tolist() == [2 - 0.5 * 1, 0, 1 - 0.5 * 9]


def test_a_calibrated_reward_keeps_what_the_ensemble_takes_off() -> None:
    calibrated = REWARDS - 1
    assert ensembled(Shaping(reward="calibrated"), REWARDS, None, calibrated).tolist() == [1, -1, 0]
    worst = Shaping(reward="calibrated", ensemble="worst")
    assert ensembled(worst, REWARDS, MEMBERS, calibrated).tolist() == [0, -1, -3]


@pytest.mark.parametrize("how", [Shaping(ensemble="worst"), Shaping(reward="calibrated")])
def test_what_the_model_lacks_is_said(how: Shaping) -> None:
    with pytest.raises(ValueError, match="the reward model has no"):
        ensembled(how, REWARDS, None, None)


def test_shapings() -> None:
    values, reference = np.array([2.0, -9.0, 9.0]), np.array([1.0, 0.0, 0.0])
    assert shaped(Shaping(), values, reference, 2.0).tolist() == [2, -9, 9]
    assert shaped(Shaping(shaping="centred"), values, reference, 2.0).tolist() == [1, -9, 9]
    assert shaped(Shaping(shaping="clip"), values, reference, 2.0).tolist() == [1, -6, 6]
    sigmoid = shaped(Shaping(shaping="sigmoid"), values, reference, 2.0)
    assert sigmoid == pytest.approx(1 / (1 + np.exp([-0.5, 4.5, -4.5])))
    # Twice the unit of reward changes nothing.
    assert shaped(Shaping(shaping="sigmoid"), 2 * values, 2 * reference, 4.0) == pytest.approx(sigmoid)
