"""The Bradley-Terry loss with margins, soft preferences and weights, and its variants, as pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

from training.engine.common.errors import EngineError


class PreferenceLoss(NamedTuple):
    """The parts of the loss over n comparisons; all but `per_comparison` and `reward_gap` (n,) are scalars."""

    total: Tensor
    """Sum of `per_comparison`; divide by the number of comparisons of the whole batch."""
    per_comparison: Tensor
    """w · [−p log σ(Δ − m) − (1 − p) log σ(−Δ − m) + η (r(chosen) + r(rejected))²], (n,)."""
    reward_gap: Tensor
    """Δ = r(chosen) − r(rejected), (n,)."""
    n_correct: Tensor
    """How many Δ have the sign of p − ½; Δ = 0 counts half; comparisons with p = ½ are left out."""
    n_decided: Tensor
    """How many comparisons have p ≠ ½."""


def preference_loss(
    chosen_rewards: Tensor,
    rejected_rewards: Tensor,
    *,
    soft_preference: Tensor | None = None,
    margin: Tensor | None = None,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    centring: float = 0.0,
) -> PreferenceLoss:
    """L = −w · [p log σ(Δ − m) + (1 − p) log σ(−Δ − m)], Δ = r(x, y_w) − r(x, y_l); every tensor is (n,).

    `soft_preference` p in [0, 1] is the aggregated preference for `chosen` (default 1), `margin` m comes from the
    intensity and is at least 0, or from cross-fitted strengths (default 0), `weight` w ≥ 0 from intensity and agreement
    (default 1; with weights of mean 1 this is the scaled Bradley-Terry loss of HelpSteer2-Preference, arXiv
    2410.01257). Margins: Llama 2, arXiv 2307.09288 §3.2.2.

    `label_smoothing` ε takes (1 − ε) p + ε/2 for p: a share ε of the labels says nothing (with p = 1 the conservative
    loss of labels that are wrong with probability ε/2; Mitchell 2023, "A note on DPO with noisy preferences").
    `centring` η adds w η (r_w + r_l)², which settles the constant that Bradley-Terry leaves open (Eisenstein et al.
    2023, arXiv 2312.09244; they use 0.01). Accuracy is counted against p as it was given.
    """
    gap = chosen_rewards - rejected_rewards
    p = torch.ones_like(gap) if soft_preference is None else soft_preference.to(gap)
    m = torch.zeros_like(gap) if margin is None else margin.to(gap)
    w = torch.ones_like(gap) if weight is None else weight.to(gap)
    target = p + label_smoothing * (0.5 - p)
    per_comparison = -w * (target * logsigmoid(gap - m) + (1 - target) * logsigmoid(-gap - m))
    if centring:
        per_comparison = per_comparison + w * centring * (chosen_rewards + rejected_rewards) ** 2
    is_decided = p != 0.5
    agrees = 0.5 * (1 + torch.sign(gap.detach()) * torch.sign(p - 0.5))
    return PreferenceLoss(
        total=per_comparison.sum(),
        per_comparison=per_comparison,
        reward_gap=gap,
        n_correct=(agrees * is_decided).sum(),
        n_decided=is_decided.sum(),
    )


def davidson_loss(gap: Tensor, log_nu: Tensor, p_chosen: Tensor, p_tie: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy (n,) of the three outcomes of Davidson's model, which has ties (JASA 65, 1970); tensors are (n,).

    P(chosen) = e^{Δ/2} / Z, P(rejected) = e^{−Δ/2} / Z, P(tie) = ν / Z, Z = e^{Δ/2} + e^{−Δ/2} + ν, so that
    P(chosen) / P(rejected) = e^Δ as in Bradley-Terry, and ν → 0 gives its loss. `log_nu` is a scalar; `p_chosen` and
    `p_tie` are the observed shares (p_rejected = 1 − p_chosen − p_tie), `weight` multiplies each comparison's term.
    """
    half = gap / 2
    nu = log_nu.expand_as(half)
    log_z = torch.logsumexp(torch.stack([half, -half, nu]), dim=0)
    p_rejected = 1 - p_chosen - p_tie
    loss: Tensor = weight * (log_z - p_chosen * half + p_rejected * half - p_tie * nu)
    return loss


def group_weights(groups: Sequence[str | None]) -> NDArray[np.float32]:
    """1 / C for each of the C comparisons of one group, 1 for those of none (None or ""): float32 (n,).

    All pairs of one K-way ranking then weigh as much together as one comparison: the 1 / C(K, 2) of InstructGPT's loss
    (arXiv 2203.02155 §3.5).
    """
    sizes = Counter(group for group in groups if group)
    return np.asarray([1 / sizes[group] if group else 1.0 for group in groups], dtype=np.float32)


def margins_from(intensity: ArrayLike, mapping: Mapping[int, float]) -> NDArray[np.float32]:
    """Margins (n,) of intensities (n,), by the level nearest to each (a half goes up); 0 where it is NaN.

    `mapping` gives the margin of each level, such as {1: 0, 2: 1, 3: 2, 4: 3} for Llama 2's large margins.
    Raises EngineError "bad_config" for a level that it lacks.
    """
    values = np.asarray(intensity, dtype=np.float64)
    is_known = np.isfinite(values)
    levels = np.floor(values[is_known] + 0.5).astype(np.int64)
    margins = np.zeros(len(values), dtype=np.float32)
    missing = sorted(set(levels.tolist()) - mapping.keys())
    if missing:
        raise EngineError("bad_config", f"margin_map says nothing of intensity {missing[0]}, which some comparison has")
    margins[is_known] = [mapping[level] for level in levels.tolist()]
    return margins
