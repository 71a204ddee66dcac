"""The posterior of the head: closed forms, and what more ratings do to it."""

import numpy as np
import pytest

from training.engine.reward.model import RewardModel
from training.engine.reward.posterior import HeadPosterior, prior_precision


def test_one_feature_by_hand():
    # λ = mean x² = 4; at a gap of 0, σ(1 − σ) = 1/4, so H = 4 + 3 · 4/4 = 7.
    posterior = HeadPosterior.fit(np.array([[2.0], [-2.0], [2.0]]), np.zeros(3))
    assert posterior.precision == pytest.approx(np.array([[7.0]]))
    assert posterior.gap_variance(np.array([[2.0], [0.0]])) == pytest.approx([4 / 7, 0.0])


def test_whitened_features_have_the_covariances_of_gaps_for_products():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(9, 5))
    posterior = HeadPosterior.fit(rng.normal(size=(20, 5)), rng.normal(size=20))
    v = x @ posterior.whitening()
    assert v @ v.T == pytest.approx(x @ np.linalg.inv(posterior.precision) @ x.T)


def test_weights_count_as_more_ratings():
    x, gaps = np.random.default_rng(0).normal(size=(20, 3)), np.linspace(-2, 2, 20)
    doubled = HeadPosterior.fit(np.vstack([x, x]), np.hstack([gaps, gaps]))
    weighted = HeadPosterior.fit(x, gaps, 2 * np.ones(20))
    assert doubled.precision == pytest.approx(weighted.precision)


def test_drawn_heads_have_its_variance():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 4)) * [1, 2, 0.5, 3]
    posterior = HeadPosterior.fit(x, rng.normal(size=50))
    heads = posterior.draw(200_000, seed=2)
    assert (x @ heads.T).var(axis=1) == pytest.approx(posterior.gap_variance(x), rel=0.03)


def test_it_is_least_sure_where_it_has_seen_nothing():
    rng = np.random.default_rng(2)
    seen = rng.normal(size=(400, 6)) * [1, 1, 1, 1, 1, 0.01]
    variance = HeadPosterior.fit(seen, np.zeros(400)).gap_variance(np.eye(6))
    assert variance[5] > 5 * variance[:5].max()


def test_a_pair_that_is_decided_already_teaches_little():
    x = np.ones((10, 1))
    sure, unsure = HeadPosterior.fit(x, np.full(10, 8.0)), HeadPosterior.fit(x, np.zeros(10))
    assert sure.gap_variance(x)[0] > 3 * unsure.gap_variance(x)[0]


def test_it_survives_the_disk(tmp_path):
    rng = np.random.default_rng(3)
    posterior = HeadPosterior.fit(rng.normal(size=(30, 5)), rng.normal(size=30))
    posterior.save(tmp_path)
    loaded = HeadPosterior.load(tmp_path)
    assert loaded is not None and loaded.n == 30
    assert loaded.precision == pytest.approx(posterior.precision, rel=1e-5, abs=1e-5)
    assert HeadPosterior.load(tmp_path / "elsewhere") is None


def test_equal_completions_say_nothing_and_are_no_error():
    assert prior_precision(np.zeros((3, 2))) > 0
    assert HeadPosterior.fit(np.zeros((3, 2)), np.zeros(3)).gap_variance(np.ones((1, 2)))[0] > 0


def test_training_leaves_it_beside_the_weights(trained_model):
    posterior = HeadPosterior.load(trained_model)
    assert posterior is not None
    assert posterior.precision.shape[0] == RewardModel.load(trained_model).feature_size
    assert np.linalg.eigvalsh(posterior.precision).min() > 0
