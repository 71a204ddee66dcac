"""Acquisition functions: how much a label of each pair is worth, higher is better. Pure functions on arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairScores:
    """What is known about n candidate pairs. gap: reward(a) − reward(b), (n,). head_gaps: the same by each of the
    heads that the ratings leave possible, (n, heads). noise: a uniform number in [0, 1) of each, (n,)."""

    gap: Floats
    head_gaps: Floats
    noise: Floats

    @property
    def disagreement(self) -> Floats:
        """Variance of the gap over the heads, (n,), in squared units of reward."""
        variance: Floats = self.head_gaps.var(axis=1)
        return variance


def random(scores: PairScores) -> Floats:
    """No preference: the control that every other rule has to beat."""
    return scores.noise


def closeness(scores: PairScores) -> Floats:
    """−|gap|: pairs whose winner the model is least sure of, uncertainty sampling (Lewis & Gale 1994)."""
    return -np.abs(scores.gap)


def disagreement(scores: PairScores) -> Floats:
    """Variance of the gap over the heads: pairs on which the possible models differ, query by committee (Seung et al.
    1992), for reward models Christiano et al. (2017)."""
    return scores.disagreement


ACQUISITIONS: dict[str, Callable[[PairScores], Floats]] = {
    "disagreement": disagreement,
    "gap": closeness,
    "random": random,
}
