"""Length: how much of a reward it explains, and what takes it away. Pure functions of arrays and tensors.

A length is in any unit (characters, tokens), the same wherever one calibration is fitted and applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class LengthMasks(NamedTuple):
    """Which comparisons (n,) length says nothing about, would get wrong, and would get right."""

    matched: NDArray[np.bool_]
    opposed: NDArray[np.bool_]
    agreed: NDArray[np.bool_]


def matched_and_opposed(
    chosen_lengths: ArrayLike, rejected_lengths: ArrayLike, *, tolerance: float = 0.1
) -> LengthMasks:
    """Comparisons by lengths (n,): matched within `tolerance` of the longer, else opposed (chosen shorter) or agreed.

    A model that only likes length is right on every agreed one, wrong on every opposed one, and a coin on the matched.
    """
    chosen, rejected = np.asarray(chosen_lengths, dtype=np.float64), np.asarray(rejected_lengths, dtype=np.float64)
    matched = np.abs(chosen - rejected) <= tolerance * np.maximum(chosen, rejected)
    return LengthMasks(matched, ~matched & (chosen < rejected), ~matched & (chosen > rejected))


def random_pairs(prompts: Sequence[str], rng: np.random.Generator, share: float) -> tuple[Indices, Indices]:
    """Rows i, and for each a row j of another prompt: (k,) each, k = round(share · n).

    Chosen i against a completion of j, as an answer to the prompt of i, is random-pairing augmentation (R-DA, Singhal
    et al. 2023, arXiv 2310.03716, who add 25 %): the wrong answer is as long as any, so length stops paying. Rows i are
    drawn without repetition up to n of them; there are none where all rows share one prompt.
    """
    n = len(prompts)
    numbers: dict[str, int] = {}
    codes = np.asarray([numbers.setdefault(prompt, len(numbers)) for prompt in prompts], dtype=np.int64)
    k = round(share * n)
    if len(numbers) < 2:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    rows = np.concatenate([rng.permutation(n) for _ in range(-(-k // n))] or [np.zeros(0, dtype=np.int64)])[:k]
    # With rows sorted by prompt, all rows of other prompts are one stretch that goes round the end: no draw is lost.
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    ends = np.cumsum(sizes)
    own = sizes[codes[rows]]
    step = np.floor(rng.random(k) * (n - own)).astype(np.int64)
    others = order[(ends[codes[rows]] + step) % n]
    return rows.astype(np.int64), others.astype(np.int64)


@dataclass(frozen=True)
class LengthCalibration:
    """r' = r − coefficient · tanh((length − centre) / scale): the reward less what length adds beyond human taste."""

    coefficient: float
    scale: float
    centre: float = 0.0

    def feature(self, length: ArrayLike) -> Floats:
        """tanh((length − centre) / scale), as LC-AlpacaEval uses length (arXiv 2404.04475): it saturates."""
        values: Floats = np.tanh((np.asarray(length, dtype=np.float64) - self.centre) / self.scale)
        return values

    def apply(self, reward: ArrayLike, length: ArrayLike) -> Floats:
        """Calibrated rewards of completions with these rewards and lengths, of one shape."""
        rewards: Floats = np.asarray(reward, dtype=np.float64) - self.coefficient * self.feature(length)
        return rewards


def fit_length_calibration(
    reward_gap: ArrayLike,
    length_gap: ArrayLike,
    p: ArrayLike,
    *,
    lengths: tuple[ArrayLike, ArrayLike] | None = None,
    ridge: float = 1e-3,
) -> LengthCalibration:
    """Bradley-Terry regression of held-out human preferences p on reward gap and length, (n,) each: σ(a Δr + φ x).

    Were the reward's taste for length the labellers', length would explain nothing beside it and φ = 0. Taste beyond
    theirs makes φ negative, and the coefficient −φ / a takes just that away (what is less than theirs, it adds).

    With `lengths` of the chosen and the rejected completions, x is the difference of their features, centre and scale
    being mean and standard deviation of all lengths: the calibration is for rewards of single completions. Without,
    x = tanh(length_gap / standard deviation of length_gap) as in LC-AlpacaEval: for reward gaps only.
    `ridge` is the precision, per comparison, of a normal prior on a and φ, which keeps both finite. A reward that says
    nothing (a ≤ 0) is left alone: its coefficient is 0.
    """
    gap, difference = np.asarray(reward_gap, dtype=np.float64), np.asarray(length_gap, dtype=np.float64)
    if len(gap) == 0:
        return LengthCalibration(0.0, 1.0)
    if lengths is None:
        found = LengthCalibration(0.0, float(difference.std()) or 1.0)
        x = found.feature(difference)
    else:
        chosen, rejected = (np.asarray(one, dtype=np.float64) for one in lengths)
        both = np.concatenate([chosen, rejected])
        found = LengthCalibration(0.0, float(both.std()) or 1.0, float(both.mean()))
        x = found.feature(chosen) - found.feature(rejected)
    # In units of its own size, so that the prior means the same whatever the scale of the rewards.
    unit = float(np.sqrt(np.mean(gap**2))) or 1.0
    a, phi = logistic(np.stack([gap / unit, x], axis=1), np.asarray(p, dtype=np.float64), ridge=ridge)
    if a <= 0:
        return found
    return LengthCalibration(float(-phi * unit / a), found.scale, found.centre)


