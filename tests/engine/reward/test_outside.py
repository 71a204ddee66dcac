"""How far a text lies from those that a reward model was trained on."""

import numpy as np
import pytest

from training.engine.common.whitening import MOST_COMPONENTS
from training.engine.reward.model import RewardModel
from training.engine.reward.outside import FeatureRange


def _mixed(rng: np.random.Generator, n: int, mixing: np.ndarray) -> np.ndarray:
    return rng.standard_normal((n, len(mixing))) @ mixing + 3


@pytest.mark.parametrize("d", [8, 200])
def test_texts_like_those_of_training_are_spread_over_all_percentiles(d: int):
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((d, d))
    known = FeatureRange.fit(_mixed(rng, 1000, mixing))
    assert known.to_unit.shape == (d, min(d, MOST_COMPONENTS))
    found = known.percentiles(_mixed(rng, 4000, mixing))
    assert np.quantile(found, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.05)
    assert 0.002 < (found > 0.99).mean() < 0.03
    assert (known.percentiles(_mixed(rng, 100, mixing) + 40 * mixing[0]) > 0.99).all()


def test_training_texts_are_judged_as_new_ones_are():
    """Of few texts in many dimensions a fit that had judged its own would take new ones for far."""
    rng = np.random.default_rng(2)
    mixing = rng.standard_normal((64, 64))
    found = FeatureRange.fit(_mixed(rng, 120, mixing)).percentiles(_mixed(rng, 4000, mixing))
    assert (found > 0.95).mean() < 0.12


def test_a_direction_that_training_has_hardly_seen_is_far():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(500, 4)) * [1, 1, 1, 0.01]
    known = FeatureRange.fit(features)
    assert known.percentiles(np.array([[0, 0, 0, 0.5], [0.5, 0, 0, 0]])).round(2).tolist() == [
        1.0,
        pytest.approx(0.02, abs=0.1),
    ]


def test_equal_texts_are_no_error():
    known = FeatureRange.fit(np.ones((2, 3)))
    assert np.isfinite(known.percentiles(np.zeros((1, 3)))).all()


def test_it_survives_the_disk_and_training_leaves_it_beside_the_weights(tmp_path, trained_model):
    loaded = FeatureRange.load(trained_model)
    assert loaded is not None
    assert len(loaded.mean) == RewardModel.load(trained_model).feature_size
    loaded.save(tmp_path)
    again = FeatureRange.load(tmp_path)
    assert again is not None and (again.quantiles == loaded.quantiles).all()
    assert FeatureRange.load(tmp_path / "elsewhere") is None
