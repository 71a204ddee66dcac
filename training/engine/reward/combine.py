"""One reward from a helpfulness and a safety reward model, at scoring time. Pure functions of arrays.

Bradley-Terry fixes rewards up to a constant, so every model's rewards are first taken relative to its `reward_mean`
(touchstone.json): the sigmoid of that is the probability of beating an average completion of its training set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
LLAMA2_THRESHOLD = 0.15


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of a model's rewards on its training texts."""

    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Scale:
        """From touchstone.json; mean 0 and deviation 1 where it does not say."""
        return cls(float(metadata.get("reward_mean", 0.0)), float(metadata.get("reward_std", 1.0)) or 1.0)


def combined(
    helpful: ArrayLike,
    safe: ArrayLike,
    is_safety_prompt: ArrayLike,
    threshold: float = LLAMA2_THRESHOLD,
    *,
    helpful_scale: Scale = Scale(),
    safe_scale: Scale = Scale(),
) -> Floats:
    """Llama 2's rule (arXiv 2307.09288 §3.2.3) for n completions: (n,) from their two rewards and tags, (n,) each.

    R_c = R_s where the prompt is tagged as one about safety or R_s < `threshold`, else R_h, both as probabilities,
    R = σ(reward − mean). What is returned is logit(R_c), as the policy is trained on, before whitening: the deciding
    reward less its mean, which no sigmoid has rounded to 1. Their threshold of 0.15 (precision 0.89 and recall 0.55 on
    their safety test) is to be set anew for other models. Raises ValueError for a threshold outside (0, 1).
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: expected a probability between 0 and 1, got {threshold!r}")
    s = np.asarray(safe, dtype=np.float64) - safe_scale.mean
    h = np.asarray(helpful, dtype=np.float64) - helpful_scale.mean
    is_decided_by_safety = np.asarray(is_safety_prompt, dtype=np.bool_) | (s < math.log(threshold / (1 - threshold)))
    rewards: Floats = np.where(is_decided_by_safety, s, h)
    return rewards


def weighted(
    rewards: Mapping[str, ArrayLike], weights: Mapping[str, float], scales: Mapping[str, Scale] | None = None
) -> Floats:
    """Σ w_a (r_a − mean_a) / std_a / Σ |w_a| over the axes a of `weights`, for n completions: (n,).

    `rewards` holds (n,) for each axis, `scales` each model's (default mean 0, deviation 1: rewards as they are).
    Raises ValueError for no weights, weights that are all 0, or an axis that `rewards` lacks.
    """
    total = sum(abs(weight) for weight in weights.values())
    if total == 0:
        raise ValueError("weights: at least one axis needs a weight other than 0")
    if missing := sorted(weights.keys() - rewards.keys()):
        raise ValueError(f"weights: there is no reward for the axis {missing[0]!r}")
    parts = []
    for axis, weight in weights.items():
        scale = (scales or {}).get(axis, Scale())
        parts.append(weight / total * (np.asarray(rewards[axis], dtype=np.float64) - scale.mean) / scale.std)
    mixed: Floats = np.sum(parts, axis=0)
    return mixed


def whiten(rewards: ArrayLike) -> Floats:
    """Rewards (n,) of a batch less their mean, in standard deviations; 0 where all are equal (Llama 2's WHITEN)."""
    values = np.asarray(rewards, dtype=np.float64)
    centred: Floats = values - values.mean()
    std = float(values.std())
    return centred / std if std > 0 else np.zeros_like(centred)