def length_normalised(reward: ArrayLike, length: ArrayLike, *, max_length: float, reward_std: float) -> Floats:
    """r + (1 − length / max_length) · reward_std: Singhal et al.'s penalty, one deviation over the window."""
    share = np.asarray(length, dtype=np.float64) / max_length
    rewards: Floats = np.asarray(reward, dtype=np.float64) + (1 - share) * reward_std
    return rewards


def odin_penalty(
    r_quality: Tensor,
    r_length: Tensor,
    lengths: Tensor,
    w_quality: Tensor,
    w_length: Tensor,
    *,
    length_coefficient: float = 1.0,
    orthogonal_coefficient: float = 1.0,
) -> Tensor:
    """λ_L (|ρ(r_Q, length)| + 1 − ρ(r_L, length)) + λ_O |cos(w_Q, w_L)|, a scalar (ODIN, arXiv 2402.07319 §3).

    `r_quality`, `r_length` and `lengths` are (n,), over as many texts as can be had, since ρ is Pearson's correlation;
    fewer than three, of which any two correlate perfectly, or equal lengths leave only the last term. `w_quality` and
    `w_length` are the two heads' weights, any shape of d numbers.
    """
    orthogonal = cosine_similarity(w_quality.reshape(1, -1), w_length.reshape(1, -1)).abs().squeeze(0)
    penalty: Tensor = orthogonal_coefficient * orthogonal
    lengths = lengths.to(r_quality)
    if len(lengths) < 3 or bool((lengths == lengths[0]).all()):
        return penalty
    return penalty + length_coefficient * (pearson(r_quality, lengths).abs() + 1 - pearson(r_length, lengths))


def pearson(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's correlation of two (n,) tensors, differentiable; 0 where one is constant."""
    a, b = x - x.mean(), y - y.mean()
    product = (a.square().sum() * b.square().sum()).clamp_min(torch.finfo(x.dtype).tiny)
    correlation: Tensor = (a * b).sum() / product.sqrt()
    return correlation


def logistic(x: Floats, p: Floats, *, ridge: float = 0.0, weight: ArrayLike | None = None) -> Floats:
    """Coefficients (d,) of logistic regression without intercept of soft labels p (n,) in [0, 1] on x (n, d).

    Newton's method on Σ w [−p log σ(xβ) − (1 − p) log σ(−xβ)] + ½ ridge n |β|², with halved steps where one would not
    improve it.
    """
    n, d = x.shape
    w = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    penalty = ridge * n

    def value(beta: Floats) -> float:
        z = x @ beta
        loss = w * (p * np.logaddexp(0, -z) + (1 - p) * np.logaddexp(0, z))
        return float(loss.sum() + 0.5 * penalty * beta @ beta)

    beta: Floats = np.zeros(d)
    current = value(beta)
    for _ in range(100):
        q = 0.5 * (1 + np.tanh(0.5 * (x @ beta)))
        gradient = x.T @ (w * (q - p)) + penalty * beta
        hessian = (x * (w * q * (1 - q))[:, None]).T @ x + (penalty + 1e-12) * np.eye(d)
        step: NDArray[Any] = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        size = 1.0
        while (new := value(beta - size * step)) > current and size > 1e-6:
            size /= 2
        if not new < current:
            break
        beta, current = beta - size * step, new
    return beta
