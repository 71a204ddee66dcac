"""How far a policy has moved from its reference: KL exactly and by estimators, and the controller that holds it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def exact_kl(logits: Tensor, reference_logits: Tensor) -> Tensor:
    """KL(π ‖ π_ref) at each position over the whole vocabulary: (…, v) and (…, v) -> (…), in nats, at least 0.

    Summed over the tokens of a completion that π wrote and averaged over completions it is the sequence's KL without
    the noise of the token drawn (the chain rule of KL).
    """
    log_p = torch.log_softmax(logits.float(), dim=-1)
    log_q = torch.log_softmax(reference_logits.float(), dim=-1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).clamp(min=0)


def k1(log_p: Tensor, reference_log_p: Tensor) -> Tensor:
    """log π − log π_ref of the token drawn: unbiased, may be negative; what RLOO subtracts from the reward."""
    return log_p - reference_log_p


def k3(log_p: Tensor, reference_log_p: Tensor) -> Tensor:
    """ρ − 1 − log ρ with ρ = π_ref / π of the token drawn (Schulman 2020): unbiased, never negative; GRPO's loss."""
    log_ratio = reference_log_p - log_p
    return log_ratio.exp() - 1 - log_ratio


def entropy(logits: Tensor) -> Tensor:
    """Entropy at each position over the whole vocabulary: (…, v) -> (…), in nats."""
    log_p = torch.log_softmax(logits.float(), dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)


@dataclass
class AdaptiveBeta:
    """The controller of Ziegler et al. (2019): β ← β · (1 + clip(KL / target − 1, ±0.2) · n / horizon).

    `target` in nats a completion, `horizon` in completions. A target of 0 leaves β as it is.
    """

    beta: float
    target: float
    horizon: float

    def update(self, kl: float, n_completions: int) -> float:
        """β after a step over `n_completions` whose mean KL was `kl`."""
        if self.target > 0:
            error = min(0.2, max(-0.2, kl / self.target - 1))
            self.beta *= 1 + error * n_completions / self.horizon
        return self.beta
