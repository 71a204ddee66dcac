from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from scipy import integrate, stats

from training.engine.reward.noise import fold_of, mean_sigmoid, strengths, treat


def _digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def test_folds_are_even_and_independent_of_the_splits() -> None:
    """5,000 prompts in 5 folds × 10 splits by leading digits: independence by χ², and every fold near 1,000."""
    digests = [_digest(i) for i in range(5000)]
    folds = np.array([fold_of(one, 5) for one in digests])
    splits = np.array([int(one[:8], 16) % 10 for one in digests])
    counts = np.zeros((5, 10))
    np.add.at(counts, (folds, splits), 1)
    assert stats.chi2_contingency(counts).pvalue > 0.001
    assert counts.sum(axis=1).min() > 900
    assert fold_of(digests[0], 5) == fold_of(digests[0], 5)


def test_strengths_are_mean_and_population_deviation() -> None:
    """Gaps 1 and 3: mean 2, deviation √(((−1)² + 1²) / 2) = 1. Gaps −1 and −1: −1 and 0."""
    mean, std = strengths([[1.0, -1.0], [3.0, -1.0]])
    assert mean.tolist() == [2.0, -1.0]
    assert std.tolist() == [1.0, 0.0]
    assert strengths([[0.5, 2.0]])[1].tolist() == [0.0, 0.0]


def test_mean_sigmoid_is_near_the_integral() -> None:
    means, stds = np.repeat([-3.0, -0.5, 0.0, 1.0, 4.0], 3), np.tile([0.0, 1.0, 3.0], 5)

    def integral(m: float, s: float) -> float:
        if s == 0:
            return 1 / (1 + math.exp(-m))
        return float(integrate.quad(lambda d: stats.norm.pdf(d, m, s) / (1 + math.exp(-d)), m - 10 * s, m + 10 * s)[0])

    expected = [integral(m, s) for m, s in zip(means, stds, strict=True)]
    assert np.abs(mean_sigmoid(means, stds) - expected).max() < 0.02
    assert mean_sigmoid([math.log(3)], [math.nan]).tolist() == pytest.approx([0.75])


P, M, W = np.array([1.0, 0.8, 0.9]), np.array([0.0, 1.0, 0.5]), np.array([1.0, 2.0, 0.5])
MEAN, STD = np.array([2.0, -math.log(3), -0.0]), np.zeros(3)


def test_no_treatment_changes_nothing() -> None:
    p, m, w = treat(P, M, W, MEAN, STD, "none")
    assert (p.tolist(), m.tolist(), w.tolist()) == (P.tolist(), M.tolist(), W.tolist())


def test_drop_takes_the_weight_of_contradicted_comparisons() -> None:
    p, m, w = treat(P, M, W, MEAN, STD, "drop")
    assert w.tolist() == [1.0, 0.0, 0.5]
    assert (p.tolist(), m.tolist()) == (P.tolist(), M.tolist())
    assert W.tolist() == [1.0, 2.0, 0.5]


def test_flip_turns_the_preference_of_contradicted_comparisons() -> None:
    p, m, w = treat(P, M, W, MEAN, STD, "flip")
    assert p.tolist() == pytest.approx([1.0, 0.2, 0.9])
    assert (m.tolist(), w.tolist()) == (M.tolist(), W.tolist())


def test_soft_turns_a_preference_as_far_as_the_models_are_sure() -> None:
    """μ = −ln 3: α = σ(ln 3) = ¾, so 0.8 becomes ¼ · 0.8 + ¾ · 0.2 = 0.35. Less sure models turn it less."""
    p, _, _ = treat(P, M, W, MEAN, STD, "soft")
    assert p.tolist() == pytest.approx([1.0, 0.35, 0.9])
    unsure, _, _ = treat(P, M, W, MEAN, STD + 5, "soft")
    assert 0.35 < unsure[1] < 0.5


def test_margin_adds_the_strength() -> None:
    p, m, w = treat(P, M, W, MEAN, STD, "margin")
    assert m.tolist() == pytest.approx([2.0, 1 - math.log(3), 0.5])
    assert (p.tolist(), w.tolist()) == (P.tolist(), W.tolist())


def test_types_are_kept_and_other_names_refused() -> None:
    p, m, w = (one.astype(np.float32) for one in (P, M, W))
    results = [treat(p, m, w, MEAN, STD, how) for how in ("drop", "flip", "soft", "margin")]
    assert [[one.dtype for one in result] for result in results] == [[np.float32] * 3] * 4
    with pytest.raises(ValueError, match="expected one of"):
        treat(P, M, W, MEAN, STD, "guess")


def test_treatments_repair_a_tenth_of_flipped_labels() -> None:
    """True gaps ±2, labels flipped with probability 0.1 and judged by models with an error of deviation 1.

    A model calls 1 − Φ(2) = 2.3 % of the good ones bad and 97.7 % of the flipped ones: flip leaves about
    0.9 · 0.023 + 0.1 · 0.023 = 2.3 % wrong labels.
    """
    rng = np.random.default_rng(0)
    is_flipped = rng.random(20_000) < 0.1
    strength = np.where(is_flipped, -2.0, 2.0) + rng.normal(size=20_000)
    p, _, _ = treat(np.ones(20_000), np.zeros(20_000), np.ones(20_000), strength, np.zeros(20_000), "flip")
    wrong = np.mean((p == 1) == is_flipped)
    assert wrong == pytest.approx(1 - stats.norm.cdf(2), abs=0.004)
