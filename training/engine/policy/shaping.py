"""From what the scorer says of a completion to the number that the policy is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REWARDS = ("rewards", "calibrated")
ENSEMBLES = ("mean", "worst", "uncertainty")
SHAPINGS = ("none", "centred", "sigmoid", "clip")

CLIP = 3.0


@dataclass(frozen=True)
class Shaping:
    """`reward`: as it is, or less what length adds ("calibrated"). `ensemble`: the members' mean, their least (worst
    case), or mean − `uncertainty_weight` · variance (Coste et al. 2023). `shaping`: see `shaped`."""

    reward: str = "rewards"
    ensemble: str = "mean"
    uncertainty_weight: float = 0.5
    shaping: str = "none"


def ensembled(how: Shaping, rewards: Array, members: Array | None, calibrated: Array | None) -> Array:
    """One reward a completion: rewards (n), members (n, k) or None, calibrated (n) or None -> (n).

    Raises ValueError where the reward model has no members, or no calibration, to do what is asked.
    """
    value = rewards
    if how.reward == "calibrated":
        if calibrated is None:
            raise ValueError("the reward model has no length calibration")
        value = calibrated
    if how.ensemble == "mean":
        return value
    if members is None or members.shape[1] < 2:
        raise ValueError(f"the reward model has no members for {how.ensemble!r}")
    if how.ensemble == "worst":
        return value + members.min(axis=1) - rewards
    return value - how.uncertainty_weight * members.var(axis=1)


def shaped(how: Shaping, values: Array, reference: Array, scale: float) -> Array:
    """What the trainer gets: values (n), the reference's values on the same prompts (n), spread of rewards -> (n).

    "none": as it is. "centred": r − r_ref; under a baseline of the same prompt (RLOO, GRPO) it changes nothing but
    what is shown. "sigmoid": σ((r − r_ref) / scale), which stops paying for ever higher rewards (PAR, Fu et al. 2025;
    divided by the reward model's spread, so that its unit does not matter). "clip": r − r_ref within ±3 spreads.
    """
    if how.shaping == "none":
        return values
    gap = values - reference
    if how.shaping == "centred":
        return gap
    if how.shaping == "sigmoid":
        return 1 / (1 + np.exp(-gap / scale))
    return np.clip(gap, -CLIP * scale, CLIP * scale)
