"""The Bradley-Terry loss with margins, soft preferences and weights, as pure functions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


class PreferenceLoss(NamedTuple):
    """The parts of the loss over n comparisons; all but `per_comparison` and `reward_gap` (n,) are scalars."""

    total: Tensor
    """Sum of `per_comparison`; divide by the number of comparisons of the whole batch."""
    per_comparison: Tensor
    """w · [−p log σ(Δ − m) − (1 − p) log σ(−Δ − m)], (n,)."""
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
) -> PreferenceLoss:
    """L = −w · [p log σ(Δ − m) + (1 − p) log σ(−Δ − m)], Δ = r(x, y_w) − r(x, y_l); every argument is (n,).

    `soft_preference` p in [0, 1] is the aggregated preference for `chosen` (default 1), `margin` m ≥ 0 comes from the
    intensity (default 0), `weight` w ≥ 0 from intensity and agreement (default 1; with weights of mean 1 this is the
    scaled Bradley-Terry loss of HelpSteer2-Preference, arXiv 2410.01257). Margins: Llama 2, arXiv 2307.09288 §3.2.2.
    """
    gap = chosen_rewards - rejected_rewards
    p = torch.ones_like(gap) if soft_preference is None else soft_preference.to(gap)
    m = torch.zeros_like(gap) if margin is None else margin.to(gap)
    w = torch.ones_like(gap) if weight is None else weight.to(gap)
    per_comparison = -w * (p * logsigmoid(gap - m) + (1 - p) * logsigmoid(-gap - m))
    is_decided = p != 0.5
    agrees = 0.5 * (1 + torch.sign(gap.detach()) * torch.sign(p - 0.5))
    return PreferenceLoss(
        total=per_comparison.sum(),
        per_comparison=per_comparison,
        reward_gap=gap,
        n_correct=(agrees * is_decided).sum(),
        n_decided=is_decided.sum(),
    )
