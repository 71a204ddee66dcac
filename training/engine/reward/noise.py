"""Label noise: preference strength from models that did not train on a comparison, and what to do about doubtful ones.

Wang et al. 2024, "Secrets of RLHF in Large Language Models Part II" (arXiv 2401.06080 §2), with cross-fitting: they
score the pairs their models were trained on, which hides the noise that the models have learnt by heart.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

TREATMENTS = ("none", "drop", "flip", "soft", "margin")


def fold_of(prompt_digest: str, n_folds: int) -> int:
    """Fold 0..n_folds − 1 of a prompt: the same for all its comparisons, and independent of its split.

    The digest is hashed again since its own digits decide about train, validation and test.
    """
    return int.from_bytes(hashlib.sha256(f"fold:{prompt_digest}".encode()).digest()[:8], "big") % n_folds


def strengths(gaps: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (n,) over m models of their reward gaps (m, n) of n comparisons.

    The mean is the preference strength: below 0 the models contradict the label. The deviation divides by m, as in the
    paper; one model leaves 0.
    """
    values = np.asarray(gaps, dtype=np.float64)
    return values.mean(axis=0), values.std(axis=0)


def mean_sigmoid(mean: ArrayLike, std: ArrayLike) -> NDArray[np.float64]:
    """E[σ(d)] for d ~ N(mean, std²), to within 0.02: σ(mean / √(1 + π std² / 8)) (MacKay 1992). NaN std counts as 0."""
    d = np.asarray(mean, dtype=np.float64)
    variance = np.nan_to_num(np.asarray(std, dtype=np.float64)) ** 2
    p: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * d / np.sqrt(1 + np.pi * variance / 8)))
    return p


def treat(
    p: NDArray[np.floating],
    margin: NDArray[np.floating],
    weight: NDArray[np.floating],
    strength_mean: NDArray[np.floating],
    strength_std: NDArray[np.floating],
    how: str,
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Soft preferences, margins and weights (n,) each, after a treatment of comparisons by strength μ ± s (n,).

    μ counts towards the side that p is on; a tie is on none and stays as it is. none: all as they are. drop: weight 0
    where μ < 0. flip: 1 − p where μ < 0. soft: (1 − α) p + α (1 − p) where μ < 0, α being the models' own probability
    that the label is wrong, E[σ(−d)] for d ~ N(μ, s²), so that a label is turned only as far as they are sure.
    margin: m + μ, an adaptive margin that asks for a wide gap where the models see one and forgives a negative gap
    where they contradict the label. Nothing is changed in place. Raises ValueError for another treatment.
    """
    if how not in TREATMENTS:
        raise ValueError(f"expected one of {', '.join(TREATMENTS)}, got {how!r}")
    # Towards the side that the label is on; a tie is on none.
    along = np.sign(p - 0.5) * strength_mean
    is_doubted = along < 0
    if how == "drop":
        return p, margin, np.where(is_doubted, np.zeros_like(weight), weight)
    if how == "flip":
        return np.where(is_doubted, 1 - p, p), margin, weight
    if how == "soft":
        alpha = mean_sigmoid(-np.asarray(along), strength_std).astype(p.dtype)
        return np.where(is_doubted, (1 - alpha) * p + alpha * (1 - p), p), margin, weight
    if how == "margin":
        return p, (margin + along).astype(margin.dtype), weight
    return p, margin, weight
